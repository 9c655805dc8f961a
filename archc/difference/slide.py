"""The choice among equally good alignments.

A gap (a run of unpaired layers) can often be moved: of four equal convolutions instead of three,
any one can be the new one. Each gap slides to the position with the fewest rewired layers; among
those, where most neighbouring pairs keep their shapes; then where it begins and ends at boundaries
of the network (a block instance, a section, a repetition); then where most pairs keep their paths;
then as far down as possible.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from archc.difference.rows import Row
from archc.difference.sequences import Pairs

MOST_INPUTS = 64
"""Wider merges are not asked whether they are rewired: every move would compare all their
inputs."""


class Side(NamedTuple):
    """The layers of one network, with a number for each; equal layers have the same one."""

    rows: Sequence[Row]
    numbers: Sequence[int]


def slide_gaps(pairs: Pairs, a: Side, b: Side, structure: Callable[[int, int], int]) -> Pairs:
    """The alignment with each gap at its best position. `structure` scores a pair of layers of one
    op by their numbers: no pair is replaced by one with a lower score."""
    slider = _Slider(pairs, a, b, structure)
    for side, partners in enumerate(slider.partners):
        begin = 0
        while begin < len(partners):
            end = begin
            while end < len(partners) and partners[end] is None:
                end += 1
            if end > begin:
                end = max(end, slider.slide(side, begin, end) + end - begin)
            begin = max(end, begin + 1)
    return [(i, j) for i, j in enumerate(slider.partners[0]) if j is not None]


class _Position(NamedTuple):
    """A position of a gap; the largest one is the best."""

    rewired: int
    shapes: int
    whole: int
    paths: int
    begin: int


class _Slider:
    def __init__(
        self, pairs: Pairs, a: Side, b: Side, structure: Callable[[int, int], int]
    ) -> None:
        self.sides = a, b
        self.structure = structure
        self.partners: tuple[list[int | None], list[int | None]]
        self.partners = [None] * len(a.rows), [None] * len(b.rows)
        for i, j in pairs:
            self.partners[0][i], self.partners[1][j] = j, i
        self.consumers = _consumers(a.rows), _consumers(b.rows)
        # Inputs of the networks correspond by their order.
        self.inputs = min(_inputs(a.rows), _inputs(b.rows))

    def slide(self, side: int, begin: int, end: int) -> int:
        """Move a gap of `side` to its best reachable position. Returns its new start."""
        positions = [_Position(0, 0, self._whole(side, begin, end), 0, begin)]
        rows, others = self.sides[side].rows, self.sides[1 - side].rows
        length = end - begin
        for down in (False, True):
            position = positions[0]
            while (move := self._movable(side, position.begin, length, down=down)) is not None:
                paired, replacing, other = move
                rewired = self._move(side, paired, replacing)
                new, old = rows[replacing], rows[paired]
                beside = others[other]
                at = position.begin + (1 if down else -1)
                position = _Position(
                    position.rewired - rewired,
                    position.shapes + (new.shapes == beside.shapes) - (old.shapes == beside.shapes),
                    self._whole(side, at, at + length),
                    position.paths + (new.path == beside.path) - (old.path == beside.path),
                    at,
                )
                positions.append(position)
            self._move_all(side, position.begin, begin, length)
        best = max(positions).begin
        self._move_all(side, begin, best, length)
        return best

    def _move_all(self, side: int, begin: int, to: int, length: int) -> None:
        """Move a gap to a reachable position."""
        for at in range(begin, to):
            self._move(side, at + length, at)
        for at in range(begin, to, -1):
            self._move(side, at - 1, at - 1 + length)

    def _movable(
        self, side: int, begin: int, length: int, *, down: bool
    ) -> tuple[int, int, int] | None:
        """The move of a gap by one layer: the layer that becomes unpaired, the one that replaces
        it, and the counterpart. None if it is impossible."""
        paired, replacing = (begin + length, begin) if down else (begin - 1, begin + length - 1)
        partners = self.partners[side]
        other = partners[paired] if 0 <= paired < len(partners) else None
        if other is None:
            return None
        # A gap of the other side is in the way.
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
        """Pair the counterpart of one layer with another layer. Returns the increase of rewired
        pairs."""
        other = self.partners[side][paired]
        assert other is not None
        affected = {other, *self.consumers[1 - side].get(other, ())}
        for index in (paired, replacing):
            for consumer in self.consumers[side].get(index, ()):
                partner = self.partners[side][consumer]
                if partner is not None:
                    affected.add(partner)
        affected = {
            index
            for index in affected
            if len(self.sides[1 - side].rows[index].sources) <= MOST_INPUTS
        }
        before = sum(self._is_rewired(1 - side, index) for index in affected)
        self.partners[side][paired] = None
        self.partners[side][replacing] = other
        self.partners[1 - side][other] = replacing
        return sum(self._is_rewired(1 - side, index) for index in affected) - before

    def _is_rewired(self, side: int, index: int) -> bool:
        """Whether a layer and its counterpart have different inputs, all of which are paired."""
        partner = self.partners[side][index]
        if partner is None:
            return False
        sources = self.sides[1 - side].rows[partner].sources
        if len(sources) > MOST_INPUTS:
            return False
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
        """How well a gap matches the hierarchy: the smaller number of levels that change at its
        start and at its end."""
        rows = self.sides[side].rows
        return min(_boundary(rows, begin), _boundary(rows, end))


def _consumers(rows: Sequence[Row]) -> dict[int, list[int]]:
    """The consumers of each layer's output, without those of very many inputs."""
    consumers: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        if len(row.sources) <= MOST_INPUTS:
            for source in row.sources:
                consumers.setdefault(source, []).append(index)
    return consumers


def _inputs(rows: Sequence[Row]) -> int:
    return max((-source for row in rows for source in row.sources), default=0)


def _boundary(rows: Sequence[Row], at: int) -> int:
    """The number of levels of the hierarchy that end or begin before a layer."""
    before = rows[at - 1].address if at else ()
    after = rows[at].address if at < len(rows) else ()
    common = 0
    for one, two in zip(before, after, strict=False):
        if one != two:
            break
        common += 1
    return max(len(before), len(after)) - common
