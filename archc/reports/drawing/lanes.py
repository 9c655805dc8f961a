"""Lanes beside a series for edges that do not lead from one item to the next."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from archc.ir.graph import Node, Region
from archc.reports.drawing.items import Frame, Output, Parallel, Repeat, Series, Stack
from archc.reports.drawing.tree import Drawing, Skip

Path = tuple[tuple[int, int], ...]


def anchor(end: int | Node | Region | Output) -> Hashable:
    """The key of an end of a skip: a node or its index, a frame, an output."""
    if isinstance(end, Node):
        return end.index
    if isinstance(end, Output):
        return "output", end.node.index
    return ("frame", end.path) if isinstance(end, Region) else end


OUTSIDE = -1
"""Where a skip is from, or leads to, that has one end in a series."""


class Reach(NamedTuple):
    """A skip, from the item at `start` of a series to the one at `end`, or OUTSIDE."""

    start: int
    end: int
    skip: Skip


Bundle = Sequence[Reach]
"""The skips from one node beside one series; they share a lane."""


class Lanes:
    """The skips of a drawing, each beside the innermost series that contains both of its ends."""

    def __init__(self, drawing: Drawing) -> None:
        self._bundles: _Bundles = {}
        self._through: _Bundles = {}
        if not drawing.skips:
            return
        paths = _paths(drawing.root)
        for skip in drawing.skips:
            source, target = paths.get(skip.source), paths.get(anchor(skip.target))
            if source is None or target is None:
                continue  # inside a repeat, of which only the first unit is drawn
            depth = sum(one[0] == other[0] for one, other in zip(source, target, strict=False)) - 1
            (series, start), (_, end) = source[depth], target[depth]
            _add(self._bundles, series, Reach(start, end, skip))
            for series, start in source[depth + 1 :]:
                _add(self._through, series, Reach(start, OUTSIDE, skip))
            for series, end in target[depth + 1 :]:
                _add(self._through, series, Reach(OUTSIDE, end, skip))

    def of(self, series: Series) -> Sequence[Bundle]:
        """The skips beside a series."""
        return list(self._bundles.get(id(series), {}).values())

    def through(self, series: Series) -> Sequence[Bundle]:
        """The skips that have one end in a series, and stand beside one around it."""
        return list(self._through.get(id(series), {}).values())


_Bundles = dict[int, dict[int, list[Reach]]]
"""Of each series and node."""


def _add(bundles: _Bundles, series: int, reach: Reach) -> None:
    bundles.setdefault(series, {}).setdefault(reach.skip.source, []).append(reach)


def assign(spans: Sequence[tuple[int, int]]) -> list[int]:
    """A lane for each span from one position to another: the lowest that is free all the way."""
    lanes = [0] * len(spans)
    busy: list[tuple[int, int]] = []
    free: list[int] = []
    count = 0
    for number in sorted(range(len(spans)), key=lambda number: spans[number][0]):
        start, end = spans[number]
        while busy and busy[0][0] < start:
            heappush(free, heappop(busy)[1])
        lane = heappop(free) if free else count
        count = max(count, lane + 1)
        heappush(busy, (end, lane))
        lanes[number] = lane
    return lanes


def _paths(root: Series) -> dict[Hashable, Path]:
    """The path to every possible end of a skip: the enclosing series with the positions in them."""
    paths: dict[Hashable, Path] = {}
    waiting: list[tuple[Path, Series]] = [((), root)]
    while waiting:
        prefix, series = waiting.pop()
        for position, item in enumerate(series.items):
            path = (*prefix, (id(series), position))
            if isinstance(item, Stack):
                paths |= {node.index: path for node in item.nodes}
            elif isinstance(item, Output):
                paths[anchor(item)] = path
            elif isinstance(item, Frame):
                paths[anchor(item.region)] = path
                waiting.append((path, item.body))
            elif isinstance(item, Repeat):
                waiting.append((path, item.body))
            elif isinstance(item, Parallel):
                waiting += ((path, branch) for branch in item.branches)
    return paths
