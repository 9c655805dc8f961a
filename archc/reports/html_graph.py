"""The network's graph as a tree of HTML elements, with collapsible frames, drawn by CSS alone.

A script draws the edges that do not lead from one item to the next; their sources are in
`data-skips`.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from archc.diagnostics import visible
from archc.ir.costs import Costs
from archc.ir.graph import Node, Region
from archc.reports.drawing.contents import gap_label, output_label, rows_of, titles
from archc.reports.drawing.fold import fold, left_out
from archc.reports.drawing.items import (
    Frame,
    Gap,
    Item,
    Output,
    Parallel,
    Repeat,
    Series,
    Stack,
    output_of,
)
from archc.reports.drawing.labels import (
    FILLS,
    attributes,
    axes_on_edges,
    convolution_legend,
    family,
    shape,
)
from archc.reports.drawing.lanes import Lanes
from archc.reports.drawing.tree import drawing
from archc.reports.drawing.u_shape import Level, u_shape

MOST_INPUTS = 8
"""Inputs of an op that its panel names."""


def graph(costs: Costs) -> str:
    """The graph with open sections and folded blocks and repeats."""
    writer = _Writer(costs)
    missing = left_out(writer.drawing, "shown")
    note = f"<p>{_text(missing)}</p>\n" if missing else ""
    return (
        f'{note}<div class="scroll" id="graph"><div role="tree" aria-label="The network">\n'
        f"{''.join(writer.root())}</div></div>\n"
    )


def legend(costs: Costs) -> str:
    """The colors of the network's families of ops, and what the figures of the graph are."""
    nodes = costs.graph.nodes
    kinds = {type(node.op): node.op for node in nodes}
    present = {family(op) for op in kinds.values()}
    colors = "".join(
        f'<li><span class="{name}"></span>{name}</li>' for name in FILLS if name in present
    )
    words = ["in the boxes: parameters", f"on the lines: {axes_on_edges(nodes)}"]
    convolution = convolution_legend(nodes)
    if convolution:
        words.insert(0, convolution)
    rest = "".join(f"<li>{_text(line)}</li>" for line in words)
    return f'<ul class="legend" aria-label="Legend">{colors}{rest}</ul>\n'


def _key(part: Node | Region | Output) -> str:
    """The id of a part of the graph in the page."""
    if isinstance(part, Region):
        return f"frame-{part.path}"
    return f"op-{part.index}" if isinstance(part, Node) else f"output-{part.node.index}"


def _text(content: str) -> str:
    return escape(visible(content))


class _Writer:
    def __init__(self, costs: Costs) -> None:
        self._costs = costs
        self._nodes = costs.graph.nodes
        self.drawing = fold(drawing(costs.graph), every_unit=True)
        self._skips: dict[str, list[int]] = {}
        for skip in self.drawing.skips:
            self._skips.setdefault(_key(skip.target), []).append(skip.source)

    def root(self) -> Iterator[str]:
        """The whole graph."""
        series = self.drawing.root
        levels = u_shape(series, self._nodes, Lanes(self.drawing))
        if not levels:
            yield from self.series(series, 1)
            return
        yield '<div class="series" role="none">\n'
        for number, part in enumerate(levels):
            yield from self._level(part, inner=number > 0)
        for number, part in reversed(list(enumerate(levels))):
            yield from self._expanding(part.expanding, inner=number > 0)
        yield "</div>\n"

    def _level(self, level: Level, *, inner: bool) -> Iterator[str]:
        """The start of a level of a U: what leads down, and the skip. The level inside it follows,
        and then what leads up."""
        yield '<div class="level" role="none"><div class="down" role="none">\n'
        if inner:
            yield _flow("", not isinstance(level.contracting.items[0], Parallel))
        yield from self.series(level.contracting, 1)
        yield _flow(self._shape(level.contracting.items[-1]), False)
        yield '<div class="rest" role="none"></div></div>\n<div class="across" role="none">'
        for item in level.skip.items:
            yield '<div class="skip" role="none"><div class="stop" role="none">'
            yield from self._item(item, 1)
            yield f'</div><span class="size">{_text(self._shape(item))}</span></div>'
        yield "</div>\n"

    def _expanding(self, series: Series, *, inner: bool) -> Iterator[str]:
        """The end of a level: what leads up from its skip."""
        yield '<div class="up" role="none">\n'
        if series.items:
            yield _flow("", not isinstance(series.items[0], Parallel))
            yield from self.series(series, 1)
            if inner:
                yield _flow(self._shape(series.items[-1]), False)
        if inner:
            yield '<div class="rest" role="none"></div>'
        yield "</div></div>\n"

    def series(self, series: Series, level: int) -> Iterator[str]:
        """The items from top to bottom, with the shapes between them."""
        yield '<div class="series" role="none">\n'
        for index, item in enumerate(series.items):
            if index:
                yield self._flow(series, index)
            yield from self._item(item, level)
        yield "</div>\n"

    def _flow(self, series: Series, index: int) -> str:
        """The connection of two consecutive items."""
        before, item = series.items[index - 1], series.items[index]
        if not series.linked[index]:
            return '<div class="apart" role="none"></div>\n'
        return _flow(self._shape(before), not isinstance(item, Parallel))

    def _shape(self, item: Item) -> str:
        index = output_of(item)
        return "" if index is None else shape(self._nodes[index].output)

    def _item(self, item: Item, level: int) -> Iterator[str]:
        if isinstance(item, Stack):
            yield from self._stack(item, level)
        elif isinstance(item, Output):
            key = _key(item)
            label = _text(output_label(self._costs, item.node))
            yield (
                f'<div class="box" role="none"><div class="op input" role="treeitem" '
                f'aria-level="{level}" id="{key}" tabindex="-1"{self._skip_attribute(key)}>'
                f'<span class="label">{label}</span></div></div>\n'
            )
        elif isinstance(item, Gap):
            yield (
                f'<div class="box" role="none"><div class="op input" role="treeitem" '
                f'aria-level="{level}" tabindex="-1"><span class="label">'
                f"{_text(gap_label(item))}</span></div></div>\n"
            )
        elif isinstance(item, Parallel):
            whole = all(
                not branch.items or (branch.linked[0] and branch.leaves) for branch in item.branches
            )
            yield f'<div class="parallel{"" if whole else " partial"}" role="none">\n'
            for branch in item.branches:
                yield from self._branch(branch, level)
            yield "</div>\n"
        else:
            yield from self._frame(item, level)

    def _stack(self, item: Stack, level: int) -> Iterator[str]:
        yield '<div class="box" role="none">\n'
        for row in rows_of(self._costs, item):
            node = row.node
            label = f"{node.path}: {row.label}, output {shape(node.output)}"
            if row.figure:
                label += f", {row.figure} parameters"
            key = _key(node)
            yield (
                f'<div class="op {family(node.op)}" role="treeitem" aria-level="{level}" '
                f'id="{key}" tabindex="-1" aria-label="{_text(label)}" title="{_text(label)}"'
                f'{self._skip_attribute(key)} data-attributes="{self._attributes(node)}">'
                f'<span class="label">{_text(row.label)}</span>'
                f'<span class="figure">{row.figure}</span></div>\n'
            )
        yield "</div>\n"

    def _attributes(self, node: Node) -> str:
        """What the panel shows of an op beside its row of the table, a line each."""
        inputs = [self._nodes[index].path for index in node.inputs[:MOST_INPUTS]]
        if len(node.inputs) > MOST_INPUTS:
            inputs.append(f"\u2026 ({len(node.inputs):,} in all)")
        lines = list(attributes(node.op))
        if inputs:
            lines.append(("from", ", ".join(inputs)))
        if node.weights >= 0:
            lines.append(("variables of", self._nodes[node.weights].path))
        return "&#10;".join(_text(f"{name}: {value}") for name, value in lines)

    def _branch(self, branch: Series, level: int) -> Iterator[str]:
        if not branch.items:
            yield '<div class="branch enters leaves identity" role="none">'
            yield '<div class="rest" role="none"></div></div>\n'
            return
        kinds = (" enters" if branch.linked[0] else "") + (" leaves" if branch.leaves else "")
        yield f'<div class="branch{kinds}" role="none">\n'
        if branch.linked[0]:
            yield _flow("", not isinstance(branch.items[0], Parallel))
        yield from self.series(branch, level)
        if branch.leaves:
            yield _flow(self._shape(branch.items[-1]), False)
            yield '<div class="rest" role="none"></div>'
        yield "</div>\n"

    def _frame(self, item: Frame | Repeat, level: int) -> Iterator[str]:
        label, figure = titles(self._costs, item)
        name = f"{label}, {figure} parameters" if figure else label
        is_section = isinstance(item, Frame) and item.region.kind == "section"
        expanded = "true" if is_section else "false"
        if isinstance(item, Frame):
            identity = self._skip_attribute(_key(item.region))
            body, leaves = [item.body], item.body.leaves
        else:
            identity = ""
            body, leaves = list(item.units), item.units[-1].leaves
        kind = "frame repeat" if isinstance(item, Repeat) else "frame"
        yield (
            f'<div class="{kind}" role="treeitem" aria-level="{level}" tabindex="-1" '
            f'aria-expanded="{expanded}" aria-label="{_text(name)}"{identity}>'
            f'<div class="head" role="none"><span class="title"><span class="label">'
            f'{_text(label)}</span><span class="figure">{_text(figure)}</span></span></div>\n'
            '<div class="body" role="group">\n'
        )
        if body[0].linked and body[0].linked[0]:
            yield _flow("", not isinstance(body[0].items[0], Parallel))
        for number, unit in enumerate(body):
            if number:
                yield _flow(self._shape(unit.items[-1]), not isinstance(unit.items[0], Parallel))
            yield from self.series(unit, level + 1)
        if leaves:
            yield _flow("", False)
        yield "</div></div>\n"

    def _skip_attribute(self, key: str) -> str:
        sources = self._skips.get(key)
        return "" if sources is None else f' data-skips="{" ".join(map(str, sources))}"'


def _flow(label: str, arrow: bool) -> str:
    """A vertical line with a shape beside it, and optionally an arrowhead."""
    kind = "flow" + (" arrow" if arrow else "") + ("" if label else " short")
    text = f"<span>{_text(label)}</span>" if label else ""
    return f'<div class="{kind}" role="none">{text}</div>\n'
