"""Repeats of a drawing are collapsed, and normalizations and activations join their op's box."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

from archc.ir.graph import Graph, Node
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
"""The least number of consecutive equal units of a repeat."""
FEWEST_FRAMES = 2
"""The same of a repeat of one section or block: stages of the same blocks look the same, however
many they have."""
FEWEST_BOXES = 6
"""The least number of boxes of a repeat that is not of sections or blocks."""
LONGEST = 12
"""The largest number of items of a unit."""

_POINTWISE = frozenset({"normalization", "activation", "regularization"})


class _Kind(NamedTuple):
    """The equivalence class of an item: equal items have the same number. It contains the nodes
    from `first` to `last`, which skips connect to nodes from `earliest` to `latest`."""

    number: int
    first: int
    last: int
    earliest: int
    latest: int


def collapse(graph: Graph, root: Series, skips: Sequence[Sequence[int]]) -> Series:
    """`root` with collapsed repeats and stacked ops. `skips` are pairs of node indices."""
    return _Collapse(graph, skips).series(root)[0]


class _Collapse:
    def __init__(self, graph: Graph, skips: Sequence[Sequence[int]]) -> None:
        self._nodes = graph.nodes
        self._uses = [0] * len(graph.nodes)
        for node in graph.nodes:
            for source in node.inputs:
                self._uses[source] += 1
        for output in graph.all_outputs:
            self._uses[output] += 1
        self._numbers: dict[Hashable, int] = {}
        self._ends: dict[int, list[int]] = {}
        for source, target in skips:
            self._ends.setdefault(source, []).append(target)
            self._ends.setdefault(target, []).append(source)

    def series(self, series: Series) -> tuple[Series, _Kind]:
        """A collapsed series, and its equivalence class."""
        pairs = [self._item(item) for item in series.items]
        kinds = [kind for _, kind in pairs]
        items = [item for item, _ in pairs]
        numbers = tuple(kind.number for kind in kinds)
        kind = self._kind((numbers, series.linked, series.leaves), kinds)
        result: list[Item] = []
        links: list[bool] = []
        boxes = self._boxes(items, series.linked)
        begins = self._begins(kinds)
        for start, period, times in _runs(items, kinds, series.linked, boxes, begins):
            links.append(series.linked[start])
            if times == 1:
                result.append(items[start])
                continue
            end = start + period * times
            units = [
                self._stack(items[at : at + period], series.linked[at : at + period])
                for at in range(start, end, period)
            ]
            result.append(Repeat(tuple(unit._replace(leaves=True) for unit in units)))
        return self._stack(result, links)._replace(leaves=series.leaves, output=series.output), kind

    def _item(self, item: Item) -> tuple[Item, _Kind]:
        if isinstance(item, Stack):
            (node,) = item.nodes
            ends = self._ends.get(node.index, [])
            # Skips of equal units are equal if they span the same number of nodes.
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
        """For each item whether an iteration of a repetition in the spec begins with it."""
        rounds = [self._nodes[kind.first].origin.iteration for kind in kinds]
        return [round != before for round, before in zip(rounds, [None, *rounds], strict=False)]

    def _boxes(self, items: Sequence[Item], linked: Sequence[bool]) -> list[int]:
        """The number of boxes before each item, and after the last one, when stacked."""
        counts = [0]
        above: Item | None = None
        for item, link in zip(items, linked, strict=True):
            joins = (
                link
                and isinstance(above, Stack)
                and isinstance(item, Stack)
                and self._joins(above.nodes[-1], item)
            )
            counts.append(counts[-1] + (not joins))
            above = item
        return counts

    def _stack(self, items: Sequence[Item], linked: Sequence[bool]) -> Series:
        """A series of items, with normalizations, activations and the like in the box of the op
        that feeds only them."""
        result: list[Item] = []
        links: list[bool] = []
        box: list[Node] = []
        for item, link in zip(items, linked, strict=True):
            if isinstance(item, Stack) and link and box and self._joins(box[-1], item):
                box += item.nodes
                continue
            if box:
                result[-1] = Stack(tuple(box))
            box = list(item.nodes) if isinstance(item, Stack) else []
            result.append(item)
            links.append(link)
        if box:
            result[-1] = Stack(tuple(box))
        output = output_of(result[-1]) if result else None
        return Series(tuple(result), tuple(links), False, output)

    def _joins(self, source: Node, item: Stack) -> bool:
        """Whether `item` stands in the box of `source`: it is pointwise, and its only consumer."""
        node = item.nodes[0]
        return (
            family(node.op) in _POINTWISE
            and family(source.op) != "input"
            and self._uses[source.index] == 1
            and len(node.inputs) == 1
        )


def _runs(
    items: list[Item],
    kinds: list[_Kind],
    linked: Sequence[bool],
    boxes: list[int],
    begins: list[bool],
) -> Iterator[tuple[int, int, int]]:
    """The start of each run, the number of items of its unit, and the number of units. If a run can
    begin at several items, it begins with an iteration of the spec's repetition."""
    # For each period and start: the number of items equal to those one period later.
    equal: dict[int, list[int]] = {}
    for period in range(1, min(LONGEST, len(items) // FEWEST_FRAMES) + 1):
        counts = equal[period] = [0] * (len(items) + 1)
        for index in range(len(items) - period - 1, -1, -1):
            later = index + period
            if kinds[index].number == kinds[later].number and linked[later]:
                counts[index] = counts[index + 1] + 1
    index = 0
    while index < len(items):
        best = (1, 1)
        for period, counts in equal.items():
            times = counts[index] // period + 1
            longer = times * period > best[0] * best[1]
            if longer and _worthwhile(items, kinds, boxes, index, period, times):
                best = (period, times)
        period, times = best
        others = range(index + 1, index + period)
        if not begins[index] and any(
            begins[other]
            and equal[period][other] // period + 1 == times
            and _worthwhile(items, kinds, boxes, other, period, times)
            for other in others
        ):
            best = (1, 1)
        yield index, *best
        index += best[0] * best[1]


def _worthwhile(
    items: list[Item],
    kinds: list[_Kind],
    boxes: list[int],
    index: int,
    period: int,
    times: int,
) -> bool:
    """Whether equal units can be drawn as one, and are numerous enough."""
    alone = period == 1 and isinstance(items[index], Frame)
    if times < (FEWEST_FRAMES if alone else FEWEST):
        return False
    count = boxes[index + times * period] - boxes[index]
    if not alone and count < FEWEST_BOXES:
        return False
    before = items[index - 1] if index else None
    last = index + period - 1
    if isinstance(before, Parallel) or isinstance(items[last], Parallel):
        return False  # it would be separated from its merge
    unit = [kind for kind in kinds[index : last + 1] if kind.last >= 0]
    first = min((kind.first for kind in unit), default=0)
    end = max((kind.last for kind in unit), default=0)
    return all(kind.earliest >= first and kind.latest <= end for kind in unit)
