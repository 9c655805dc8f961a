"""The report as a text table: plain, or in colour for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from archc.diagnostics import visible
from archc.ir.costs import Costs, Memory
from archc.reports.rows import COLUMNS, Column, Row, axes_line, human, rows, totals

GAP = 2
SHORT_LABEL = 24
SHORTEST_LABEL = 12
"""In a narrow terminal columns are dropped before names get shorter than the first, and shapes
before they get shorter than the second."""


def cells(row: Row, columns: Sequence[Column]) -> list[str]:
    """The cells of a row; the heading of a section or block has only its name and kind."""
    label = "  " * row.depth + row.label
    if row.layer is None:
        values = {"layer": label, "op": row.kind}
        return [values.get(column.key, "") for column in columns]
    return [
        label if column.key == "layer" else human(column.value(row.layer)) for column in columns
    ]


def report(costs: Costs, memory: Memory | None = None, width: int | None = None) -> str:
    """The table as aligned text, at most `width` columns wide."""
    columns, lines, widths = layout(costs, width)
    output = [heading(costs), visible(axes_line(costs)), ""]
    head = [column.title for column in columns]
    output += [_align(line, columns, widths) for line in (head, ["-" * size for size in widths])]
    output += [_align(line, columns, widths) for line in lines]
    sums = totals(costs, memory)
    longest = max(len(name) for name, _ in sums)
    widest = max(len(value) for _, value in sums)
    output += ["", *(f"{name:<{longest}}  {value:>{widest}}" for name, value in sums)]
    return "\n".join(output) + "\n"


def heading(costs: Costs) -> str:
    """The network's name, and its title if it has one."""
    about = costs.graph.about
    return f"{about.name}: {visible(about.title)}" if about.title else about.name


def layout(costs: Costs, width: int | None) -> tuple[list[Column], list[list[str]], list[int]]:
    """The columns that fit, the cells of every row, and the columns' widths.

    Columns that do not fit are dropped by rank; long names lose their middle.
    """
    lines = [cells(row, COLUMNS) for row in rows(costs)]
    widths = [
        max([len(column.title), *(len(line[index]) for line in lines)])
        for index, column in enumerate(COLUMNS)
    ]
    kept = list(range(len(COLUMNS)))
    if width is not None:
        for index in sorted(kept, key=lambda index: -COLUMNS[index].rank):
            rank = COLUMNS[index].rank
            label = min(widths[0], SHORTEST_LABEL if rank == 1 else SHORT_LABEL)
            if rank and _total([label, *(widths[index] for index in kept[1:])]) > width:
                kept.remove(index)
        over = _total([widths[index] for index in kept]) - width
        if over > 0:
            widths[0] = max(widths[0] - over, SHORTEST_LABEL)
            for line in lines:
                line[0] = shorten(line[0], widths[0])
    columns = [COLUMNS[index] for index in kept]
    return columns, [[line[index] for index in kept] for line in lines], [widths[i] for i in kept]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def shorten(text: str, width: int) -> str:
    """`text` with an ellipsis in the middle if it is longer than `width`."""
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    return f"{text[:head]}\u2026{text[len(text) - (width - 1 - head) :]}"


def _align(line: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> str:
    parts = (
        f"{cell:>{width}}" if column.right else f"{cell:<{width}}"
        for cell, column, width in zip(line, columns, widths, strict=True)
    )
    return (" " * GAP).join(parts).rstrip()


def color_report(costs: Costs, memory: Memory | None = None, width: int | None = None) -> str:
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
    columns, lines, widths = layout(costs, console.width)
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    for column, size in zip(columns, widths, strict=True):
        table.add_column(
            Text(column.title),
            justify="right" if column.right else "left",
            width=size,
            no_wrap=True,
            style="cyan" if column.key == "op" else "",
        )
    for row, line in zip(rows(costs), lines, strict=True):
        table.add_row(*(Text(cell) for cell in line), style="bold" if row.layer is None else "")
    console.print(Text(heading(costs), style="bold"))
    console.print(Text(visible(axes_line(costs)), style="dim"))
    console.print()
    console.print(table)
    console.print()
    sums = Table.grid(padding=(0, GAP, 0, 0))
    sums.add_column()
    sums.add_column(justify="right", style="bold")
    for name, value in totals(costs, memory):
        sums.add_row(Text(name), Text(value))
    console.print(sums)
    return file.getvalue()
