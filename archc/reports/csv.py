"""The report as CSV: a header, then one row per layer (RFC 4180, with `\\n`)."""

from __future__ import annotations

from archc.ir.costs import Costs
from archc.reports.rows import COLUMNS, machine

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def report(costs: Costs) -> str:
    """The columns of the table with plain numbers, layers by path."""
    lines = [",".join(column.key for column in COLUMNS)]
    for layer in costs.layers:
        lines.append(",".join(cell(machine(column.value(layer))) for column in COLUMNS))
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """A cell that a spreadsheet reads as text: quoted if necessary, and never a formula."""
    if text.startswith(_FORMULA):
        text = f"'{text}"
    if any(char in text for char in ',"\r\n'):
        text = '"' + text.replace('"', '""') + '"'
    return text
