"""Which of several equally good alignments is taken.

A stretch of layers that one network has alone can often be moved: of four equal convolutions in
place of three, any may be the new one. Each stretch goes where fewest layers take others than
their counterparts do; of those places, to where most layers beside it keep their shapes; then to
where it begins and ends with a part of the network (a block instance, a section, a repetition);
then to where most keep their paths; then as far down as it can.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from archc.difference.rows import Row
from archc.difference.sequences import Pairs


class Side(NamedTuple):
    """The layers of one network, with numbers that are the same for equal ones."""

    rows: Sequence[Row]
    numbers: Sequence[int]


def slid(pairs: Pairs, a: Side, b: Side, structure: Callable[[int, int], int]) -> Pairs:
    """The alignment with each stretch where it belongs. `structure` scores a pair of layers of one
    op, called by their numbers: no pair is given up for one that scores less."""
    sliding = _Sliding(pairs, a, b, structure)
    for side, partners in enumerate(sliding.partners):
        begin = 0
        while begin < len(partners):
            end = begin
            while end < len(partners) and partners[end] is None:
                end += 1
            if end > begin:
                end = max(end, sliding.slide(side, begin, end) + end - begin)
            begin = max(end, begin + 1)
    return [(i, j) for i, j in enumerate(sliding.partners[0]) if j is not None]


class _Place(NamedTuple):
    """A place for a stretch, the best one being the largest."""

    rewired: int
    shapes: int
    whole: int
    paths: int
    begin: int


class _Sliding:
    def __init__(
        self, pairs: Pairs, a: Side, b: Side, structure: Callable[[int, int], int]
    ) -> None:
        self.sides = a, b
        self.structure = structure
        self.partners: tuple[list[int | None], list[int | None]]
        self.partners = [None] * len(a.rows), [None] * len(b.rows)
        for i, j in pairs:
            self.partners[0][i], self.partners[1][j] = j, i
        self.takers = _takers(a.rows), _takers(b.rows)
        # Inputs of the networks correspond by their order.
        self.inputs = min(_inputs(a.rows), _inputs(b.rows))

    def slide(self, side: int, begin: int, end: int) -> int:
        """Move the stretch that `side` has alone to the best place that it can reach; gives where
        it begins now."""
        places = [_Place(0, 0, self._whole(side, begin, end), 0, begin)]
        rows, others = self.sides[side].rows, self.sides[1 - side].rows
        length = end - begin
        for down in (False, True):
            place = places[0]
            while (moved := self._movable(side, place.begin, length, down=down)) is not None:
                paired, replacing, other = moved
                rewired = self._move(side, paired, replacing)
                new, old = rows[replacing], rows[paired]
                beside = others[other]
                at = place.begin + (1 if down else -1)
                place = _Place(
                    place.rewired - rewired,
                    place.shapes + (new.shapes == beside.shapes) - (old.shapes == beside.shapes),
                    self._whole(side, at, at + length),
                    place.paths + (new.path == beside.path) - (old.path == beside.path),
                    at,
                )
                places.append(place)
            self._move_all(side, place.begin, begin, length)
        best = max(places).begin
        self._move_all(side, begin, best, length)
        return best

    def _move_all(self, side: int, begin: int, to: int, length: int) -> None:
        """Move a stretch to a place that it is known to reach."""
        for at in range(begin, to):
            self._move(side, at + length, at)
        for at in range(begin, to, -1):
            self._move(side, at - 1, at - 1 + length)

    def _movable(
        self, side: int, begin: int, length: int, *, down: bool
    ) -> tuple[int, int, int] | None:
        """How a stretch moves by one layer: the layer that becomes alone, the one that takes its
        place, and the counterpart. None where it cannot."""
        paired, replacing = (begin + length, begin) if down else (begin - 1, begin + length - 1)
        partners = self.partners[side]
        other = partners[paired] if 0 <= paired < len(partners) else None
        if other is None:
            return None
        # What the other side has alone is in the way.
        before = other - 1 if down else other + 1
        opposite = self.partners[1 - side]
        if 0 <= before < len(opposite) and opposite[before] is None:
            return None
        rows, numbers = self.sides[side]
        one, two = numbers[replacing], numbers[paired]
        if one != two:
            if type(rows[replacing].op) is not type(rows[paired].op):
                return None
            beside = self.sides[1 - side].numbers[other]
            if self.structure(one, beside) < self.structure(two, beside):
                return None
        return paired, replacing, other

    def _move(self, side: int, paired: int, replacing: int) -> int:
        """Give the counterpart of one layer to another; gives how many pairs more take others than
        their counterparts do."""
        other = self.partners[side][paired]
        assert other is not None
        touched = {other, *self.takers[1 - side].get(other, ())}
        for index in (paired, replacing):
            for taker in self.takers[side].get(index, ()):
                partner = self.partners[side][taker]
                if partner is not None:
                    touched.add(partner)
        before = sum(self._is_rewired(1 - side, index) for index in touched)
        self.partners[side][paired] = None
        self.partners[side][replacing] = other
        self.partners[1 - side][other] = replacing
        return sum(self._is_rewired(1 - side, index) for index in touched) - before

    def _is_rewired(self, side: int, index: int) -> bool:
        """Whether a layer takes layers that all have counterparts, and its own does, but others."""
        partner = self.partners[side][index]
        if partner is None:
            return False
        sources = self.sides[1 - side].rows[partner].sources
        images = [self._image(side, source) for source in self.sides[side].rows[index].sources]
        return (
            images != list(sources)
            and None not in images
            and all(self._image(1 - side, source) is not None for source in sources)
        )

    def _image(self, side: int, source: int) -> int | None:
        if source < 0:
            return source if -source <= self.inputs else None
        return self.partners[side][source]

    def _whole(self, side: int, begin: int, end: int) -> int:
        """How much a stretch is a part of its own: the levels of hierarchy that end where it
        begins, or where it ends if they are fewer there."""
        rows = self.sides[side].rows
        return min(_boundary(rows, begin), _boundary(rows, end))


def _takers(rows: Sequence[Row]) -> dict[int, list[int]]:
    """The layers that take each layer's output."""
    found: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        for source in row.sources:
            found.setdefault(source, []).append(index)
    return found


def _inputs(rows: Sequence[Row]) -> int:
    return max((-source for row in rows for source in row.sources), default=0)


def _boundary(rows: Sequence[Row], at: int) -> int:
    """The levels of hierarchy that end or begin between a layer and the one before it."""
    before = rows[at - 1].address if at else ()
    after = rows[at].address if at < len(rows) else ()
    common = 0
    for one, two in zip(before, after, strict=False):
        if one != two:
            break
        common += 1
    return max(len(before), len(after)) - common
