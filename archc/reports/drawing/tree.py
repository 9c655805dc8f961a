"""A graph as it is drawn: stacks of ops, frames around sections and blocks, parallel branches,
repeats; and the edges that these have no place for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from archc.ir.graph import Graph, Node, Region
from archc.reports.drawing import series_parallel
from archc.reports.drawing.items import Frame, Item, Output, Parallel, Series, Stack, output_of
from archc.reports.drawing.repeats import collapse

DEEPEST = 32
"""Frames and parallel parts nest this deep at most: browsers bound the depth of a document. What
stands deeper is drawn as a series with edges beside it."""


class Skip(NamedTuple):
    """An edge that does not lead from one item to the next: from the node at index `source` to a
    node, into the frame of a region, or to an output of the network."""

    source: int
    target: Node | Region | Output


class Drawing(NamedTuple):
    """What is drawn of a graph: `root` holds all of it but the `skips`."""

    root: Series
    skips: tuple[Skip, ...]


def drawing(graph: Graph) -> Drawing:
    """What is drawn of a graph."""
    builder = _Builder(graph)
    inputs = [graph.nodes[index] for index in graph.inputs]
    outputs = [Output(graph.nodes[index]) for index in graph.outputs]
    root = builder.series_of([*inputs, *graph.root.items], outputs, None, None, 0)
    skips = builder.skips()
    pairs = [(skip.source, _index(skip.target, len(graph.nodes))) for skip in skips]
    return Drawing(collapse(graph, root, pairs), tuple(skips))


def _index(target: Node | Region | Output, end: int) -> int:
    """The index of the node that a skip first leads to; `end` past the last."""
    if isinstance(target, Region):
        return next(target.nodes()).index
    return target.index if isinstance(target, Node) else end


class _Builder:
    """Builds series, and notes which edges they show."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._shown: set[tuple[int, int]] = set()
        self._others: list[Skip] = []

    def skips(self) -> list[Skip]:
        """The edges that the series built so far do not show."""
        between = [
            Skip(source, node)
            for node in self._graph.nodes
            for source in dict.fromkeys(node.inputs)
            if (source, node.index) not in self._shown
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
        """The series of a region's items, fed by the node `source`, giving the node `target`."""
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
            # What comes from outside the region comes in at its top.
            fed = list(dict.fromkeys(bisect_right(starts, index) for index in outer)) or [0]
            vertices.append(item)
            starts.append(first)
            inputs.append(fed)
            used.update(fed)
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
                fed = [self._feeds(branch.output, vertex) for branch in split]
                # What leads into a section's inside is no way around what stands before it.
                ways = [
                    branch._replace(leaves=on)
                    for branch, on in zip(split, fed, strict=True)
                    if branch.items or on
                ]
                if len(ways) > 1:
                    items[-1] = Parallel(tuple(ways))
                else:
                    items[-1:] = ways[0].items
                    linked[-1:] = ways[0].linked
                linked.append(any(fed))
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
        """Whether a node's output is what comes into a vertex; the edge is then shown."""
        if source is None:
            return False
        if isinstance(vertex, Region):
            return vertex.input == source
        if isinstance(vertex, Output):
            return vertex.node.index == source
        if source not in vertex.inputs:
            return False
        self._shown.add((source, vertex.index))
        return True

    def _item(self, vertex: Node | Region | Output, depth: int) -> Item:
        if isinstance(vertex, Node):
            return Stack((vertex,))
        if isinstance(vertex, Output):
            return vertex
        below = list(vertex.items) if depth < DEEPEST else list(vertex.nodes())
        body = self.series_of(below, [], vertex.input, vertex.output, depth + 1)
        return Frame(vertex, body)
