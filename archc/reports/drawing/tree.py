"""The structure of a drawing: stacks of ops, frames around sections and blocks, parallel branches,
repeats; and the remaining edges."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from archc.ir.graph import Graph, Node, Region
from archc.reports.drawing import series_parallel
from archc.reports.drawing.items import Frame, Item, Output, Parallel, Series, Stack, output_of
from archc.reports.drawing.repeats import collapse

DEEPEST = 32
"""The largest nesting depth of frames and parallel parts: browsers limit the depth of a document.
Deeper parts are drawn as a series with edges beside it."""


class Skip(NamedTuple):
    """An edge that does not lead from one item to the next: from the node at index `source` to a
    node, into the frame of a region, or to an output of the network."""

    source: int
    target: Node | Region | Output


class Drawing(NamedTuple):
    """The structure of a drawing: `root` has everything except the `skips`. `missing` is how many
    skips a folded drawing leaves out."""

    root: Series
    skips: tuple[Skip, ...]
    missing: int = 0


def drawing(graph: Graph) -> Drawing:
    """The structure of a graph's drawing."""
    builder = _Builder(graph)
    inputs = [graph.nodes[index] for index in graph.inputs]
    outputs = [Output(graph.nodes[index]) for index in graph.all_outputs]
    root = builder.series_of([*inputs, *graph.root.items], outputs, None, None, 0)
    skips = builder.skips()
    pairs = [(skip.source, _index(skip.target, len(graph.nodes))) for skip in skips]
    return Drawing(collapse(graph, root, pairs), tuple(skips))


def _index(target: Node | Region | Output, end: int) -> int:
    """The index of the first node that a skip leads to; `end` for an output."""
    if isinstance(target, Region):
        return next(target.nodes()).index
    return target.index if isinstance(target, Node) else end


class _Builder:
    """Builds series, and records the edges that they show."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._linked_edges: set[tuple[int, int]] = set()
        self._inputs: dict[int, frozenset[int]] = {}
        self._others: list[Skip] = []

    def skips(self) -> list[Skip]:
        """The edges that the series built so far do not show."""
        between = [
            Skip(source, node)
            for node in self._graph.nodes
            for source in dict.fromkeys(node.inputs)
            if (source, node.index) not in self._linked_edges
        ]
        return between + self._others

    def series_of(
        self,
        items: Sequence[Node | Region],
        outputs: list[Output],
        source: int | None,
        target: int | None,
        depth: int,
    ) -> Series:
        """The series of a region's items, fed by the node `source`, with the output node
        `target`."""
        vertices: list[Node | Region | Output] = []
        starts: list[int] = []
        inputs: list[list[int]] = [[]]
        used: set[int] = set()
        for item in items:
            nodes = [item] if isinstance(item, Node) else list(item.nodes())
            if not nodes:
                continue
            first = nodes[0].index
            outer = (index for node in nodes for index in node.inputs if index < first)
            # Inputs from outside the region enter at its top.
            sources = list(dict.fromkeys(bisect_right(starts, index) for index in outer)) or [0]
            vertices.append(item)
            starts.append(first)
            inputs.append(sources)
            used.update(sources)
        for output in outputs:
            vertices.append(output)
            inputs.append([bisect_right(starts, output.node.index)])
            used.add(inputs[-1][0])
        ends = [number for number in range(1, len(vertices) + 1) if number not in used]
        if target is not None:
            ends = sorted({*ends, bisect_right(starts, target)})
        inputs.append(ends or [0])
        parts = series_parallel.decompose(inputs, max(DEEPEST - depth, 0))
        series = self._series(parts, vertices, source, depth)
        return series._replace(leaves=target is not None and series.output == target)

    def _series(
        self,
        parts: series_parallel.Series,
        vertices: list[Node | Region | Output],
        source: int | None,
        depth: int,
    ) -> Series:
        items: list[Item] = []
        linked: list[bool] = []
        split: list[Series] | None = None
        for part in parts.parts:
            if isinstance(part, series_parallel.Parallel):
                split = [
                    self._series(branch, vertices, source, depth + 1) for branch in part.branches
                ]
                items.append(Parallel(tuple(split)))
                linked.append(any(not branch.items or branch.linked[0] for branch in split))
                continue
            vertex = vertices[part - 1]
            if split is None:
                linked.append(self._feeds(source, vertex))
            else:
                feeds = [self._feeds(branch.output, vertex) for branch in split]
                # An edge into a section is not a branch around the items before it.
                branches = [
                    branch._replace(leaves=on)
                    for branch, on in zip(split, feeds, strict=True)
                    if branch.items or on
                ]
                if len(branches) > 1:
                    items[-1] = Parallel(tuple(branches))
                else:
                    items[-1:] = branches[0].items
                    linked[-1:] = branches[0].linked
                linked.append(any(feeds))
                split = None
            if not linked[-1] and isinstance(vertex, Region):
                self._others.append(Skip(vertex.input, vertex))
            elif not linked[-1] and isinstance(vertex, Output):
                self._others.append(Skip(vertex.node.index, vertex))
            items.append(self._item(vertex, depth))
            source = output_of(items[-1])
        output = source if split is None else None
        return Series(tuple(items), tuple(linked), False, output)

    def _feeds(self, source: int | None, vertex: Node | Region | Output) -> bool:
        """Whether a node feeds a vertex; the edge is then recorded as shown."""
        if source is None:
            return False
        if isinstance(vertex, Region):
            return vertex.input == source
        if isinstance(vertex, Output):
            return vertex.node.index == source
        if vertex.index not in self._inputs:
            self._inputs[vertex.index] = frozenset(vertex.inputs)
        if source not in self._inputs[vertex.index]:
            return False
        self._linked_edges.add((source, vertex.index))
        return True

    def _item(self, vertex: Node | Region | Output, depth: int) -> Item:
        if isinstance(vertex, Node):
            return Stack((vertex,))
        if isinstance(vertex, Output):
            return vertex
        below = list(vertex.items) if depth < DEEPEST else list(vertex.nodes())
        body = self.series_of(below, [], vertex.input, vertex.output, depth + 1)
        return Frame(vertex, body)
