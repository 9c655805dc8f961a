"""The report as CSV: a header, then one row per layer (RFC 4180, with `\\n`)."""

from __future__ import annotations

from archc.ir.costs import Costs
from archc.reports.rows import COLUMNS, figures, machine

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def report(costs: Costs, depth: int | None = None) -> str:
    """The columns of the table with plain numbers, layers by path; with a `depth`, whole sections
    and block instances there."""
    lines = [",".join(column.key for column in COLUMNS)]
    for row in figures(costs, depth):
        lines.append(",".join(cell(machine(column.value(row))) for column in COLUMNS))
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """A cell that a spreadsheet reads as text: quoted if necessary, and never a formula."""
    if text.startswith(_FORMULA):
        text = f"'{text}"
    if any(char in text for char in ',"\r\n'):
        text = '"' + text.replace('"', '""') + '"'
    return text
