"""The difference of two networks as a text table."""

from __future__ import annotations

from collections.abc import Sequence

from archc.diagnostics.ansi import paint
from archc.difference import Difference
from archc.difference.folding import Row, rows, whole_parts
from archc.reports.difference_rows import (
    causes,
    description,
    headline,
    interface,
    kind,
    label,
    names,
    recipe,
    signed,
    totals,
)
from archc.reports.text_columns import GAP, Column, fit, wrap

_MARKS = {"same": " ", "changed": "~", "added": "+", "removed": "-"}
_COLORS = {"changed": "yellow", "added": "green", "removed": "red"}
_COLUMNS = (
    Column("   layer", right=False),
    Column("op", 4, right=False),
    Column("parameters", 1),
    Column("MACs", 2),
    Column("activations", 5),
)
_TOTALS = (
    Column("", right=False),
    Column("A", 2),
    Column("B", 3),
    Column("B - A"),
    Column("growth", 4),
)
_CAUSES = (Column("cause", right=False), *_COLUMNS[2:])
_INDENT = " " * 5
FOLDED = "(--depth N opens blocks and sections, --all shows all layers)"


def table(
    result: Difference,
    *,
    width: int | None = None,
    color: bool = False,
    depth: int | None = None,
    everything: bool = False,
) -> str:
    """A line of summary; then a line per row that differs (with `everything`, per row), marked `~`
    changed, `+` only in B, `-` only in A; figures are B minus A. Then the totals and the causes. At
    most `width` columns wide. `depth` and `everything` are those of `folding.rows`."""
    a, b = names(result)
    lines: list[str] = []
    whole = whole_parts(result)
    for line in (
        headline(result, whole),
        f"A: {a}",
        f"B: {b}",
        *interface(result),
        *recipe(result),
    ):
        lines += wrap(line, width, _INDENT, "")
    lines.append("")
    shown = rows(result, whole, depth=depth, everything=everything)
    if shown:
        lines += [*_rows(shown, width, color=color), ""]
    if len(shown) < len(result.pairs):
        lines += [*wrap(FOLDED, width), ""]
    lines += _table(_TOTALS, totals(result), width, color=color)
    parts = causes(result)
    if parts:
        sums = [(name, *map(signed, cost)) for name, cost in parts]
        lines += ["", *_table(_CAUSES, sums, width, color=color)]
    return "\n".join(lines) + "\n"


def _rows(shown: Sequence[Row], width: int | None, *, color: bool) -> list[str]:
    cells = [_cells(row) for row in shown]
    texts = [description(row) for row in shown]
    fitted = fit(_COLUMNS, cells, width)
    longest = max(map(len, texts))
    beside = width is None or fitted.width + len(GAP) + longest <= width
    titles = tuple(column.title for column in _COLUMNS)
    lines: list[tuple[tuple[str, ...], str, str | None]]
    lines = [(titles, "changes" if beside and longest else "", "bold")]
    for row, own, change in zip(shown, cells, texts, strict=True):
        lines.append((own, change, _COLORS.get(row.status)))
    output = []
    for line, change, style in lines:
        text = fitted.line(line, _COLUMNS)
        if beside:
            both = [f"{text:<{fitted.width}}{GAP}{change}".rstrip()]
        else:
            both = [text, *wrap(change, width, _INDENT)]
        output += [paint(one, style) if color and style else one for one in both]
    return output + fitted.note(width)


def _cells(row: Row) -> tuple[str, ...]:
    op = kind(row) if len(row.parts) == 1 else ""
    return (f"{_MARKS[row.status]}  {label(row)}", op, *map(signed, row.delta))


def _table(
    columns: Sequence[Column], lines: Sequence[Sequence[str]], width: int | None, *, color: bool
) -> list[str]:
    fitted = fit(columns, lines, width)
    head, *rest = [fitted.line(line, columns) for line in ([one.title for one in columns], *lines)]
    return [paint(head, "bold") if color else head, *rest, *fitted.note(width)]
