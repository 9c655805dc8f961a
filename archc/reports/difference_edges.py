"""The edges of one side of a difference that do not lead from one layer to the next: each runs in a
lane beside the layers, from the line of its source to that of the last layer that takes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from typing import Literal, NamedTuple

from archc.difference.side_by_side import Fold, Line
from archc.ir.graph import Graph, Node

MOST_LANES = 6

Kind = Literal["through", "out", "in", "both"]


class Segment(NamedTuple):
    """What a lane has beside a line: it passes `through`, begins at the layer (`out`), ends there
    (`in`), or gives it a value and goes on (`both`). `edge` is the number of the edge."""

    lane: int
    kind: Kind
    edge: int


class Edges:
    """The edges of a side. `lanes` is how many are beside its layers, `continued` has the nodes
    that the next one on the side takes, `by_name` the inputs of a node that have no lane."""

    def __init__(self, entries: Sequence[Line | Fold], side: int, graph: Graph) -> None:
        self.lanes = 0
        self.continued: set[int] = set()
        self.by_name: dict[int, list[int]] = {}
        nodes = [_node(line, side) for line in _lines(entries)]
        self._segments: list[list[Segment]] = [[] for _ in nodes]
        lines = {node.index: number for number, node in enumerate(nodes) if node is not None}
        takers: dict[int, list[int]] = {}
        above = -1
        for number, node in enumerate(nodes):
            if node is None:
                continue
            for source in dict.fromkeys(node.inputs):
                if source == above:
                    self.continued.add(source)
                elif source in lines:
                    takers.setdefault(source, []).append(number)
                elif above >= 0 or source not in graph.inputs[:1]:
                    self.by_name.setdefault(node.index, []).append(source)
            above = node.index
        self._assign(takers, lines, nodes)

    def _assign(
        self, takers: dict[int, list[int]], lines: dict[int, int], nodes: Sequence[Node | None]
    ) -> None:
        """Give each source the lowest lane that is free down to its last taker."""
        busy: list[tuple[int, int]] = []
        free: list[int] = []
        highest = 0
        for edge, source in enumerate(sorted(takers, key=lines.__getitem__)):
            begin, targets = lines[source], takers[source]
            while busy and busy[0][0] < begin:
                heappush(free, heappop(busy)[1])
            if not free:
                highest += 1
                heappush(free, highest)
            lane = heappop(free)
            heappush(busy, (targets[-1], lane))
            if lane > MOST_LANES:
                for number in targets:
                    node = nodes[number]
                    assert node is not None
                    self.by_name.setdefault(node.index, []).append(source)
                continue
            self.lanes = max(self.lanes, lane)
            self._segments[begin].append(Segment(lane, "out", edge))
            arriving = set(targets)
            for number in range(begin + 1, targets[-1] + 1):
                kind: Kind = "both" if number in arriving else "through"
                kind = "in" if number == targets[-1] else kind
                self._segments[number].append(Segment(lane, kind, edge))

    def beside(self, number: int) -> list[Segment]:
        """The segments beside a line, by its number among all lines, those in folds too."""
        return self._segments[number]

    def above(self, number: int) -> list[Segment]:
        """The segments that come to a line from above."""
        own = self._segments[number] if number < len(self._segments) else []
        return [one._replace(kind="through") for one in own if one.kind != "out"]

    def instead(self, begin: int, end: int) -> list[Segment]:
        """The segments beside one line that stands in place of those from `begin` up to `end`."""
        entering = {one.edge for one in self.above(begin)}
        leaving = {one.edge for one in self.above(end)}
        segments: dict[int, Segment] = {}
        for number in range(begin, end):
            for one in self._segments[number]:
                if one.edge not in entering | leaving:
                    continue
                if one.edge not in entering:
                    segments[one.edge] = one._replace(kind="out")
                elif one.kind != "through" or one.edge not in segments:
                    ends = one.edge not in leaving
                    arrives: Kind = "in" if ends else "both"
                    kind = "through" if one.kind == "through" else arrives
                    segments[one.edge] = one._replace(kind=kind)
        return list(segments.values())


def _lines(entries: Sequence[Line | Fold]) -> Iterator[Line]:
    for entry in entries:
        if isinstance(entry, Fold):
            yield from entry.lines
        else:
            yield entry


def _node(line: Line, side: int) -> Node | None:
    item = line.cells[side].item
    return item if isinstance(item, Node) else None
