"""The difference of two networks as a text table."""

from __future__ import annotations

from collections.abc import Sequence

from archc.diagnostics.ansi import paint
from archc.difference import Difference, Pair
from archc.reports.difference_rows import (
    causes,
    changes,
    interface,
    label,
    names,
    op_name,
    recipe,
    rows_to_show,
    signed,
    summary,
    totals,
)
from archc.reports.table import shorten

_MARKS = {"same": " ", "changed": "~", "added": "+", "removed": "-"}
_COLORS = {"changed": "yellow", "added": "green", "removed": "red"}
_TITLES = ("", "layer", "op", "parameters", "MACs", "activations")
_RIGHT = (False, False, False, True, True, True)
_LAYER, _OP, _ACTIVATIONS = 1, 2, 5
_GAP = "  "
_INDENT = " " * 5
_SHORTEST_LABEL = 12


def table(
    result: Difference, *, width: int | None = None, color: bool = False, everything: bool = False
) -> str:
    """One line per row that differs (with `everything`, per row), marked `~` changed, `+` only in
    B, `-` only in A; figures are B minus A. Then the totals and the causes. At most `width` columns
    wide, if the narrowest columns allow it."""
    a, b = names(result)
    lines = [f"A: {a}", f"B: {b}", *interface(result)]
    for line in recipe(result):
        lines += [line] if width is None else _wrap(line, width, first="")
    lines.append("")
    pairs = rows_to_show(result, everything=everything)
    if pairs:
        lines += [*_rows(pairs, width, color=color), ""]
    same = sum(pair.status == "same" for pair in result.pairs)
    lines.append(summary(result))
    if same and not everything:
        lines[-1] += f"; {same:,} the same (--all shows them)"
    head = ("", "A", "B", "B - A", "")
    lines += ["", *_columns([head, *totals(result)], 1, color=color)]
    parts = causes(result)
    if parts:
        rows = [(name, *map(signed, cost)) for name, cost in parts]
        lines += ["", *_columns([("cause", *_TITLES[3:]), *rows], 1, color=color)]
    return "\n".join(lines) + "\n"


def _rows(pairs: Sequence[Pair], width: int | None, *, color: bool) -> list[str]:
    lines: list[tuple[str, ...]] = [_TITLES, *map(_cells, pairs)]
    ends = ["changes" if any(map(changes, pairs)) else "", *(", ".join(changes(p)) for p in pairs)]
    kept = list(range(len(_TITLES)))
    widths = [max(len(line[index]) for line in lines) for index in kept]
    beside = True
    if width is not None:
        longest = max(map(len, ends))
        beside = _total(widths, kept) + len(_GAP) + longest <= width
        for index in (_ACTIVATIONS, _OP):
            if _total(widths, kept) > width:
                kept.remove(index)
        over = _total(widths, kept) - width
        if over > 0:
            widths[_LAYER] = max(widths[_LAYER] - over, _SHORTEST_LABEL)
    output = []
    for status, line, end in zip([None, *(p.status for p in pairs)], lines, ends, strict=True):
        cells = []
        for index in kept:
            cell = shorten(line[index], widths[index]) if index == _LAYER else line[index]
            cells.append(
                f"{cell:>{widths[index]}}" if _RIGHT[index] else f"{cell:<{widths[index]}}"
            )
        texts = [_GAP.join([*cells, end] if beside else cells).rstrip()]
        if not beside and status is not None and width is not None:
            texts += _wrap(end, width, first=_INDENT)
        style = "bold" if status is None else _COLORS.get(status)
        output += [paint(text, style) if color and style is not None else text for text in texts]
    return output


def _total(widths: Sequence[int], kept: Sequence[int]) -> int:
    return sum(widths[index] for index in kept) + len(_GAP) * (len(kept) - 1)


def _wrap(text: str, width: int, *, first: str) -> list[str]:
    """Wrapped text; the first line begins with `first`, the others are indented."""
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(f"{_INDENT if lines else first}{word}")
    return lines


def _cells(pair: Pair) -> tuple[str, ...]:
    return (_MARKS[pair.status], label(pair), op_name(pair), *map(signed, pair.delta))


def _columns(lines: Sequence[tuple[str, ...]], left: int, *, color: bool) -> list[str]:
    """Aligned text: the first `left` columns left-aligned, the others right-aligned."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = [
        _GAP.join(
            f"{cell:<{size}}" if index < left else f"{cell:>{size}}"
            for index, (cell, size) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return [paint(rows[0], "bold"), *rows[1:]] if color else rows
