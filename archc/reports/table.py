"""The report as a text table: plain, or in colour for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from archc.diagnostics import visible
from archc.ir.costs import Costs, Memory
from archc.reports import text_columns
from archc.reports.rows import COLUMNS, Column, Row, axes_line, human, rows, totals
from archc.reports.text_columns import GAP, Fit

_COLUMNS = [text_columns.Column(one.title, one.rank, one.right) for one in COLUMNS]
_TOTALS = (text_columns.Column("", right=False), text_columns.Column(""))


class Layout(NamedTuple):
    """The rows of a table with the cells of all columns, and the columns that fit."""

    rows: list[Row]
    cells: list[list[str]]
    fit: Fit

    @property
    def columns(self) -> list[Column]:
        """The columns that are shown."""
        return [COLUMNS[index] for index in self.fit.kept]


def layout(costs: Costs, width: int | None, depth: int | None = None) -> Layout:
    """The table in at most `width` columns: columns are dropped by rank, and long names lose their
    middle."""
    lines = list(rows(costs, depth))
    contents = [cells(row, COLUMNS) for row in lines]
    return Layout(lines, contents, text_columns.fit(_COLUMNS, contents, width))


def cells(row: Row, columns: Sequence[Column]) -> list[str]:
    """The cells of a row; the heading of a section or block has only its name and kind."""
    label = "  " * row.depth + row.label
    if row.figures is None:
        values = {"layer": label, "op": row.kind}
        return [values.get(column.key, "") for column in columns]
    return [
        label if column.key == "layer" else human(column.value(row.figures)) for column in columns
    ]


def report(
    costs: Costs, memory: Memory | None = None, width: int | None = None, depth: int | None = None
) -> str:
    """The table as aligned text, at most `width` columns wide; with a `depth`, whole sections and
    block instances there."""
    table = layout(costs, width, depth)
    output = [heading(costs), visible(axes_line(costs)), ""]
    output.append(table.fit.line([column.title for column in COLUMNS], _COLUMNS))
    output.append(GAP.join("-" * size for size in table.fit.widths))
    output += [table.fit.line(line, _COLUMNS) for line in table.cells]
    output += table.fit.note(width)
    sums = totals(costs, memory)
    fitted = text_columns.fit(_TOTALS, sums, width)
    output += ["", *(fitted.line(line, _TOTALS) for line in sums)]
    return "\n".join(output) + "\n"


def heading(costs: Costs) -> str:
    """The network's name, and its title if it has one."""
    about = costs.graph.about
    return f"{about.name}: {visible(about.title)}" if about.title else about.name


def color_report(
    costs: Costs, memory: Memory | None = None, width: int | None = None, depth: int | None = None
) -> str:
    """The table with ANSI styles, at most `width` columns wide (by default 80)."""
    # Imported only for terminals: they are slow.
    from io import StringIO

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    file = StringIO()
    console = Console(
        file=file,
        width=80 if width is None else width,
        force_terminal=True,
        color_system="standard",
        legacy_windows=False,
        no_color=False,
    )
    contents = layout(costs, console.width, depth)
    table = Table(box=None, padding=(0, len(GAP), 0, 0), pad_edge=False, header_style="bold")
    for column, size in zip(contents.columns, contents.fit.widths, strict=True):
        table.add_column(
            Text(column.title),
            justify="right" if column.right else "left",
            width=size,
            no_wrap=True,
            style="cyan" if column.key == "op" else "",
        )
    for row, line in zip(contents.rows, contents.cells, strict=True):
        style = "bold" if row.figures is None else ""
        table.add_row(*map(Text, contents.fit.cells(line)), style=style)
    console.print(Text(heading(costs), style="bold"))
    console.print(Text(visible(axes_line(costs)), style="dim"))
    console.print()
    console.print(table)
    for note in contents.fit.note(console.width):
        console.print(Text(note))
    console.print()
    sums = Table.grid(padding=(0, len(GAP), 0, 0))
    sums.add_column()
    sums.add_column(justify="right", style="bold")
    for name, value in totals(costs, memory):
        sums.add_row(Text(name), Text(value))
    console.print(sums)
    return file.getvalue()
