"""Equal stretches of a drawing in a row become one, and what only dresses an op joins its box."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

from archc.ir.graph import Graph
from archc.reports.drawing.items import (
    Frame,
    Item,
    Output,
    Parallel,
    Repeat,
    Series,
    Stack,
    output_of,
)
from archc.reports.drawing.labels import family

FEWEST = 3
"""Equal stretches in a row that are drawn as one."""
FEWEST_BOXES = 6
"""Boxes that these must have together, where they are not sections or blocks."""
LONGEST = 12
"""Items that a stretch may have."""

_DRESSING = frozenset({"normalization", "activation", "regularization"})


class _Kind(NamedTuple):
    """What an item is equal to, by the number that equal items share. It holds the nodes from
    `first` to `last`; skips join these to nodes from `earliest` to `latest`."""

    number: int
    first: int
    last: int
    earliest: int
    latest: int


def collapse(graph: Graph, root: Series, skips: Sequence[Sequence[int]]) -> Series:
    """`root` with repeats collapsed and ops stacked. `skips` are pairs of node indices."""
    return _Collapse(graph, skips).series(root)[0]


class _Collapse:
    def __init__(self, graph: Graph, skips: Sequence[Sequence[int]]) -> None:
        self._nodes = graph.nodes
        self._uses = [0] * len(graph.nodes)
        for node in graph.nodes:
            for source in node.inputs:
                self._uses[source] += 1
        for output in graph.outputs:
            self._uses[output] += 1
        self._numbers: dict[Hashable, int] = {}
        self._ends: dict[int, list[int]] = {}
        for source, target in skips:
            self._ends.setdefault(source, []).append(target)
            self._ends.setdefault(target, []).append(source)

    def series(self, series: Series) -> tuple[Series, _Kind]:
        """A series collapsed, and what it is equal to."""
        pairs = [self._item(item) for item in series.items]
        kinds = [kind for _, kind in pairs]
        items = [item for item, _ in pairs]
        numbers = tuple(kind.number for kind in kinds)
        kind = self._kind((numbers, series.linked, series.leaves), kinds)
        made: list[Item] = []
        links: list[bool] = []
        boxes = self._boxes(items, series.linked)
        begins = self._begins(kinds)
        for start, period, times in _stretches(items, kinds, series.linked, boxes, begins):
            links.append(series.linked[start])
            if times == 1:
                made.append(items[start])
                continue
            end = start + period * times
            units = [
                self._stacked(items[at : at + period], series.linked[at : at + period])
                for at in range(start, end, period)
            ]
            made.append(Repeat(tuple(unit._replace(leaves=True) for unit in units)))
        return self._stacked(made, links)._replace(leaves=series.leaves, output=series.output), kind

    def _item(self, item: Item) -> tuple[Item, _Kind]:
        if isinstance(item, Stack):
            (node,) = item.nodes
            ends = self._ends.get(node.index, [])
            # A skip is the same one in an equal stretch when it spans as many nodes.
            key = (node.op, node.output.sizes, len(node.inputs), *(e - node.index for e in ends))
            near = [node.index, *ends]
            number = self._number(key)
            return item, _Kind(number, node.index, node.index, min(near), max(near))
        if isinstance(item, Frame):
            body, kind = self.series(item.body)
            key = ("frame", item.region.block, kind.number)
            return item._replace(body=body), kind._replace(number=self._number(key))
        if isinstance(item, Parallel):
            pairs = [self.series(branch) for branch in item.branches]
            kinds = [kind for _, kind in pairs]
            numbers = tuple(kind.number for kind in kinds)
            kind = self._kind(("parallel", numbers), kinds)
            return Parallel(tuple(branch for branch, _ in pairs)), kind
        assert isinstance(item, Output)
        index = item.node.index
        return item, _Kind(self._number(("output", index)), index, index, index, index)

    def _kind(self, key: Hashable, kinds: list[_Kind]) -> _Kind:
        kinds = [kind for kind in kinds if kind.last >= 0]
        return _Kind(
            self._number(key),
            min((kind.first for kind in kinds), default=0),
            max((kind.last for kind in kinds), default=-1),
            min((kind.earliest for kind in kinds), default=0),
            max((kind.latest for kind in kinds), default=-1),
        )

    def _number(self, key: Hashable) -> int:
        return self._numbers.setdefault(key, len(self._numbers))

    def _begins(self, kinds: list[_Kind]) -> list[bool]:
        """Whether the spec begins another round of a repetition with each item."""
        rounds = [self._nodes[kind.first].origin.iteration for kind in kinds]
        return [round != before for round, before in zip(rounds, [None, *rounds], strict=False)]

    def _boxes(self, items: Sequence[Item], linked: Sequence[bool]) -> list[int]:
        """How many boxes come before each item, and after the last, once they are stacked."""
        counts = [0]
        above: Item | None = None
        for item, link in zip(items, linked, strict=True):
            joins = link and self._joined(above, item) is not None
            counts.append(counts[-1] + (not joins))
            above = item
        return counts

    def _stacked(self, items: Sequence[Item], linked: Sequence[bool]) -> Series:
        """A series of items, with normalisations, activations and the like in the box of what
        feeds them alone."""
        made: list[Item] = []
        links: list[bool] = []
        for item, link in zip(items, linked, strict=True):
            above = made[-1] if made else None
            joined = self._joined(above, item) if link else None
            if joined is not None:
                made[-1] = joined
                continue
            made.append(item)
            links.append(link)
        output = output_of(made[-1]) if made else None
        return Series(tuple(made), tuple(links), False, output)

    def _joined(self, above: Item | None, item: Item) -> Stack | None:
        """Both in one box, where `item` but dresses what feeds it alone."""
        if not isinstance(above, Stack) or not isinstance(item, Stack):
            return None
        fed, node = above.nodes[-1], item.nodes[0]
        dresses = (
            family(node.op) in _DRESSING
            and family(fed.op) != "input"
            and self._uses[fed.index] == 1
            and len(node.inputs) == 1
        )
        return Stack((*above.nodes, *item.nodes)) if dresses else None


def _stretches(
    items: list[Item],
    kinds: list[_Kind],
    linked: Sequence[bool],
    boxes: list[int],
    begins: list[bool],
) -> Iterator[tuple[int, int, int]]:
    """Where each stretch begins, how many items it has, and how often it comes in a row. Where it
    might begin at any of its items, it does so with a round of the spec's repetition."""
    # For each period, from each place on: how many items equal those a period later.
    equal: dict[int, list[int]] = {}
    for period in range(1, min(LONGEST, len(items) // FEWEST) + 1):
        counts = equal[period] = [0] * (len(items) + 1)
        for place in range(len(items) - period - 1, -1, -1):
            later = place + period
            if kinds[place].number == kinds[later].number and linked[later]:
                counts[place] = counts[place + 1] + 1
    place = 0
    while place < len(items):
        best = (1, 1)
        for period, counts in equal.items():
            times = counts[place] // period + 1
            longer = times * period > best[0] * best[1]
            if longer and _worthwhile(items, kinds, boxes, place, period, times):
                best = (period, times)
        period, times = best
        others = range(place + 1, place + period)
        if not begins[place] and any(
            begins[other]
            and equal[period][other] // period + 1 == times
            and _worthwhile(items, kinds, boxes, other, period, times)
            for other in others
        ):
            best = (1, 1)
        yield place, *best
        place += best[0] * best[1]


def _worthwhile(
    items: list[Item],
    kinds: list[_Kind],
    boxes: list[int],
    place: int,
    period: int,
    times: int,
) -> bool:
    """Whether equal stretches can stand as one, and are enough for that."""
    if times < FEWEST:
        return False
    alone = period == 1 and isinstance(items[place], Frame)
    count = boxes[place + times * period] - boxes[place]
    if not alone and count < FEWEST_BOXES:
        return False
    before = items[place - 1] if place else None
    last = place + period - 1
    if isinstance(before, Parallel) or isinstance(items[last], Parallel):
        return False  # it would stand apart from its merge
    unit = [kind for kind in kinds[place : last + 1] if kind.last >= 0]
    first = min((kind.first for kind in unit), default=0)
    end = max((kind.last for kind in unit), default=0)
    return all(kind.earliest >= first and kind.latest <= end for kind in unit)
