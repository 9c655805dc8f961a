"""Lanes beside a series for edges that do not lead from one item to the next."""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heappop, heappush

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


class Lanes:
    """The lane of each skip of a drawing, beside the innermost series that contains both of its
    ends. Skips from the same node share a lane."""

    def __init__(self, drawing: Drawing) -> None:
        self._lanes: dict[int, list[tuple[Skip, int]]] = {}
        if not drawing.skips:
            return
        paths = _paths(drawing.root)
        spans: dict[int, dict[int, list[tuple[int, int, Skip]]]] = {}
        for skip in drawing.skips:
            source, target = paths.get(skip.source), paths.get(anchor(skip.target))
            if source is None or target is None:
                continue  # inside a repeat, of which only the first unit is drawn
            for (series, start), (other, end) in zip(source, target, strict=False):
                if series != other:
                    break
                inner = series, start, end
            spans.setdefault(inner[0], {}).setdefault(skip.source, []).append((*inner[1:], skip))
        for series, sources in spans.items():
            self._lanes[series] = _assign(list(sources.values()))

    def of(self, series: Series) -> list[tuple[Skip, int]]:
        """The skips beside a series, each with the number of its lane from the left."""
        return self._lanes.get(id(series), [])


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


def _assign(spans: list[list[tuple[int, int, Skip]]]) -> list[tuple[Skip, int]]:
    """A lane for each bundle of skips: the lowest that is free from its first to its last item."""
    lanes_of_skips: list[tuple[Skip, int]] = []
    busy: list[tuple[int, int]] = []
    free: list[int] = []
    lanes = 0
    for bundle in sorted(spans, key=lambda bundle: min(start for start, _, _ in bundle)):
        start = min(start for start, _, _ in bundle)
        while busy and busy[0][0] < start:
            heappush(free, heappop(busy)[1])
        lane = heappop(free) if free else lanes
        lanes = max(lanes, lane + 1)
        heappush(busy, (max(end for _, end, _ in bundle), lane))
        lanes_of_skips += ((skip, lane) for _, _, skip in bundle)
    return lanes_of_skips
