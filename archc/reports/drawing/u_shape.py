"""Networks in the shape of a U: a contracting path, an expanding path, and skips between them.

A level of the U is a fork whose branches are a skip, and a path through values of less space, which
meet in the same space again. Its levels are nested, each in less space than the one around it
(Ronneberger, Fischer & Brox 2015, U-Net). A residual block is not a level: its branches stay in one
space.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from archc.ir.graph import Node
from archc.reports.drawing.items import Item, Parallel, Series, Stack, output_of
from archc.reports.drawing.lanes import Lanes

FEWEST_LEVELS = 2
"""Fewer skips are drawn as branches side by side."""


class Level(NamedTuple):
    """A level of the U. The skip leads from the end of the contracting path's part to the start of
    the expanding one's; that of the innermost level, which is the bottom of the U, is the only way
    between them. It has no items, or a single box."""

    contracting: Series
    skip: Series
    expanding: Series


class _Rung(NamedTuple):
    """A level before it is cut out of its series, which has its fork before the item at `position`
    and its merge after it. `fork` and `merge` are the elements that a channel has there."""

    series: Series
    position: int
    skip: Series
    way: Series
    fork: int
    merge: int


def u_shape(series: Series, nodes: Sequence[Node], lanes: Lanes) -> tuple[Level, ...]:
    """The levels of a series in the shape of a U, the outermost first and the bottom last; empty if
    it has another shape, or edges beside it."""
    rungs = _Rungs(nodes).of(series)
    if len(rungs) < FEWEST_LEVELS:
        return ()
    bottom = rungs[-1].way
    if any(lanes.of(part) for part in (*(rung.series for rung in rungs), bottom)):
        return ()
    levels = [
        Level(
            _part(rung.series, 0, rung.position),
            rung.skip,
            _part(rung.series, rung.position + 1, len(rung.series.items)),
        )
        for rung in rungs
    ]
    spaces = [_space(output_of(item), nodes) for item in bottom.items]
    least = min(space for space in spaces if space)
    turn = max(index for index, space in enumerate(spaces, 1) if space == least)
    straight = Series((), (), True, None)
    ends = _part(bottom, 0, turn), _part(bottom, turn, len(bottom.items))
    return (*levels, Level(ends[0], straight, ends[1]))


def _part(series: Series, start: int, end: int) -> Series:
    """The items of a series from `start` to `end` (exclusive)."""
    last = end == len(series.items)
    return Series(
        series.items[start:end],
        series.linked[start:end],
        series.leaves if last else True,
        series.output if last else output_of(series.items[end - 1]),
    )


def _space(index: int | None, nodes: Sequence[Node]) -> int:
    """The elements of a channel of a node's output; 0 without a node."""
    return 0 if index is None else prod(nodes[index].output.spatial)


class _Rungs:
    """Finds nested rungs, each series once."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes

    def of(self, series: Series) -> list[_Rung]:
        """The deepest nest of rungs in a series, the outermost first; empty if there are two."""
        best: list[_Rung] = []
        alone = False
        for position, item in enumerate(series.items):
            rung = self._rung(series, position, item)
            if rung is None:
                continue
            inner = self.of(rung.way)
            if inner and not (inner[0].fork < rung.fork and inner[0].merge < rung.merge):
                inner = []
            if len(inner) + 1 >= len(best):
                alone = len(inner) + 1 > len(best)
                best = [rung, *inner]
        return best if alone else []

    def _rung(self, series: Series, position: int, item: Item) -> _Rung | None:
        """The rung of the branches at a position, if they are one."""
        if not isinstance(item, Parallel) or len(item.branches) != 2:
            return None
        if not 0 < position < len(series.items) - 1:
            return None  # of several inputs, or to several outputs
        after = series.items[position + 1]
        # The shorter branch is the skip.
        skip, way = sorted(item.branches, key=_is_way)
        if _is_way(skip) or not _is_way(way) or not isinstance(after, Stack):
            return None
        if not (series.linked[position] and way.linked[0] and way.leaves and skip.leaves):
            return None
        if skip.items and not skip.linked[0]:
            return None
        start = output_of(series.items[position - 1])
        fork, merge = (_space(index, self._nodes) for index in (start, after.nodes[0].index))
        ends = [
            _space(start if one.output is None else one.output, self._nodes) for one in (skip, way)
        ]
        inside = (_space(output_of(part), self._nodes) for part in way.items)
        if ends != [merge, merge] or not any(0 < space < min(fork, merge) for space in inside):
            return None
        return _Rung(series, position, skip, way, fork, merge)


def _is_way(branch: Series) -> bool:
    """Whether a branch is more than a line with a box on it."""
    return len(branch.items) > 1 or not all(isinstance(item, Stack) for item in branch.items)
