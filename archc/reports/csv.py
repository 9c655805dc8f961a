"""The report as comma-separated values: a header, then one row a layer (RFC 4180, `\\n` ends)."""

from __future__ import annotations

from archc.ir.costs import Costs
from archc.reports.rows import COLUMNS, machine

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def report(costs: Costs) -> str:
    """The columns of the table with bare numbers; a layer goes by its whole path."""
    lines = [",".join(column.key for column in COLUMNS)]
    for layer in costs.layers:
        lines.append(",".join(cell(machine(column.value(layer))) for column in COLUMNS))
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """A cell that a spreadsheet takes as text: quoted where it must be, and never a formula."""
    if text.startswith(_FORMULA):
        text = f"'{text}"
    if any(char in text for char in ',"\r\n'):
        text = '"' + text.replace('"', '""') + '"'
    return text
