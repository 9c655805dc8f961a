"""The difference of two networks as a Markdown comment for a pull request."""

from __future__ import annotations

from collections.abc import Sequence

from archc.difference import Difference
from archc.reports.difference_rows import (
    ARROW,
    causes,
    changes,
    figures,
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
from archc.reports.markdown import escape
from archc.reports.table import shorten

MOST_ROWS = 100
LONGEST_CELL = 240
"""A comment on GitHub has at most 65,536 characters."""


def comment(result: Difference, *, everything: bool = False) -> str:
    """A summary in one line, a table of the rows that differ (with `everything`, of all rows; at
    most a hundred), and in a folded section the totals and the causes. Figures are B minus A."""
    a, b = names(result)
    head = ", ".join([summary(result), *figures(result)])
    lines = [f"**{escape(a)} {ARROW} {escape(b)}**: {escape(head)}", ""]
    outside = [*interface(result), *recipe(result)]
    lines += [f"- {escape(line)}" for line in outside]
    lines += [""] * bool(outside)
    pairs = rows_to_show(result, everything=everything)
    if pairs:
        titles = ("", "layer", "op", "parameters", "MACs", "activations", "changes")
        rows = [
            (
                pair.status,
                label(pair),
                op_name(pair),
                *map(signed, pair.delta),
                ", ".join(changes(pair)),
            )
            for pair in pairs[:MOST_ROWS]
        ]
        lines += [*_table(titles, rows, "lllrrrl"), ""]
        if len(pairs) > MOST_ROWS:
            lines += [f"and {len(pairs) - MOST_ROWS:,} more rows", ""]
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
