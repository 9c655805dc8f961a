"""Drawings that are too large to look at are folded: of a long series or a wide merge the middle is
left out, and a gap says how many ops that are."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from archc.reports.drawing.contents import nodes_of
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
from archc.reports.drawing.lanes import anchor
from archc.reports.drawing.tree import Drawing

MOST_ROWS = 4_000
"""Ops, outputs and frames that are drawn."""
MOST_SKIPS = 4_000
"""Edges beside the series that are drawn."""
FEWEST_ROWS = 8
"""What an item of a folded series has at least."""


def fold(drawing: Drawing, *, every_unit: bool) -> Drawing:
    """The drawing with at most MOST_ROWS rows and MOST_SKIPS skips. `every_unit` is whether all
    units of a repeat are drawn, and not the first alone."""
    root = _Fold(every_unit).series(drawing.root, MOST_ROWS)
    if root is drawing.root and len(drawing.skips) <= MOST_SKIPS:
        return drawing
    drawn = set(_anchors(root))
    ends = ((skip, skip.source in drawn and anchor(skip.target) in drawn) for skip in drawing.skips)
    skips = [skip for skip, both in ends if both][:MOST_SKIPS]
    return Drawing(root, tuple(skips), len(drawing.skips) - len(skips))


def left_out(drawing: Drawing, done: str) -> str:
    """What a drawing leaves out, as a sentence with the participle `done`; empty for nothing."""
    layers = sum(len(item.nodes) for item in _all_items(drawing.root) if isinstance(item, Gap))
    parts = [f"{layers:,} layers"] if layers else []
    if drawing.missing:
        parts.append(f"{drawing.missing:,} edges beside them")
    return f"too large to be {done} whole: without {' and '.join(parts)}" if parts else ""


class _Fold:
    """Folds series to so many rows."""

    def __init__(self, every_unit: bool) -> None:
        self._every_unit = every_unit
        self._rows: dict[int, int] = {}  # of the series that all live as long as the drawing

    def series(self, series: Series, room: int) -> Series:
        """A series of at most about `room` rows; itself if it has no more."""
        if self._of_series(series) <= room:
            return series
        rows = [self._of_item(item) for item in series.items]
        start, end = _middle(len(rows), room)
        rooms = _shares([*rows[:start], *rows[end:]], room)
        items: list[Item] = []
        linked: list[bool] = []
        for index, (item, link) in enumerate(zip(series.items, series.linked, strict=True)):
            if index == start < end:
                hidden = series.items[start:end]
                nodes = tuple(nodes_of(Series(hidden, (), False, None)))
                outputs = sum(isinstance(other, Output) for other in hidden)
                items.append(Gap(nodes, output_of(hidden[-1]), outputs))
                linked.append(link)
            if not start <= index < end:
                parts = self._item(item, next(rooms))
                items += parts
                linked += [link, *[True] * (len(parts) - 1)]
        return series._replace(items=tuple(items), linked=tuple(linked))

    def _item(self, item: Item, room: int) -> list[Item]:
        if self._of_item(item) <= room:
            return [item]
        if isinstance(item, Stack):
            start, end = _middle(len(item.nodes), room * FEWEST_ROWS)
            hidden = item.nodes[start:end]
            gap = Gap(hidden, hidden[-1].index)
            return [Stack(item.nodes[:start]), gap, Stack(item.nodes[end:])]
        if isinstance(item, Frame):
            return [item._replace(body=self.series(item.body, room - 1))]
        if isinstance(item, Parallel):
            return [Parallel(tuple(self._all(item.branches, room)))]
        assert isinstance(item, Repeat)
        if not self._every_unit:
            return [item._replace(units=(self.series(item.units[0], room - 1), *item.units[1:]))]
        units = tuple(self._all(item.units, room - 1))
        return [Repeat(units, len(item.units))]

    def _all(self, several: Sequence[Series], room: int) -> Iterator[Series]:
        """Branches or units, some of them left out."""
        start, end = _middle(len(several), room)
        shown = [*several[:start], *several[end:]]
        rooms = _shares([self._of_series(series) for series in shown], room)
        for index, series in enumerate(several):
            if index == start < end:
                nodes = tuple(node for hidden in several[start:end] for node in nodes_of(hidden))
                output = several[end - 1].output
                yield Series((Gap(nodes, output),), (True,), several[end - 1].leaves, output)
            if not start <= index < end:
                yield self.series(series, next(rooms))

    def _of_series(self, series: Series) -> int:
        key = id(series)
        if key not in self._rows:
            self._rows[key] = sum(map(self._of_item, series.items))
        return self._rows[key]

    def _of_item(self, item: Item) -> int:
        if isinstance(item, Stack):
            return len(item.nodes)
        if isinstance(item, Frame):
            return 1 + self._of_series(item.body)
        if isinstance(item, Parallel):
            return sum(map(self._of_series, item.branches))
        if isinstance(item, Repeat):
            return 1 + sum(map(self._of_series, item.units if self._every_unit else item.units[:1]))
        return 1


def _middle(number: int, room: int) -> tuple[int, int]:
    """Where of so many things the middle starts and ends that is left out, so that each of the
    others has room."""
    keep = max(room // FEWEST_ROWS, 2)
    if number <= keep:
        return number, number
    return keep - keep // 2, number - keep // 2


def _shares(rows: Sequence[int], room: int) -> Iterator[int]:
    """The room of each of several things: what it needs, or what is left for the largest ones."""
    shares = [0] * len(rows)
    for done, index in enumerate(sorted(range(len(rows)), key=rows.__getitem__)):
        shares[index] = min(rows[index], max(room // (len(rows) - done), FEWEST_ROWS))
        room -= shares[index]
    return iter(shares)


def _all_items(series: Series) -> Iterator[Item]:
    """All items of a series and of those inside it."""
    for item in series.items:
        yield item
        if isinstance(item, Frame):
            yield from _all_items(item.body)
        elif isinstance(item, Parallel | Repeat):
            for inner in item.branches if isinstance(item, Parallel) else item.units:
                yield from _all_items(inner)


def _anchors(series: Series) -> Iterator[Hashable]:
    """The ends that skips of a folded drawing can have."""
    for item in _all_items(series):
        if isinstance(item, Stack):
            yield from (node.index for node in item.nodes)
        elif isinstance(item, Output):
            yield anchor(item)
        elif isinstance(item, Frame):
            yield anchor(item.region)
