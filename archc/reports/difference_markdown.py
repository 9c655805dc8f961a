"""The difference of two networks as a Markdown comment for a pull request."""

from __future__ import annotations

from collections.abc import Sequence

from archc.difference import Difference
from archc.difference.folding import rows, whole_parts
from archc.reports.difference_rows import (
    ARROW,
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
from archc.reports.markdown import escape
from archc.reports.text_columns import shorten

MOST_ROWS = 100
LONGEST_CELL = 240
"""A comment on GitHub has at most 65,536 characters."""


def comment(result: Difference, *, depth: int | None = None, everything: bool = False) -> str:
    """A summary in one line, a table of the rows that differ (with `everything`, of all rows; at
    most a hundred), and in a folded section the totals and the causes. Figures are B minus A;
    `depth` and `everything` are those of `folding.rows`."""
    a, b = names(result)
    whole = whole_parts(result)
    lines = [f"**{escape(a)} {ARROW} {escape(b)}**: {escape(headline(result, whole))}", ""]
    outside = [*interface(result), *recipe(result)]
    lines += [f"- {escape(line)}" for line in outside]
    lines += [""] * bool(outside)
    shown = rows(result, whole, depth=depth, everything=everything)
    if shown:
        titles = ("", "layer", "op", "parameters", "MACs", "activations", "changes")
        cells = [
            (
                row.status,
                label(row),
                kind(row) if len(row.parts) == 1 else "",
                *map(signed, row.delta),
                description(row),
            )
            for row in shown[:MOST_ROWS]
        ]
        lines += [*_table(titles, cells, "lllrrrl"), ""]
        if len(shown) > MOST_ROWS:
            lines += [f"and {len(shown) - MOST_ROWS:,} more rows", ""]
    if result.is_empty:
        return "\n".join(lines[:1]) + "\n"
    lines += ["<details>", "<summary>Totals and causes</summary>", ""]
    lines += _table(("", "A", "B", "B - A", ""), totals(result), "lrrrr")
    parts = [(name.strip(), *map(signed, cost)) for name, cost in causes(result)]
    if parts:
        lines += ["", *_table(("cause", "parameters", "MACs", "activations"), parts, "lrrr")]
    lines += ["", "</details>"]
    return "\n".join(lines) + "\n"


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]], alignment: str) -> list[str]:
    rules = [":---" if side == "l" else "---:" for side in alignment]
    return [
        _line(titles),
        _line(rules),
        *(_line([escape(shorten(cell, LONGEST_CELL)) for cell in row]) for row in rows),
    ]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
