"""A list of networks as tables, one for each task, and as JSON types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from archc.diagnostics import visible
from archc.ir.costs import Costs
from archc.language.catalog import Catalog
from archc.reports import text_columns
from archc.reports.rows import approximate
from archc.reports.text_columns import shorten

HEADS = ("spec", "family", "year", "params", "MACs", "input", "title")
_RIGHT = ("year", "params", "MACs")
_SHORTEST_TITLE = 16
_SHORTEST: Mapping[str, int] = MappingProxyType({"family": 8, "spec": 12})
"""Columns that give way where a table is too wide, and down to how many characters."""
_GAP = "  "


class Entry(NamedTuple):
    """A spec and its figures per sample; for an invalid one only the number of its errors. `spec`
    is what commands take: a name or a path."""

    spec: str
    path: str
    name: str = ""
    title: str = ""
    catalog: Catalog = MappingProxyType({})
    params: int = 0
    macs: int = 0
    layers: int = 0
    inputs: tuple[tuple[int, ...], ...] = ()
    outputs: tuple[tuple[int, ...], ...] = ()
    errors: int = 0

    @property
    def task(self) -> str:
        """What the network does, on one line; empty where the spec does not tell."""
        return " ".join(str(self.catalog.get("task", "")).split())


def entry(spec: str, path: str, costs: Costs) -> Entry:
    """The entry of a network."""
    graph, totals = costs.graph, costs.totals
    inputs, outputs = (
        tuple(graph.nodes[index].output.sizes for index in indices)
        for indices in (graph.inputs, graph.outputs)
    )
    return Entry(
        spec,
        path,
        graph.about.name,
        graph.about.title,
        graph.about.catalog,
        totals.params,
        totals.macs,
        len(costs.layers),
        inputs,
        outputs,
    )


def data(entry: Entry) -> dict[str, object]:
    """An entry as JSON types: sizes of inputs and outputs in canonical order."""
    if entry.errors:
        return {"path": entry.path, "errors": entry.errors}
    fields = {**entry._asdict(), **entry.catalog}
    del fields["catalog"]
    fields["inputs"] = [list(sizes) for sizes in entry.inputs]
    fields["outputs"] = [list(sizes) for sizes in entry.outputs]
    return fields


def tables(entries: Sequence[Entry], width: int) -> str:
    """A table for each task under its name, at most `width` columns wide where it may: titles are
    shortened or left out, then families and names. Invalid specs are at the end."""
    valid = [entry for entry in entries if not entry.errors]
    rows = [(entry.task, _cells(entry)) for entry in valid]
    widths = _widths([cells for _, cells in rows], width)
    heading = [_line(HEADS, widths), _line(tuple("-" * size for size in widths), widths)]
    blocks = []
    for task in sorted({task for task, _ in rows}):
        lines = [_line(cells, widths) for own, cells in rows if own == task]
        blocks.append([*([visible(task)] if task else []), *heading, *lines])
    index = HEADS.index("title")
    if not widths[index] and any(cells[index] for _, cells in rows):
        blocks.append(text_columns.left_out(["title"], width))
    invalid = [_invalid(entry) for entry in entries if entry.errors]
    blocks += [invalid] if invalid else []
    return "\n\n".join("\n".join(lines) for lines in blocks) + "\n"


def _invalid(entry: Entry) -> str:
    errors = "1 error" if entry.errors == 1 else f"{entry.errors:,} errors"
    return f"{visible(entry.spec)}: {errors}, see `archc validate`"


def _cells(entry: Entry) -> tuple[str, ...]:
    texts = (entry.spec, *(str(entry.catalog.get(key, "")) for key in ("family", "year")))
    inputs = _inputs(entry.inputs)
    title = " ".join(entry.title.split())
    figures = (approximate(entry.params), approximate(entry.macs))
    return (*map(visible, texts), *figures, inputs, visible(title))


def _inputs(inputs: Sequence[tuple[int, ...]]) -> str:
    """`80\u00d73000, 448`; several of one size as `2 of 512`."""
    texts = ["\u00d7".join(map(str, sizes)) for sizes in inputs]
    alike = len(texts) > 1 and len(set(texts)) == 1
    return f"{len(texts)} of {texts[0]}" if alike else ", ".join(texts)


def _widths(rows: Sequence[Sequence[str]], width: int) -> tuple[int, ...]:
    """The width of each column: 0 for one that is left out."""
    widths = {
        head: max([len(head), *(len(row[index]) for row in rows)])
        if any(row[index] for row in rows)
        else 0
        for index, head in enumerate(HEADS)
    }
    others = sum(size + len(_GAP) for head, size in widths.items() if size and head != "title")
    left = max(width - others, 0)
    enough = left >= min(widths["title"], _SHORTEST_TITLE)
    widths["title"] = min(widths["title"], left) if enough else 0
    over = others - len(_GAP) - width
    for head, shortest in _SHORTEST.items():
        cut = min(max(over, 0), max(widths[head] - shortest, 0))
        widths[head] -= cut
        over -= cut
    return tuple(widths.values())


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    shown = []
    for head, cell, size in zip(HEADS, cells, widths, strict=True):
        text = shorten(cell, size)
        if size:
            shown.append(text.rjust(size) if head in _RIGHT else text.ljust(size))
    return _GAP.join(shown).rstrip()
