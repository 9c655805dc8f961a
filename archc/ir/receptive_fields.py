"""Receptive fields: how much of the network's input one position of a layer's output depends on.

Along each spatial axis a position sees the input elements from a lowest to a highest one. Those of
the next position lie one jump further on, or, after a layer that enlarges or pools to a size, have
another extent by their phase: a field is periodic, and its few phases are kept exactly (for one
phase this is Araujo, Norris & Sim 2019, Computing Receptive Fields of Convolutional Neural
Networks). Branches that meet join at their common period; values whose positions lie on different
grids stay apart as strands.

The extent of a layer is the largest over the positions of its output that see no padding; where
all see some, over all positions, as if the input had no border. Where periods grow past a bound, an
affine rule that covers them takes their place, and the extent is an upper bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import floor, gcd, lcm
from typing import Literal, NamedTuple, TypeAlias

from archc.ops.axes import Axes
from archc.ops.base import ReceptiveField

LONGEST_PERIOD = 1024
"""Phases of one field that are kept."""
MOST_STRANDS = 4
"""Grids of one field that are kept apart."""
ROUNDING = 1e-6
"""By which the ends of a cover may be off."""

Ends: TypeAlias = "tuple[int, int] | None"
"""The lowest and the highest input element seen; None where a position sees none."""


class Strand(NamedTuple):
    """What the positions of a value see along one axis of the input, on one grid: position
    `q * len(phases) + r` sees from `phases[r][0] + q * shift` to `phases[r][1] + q * shift`."""

    shift: int
    phases: tuple[Ends, ...]

    def ends(self, position: int) -> Ends:
        """What one position sees, inside the input or beyond it."""
        turns, phase = divmod(position, len(self.phases))
        ends = self.phases[phase]
        return (
            None if ends is None else (ends[0] + turns * self.shift, ends[1] + turns * self.shift)
        )

    @property
    def jump(self) -> float:
        """Input elements between two neighbouring positions, on average."""
        return self.shift / len(self.phases)


class Cover(NamedTuple):
    """An upper bound: position p sees at most from `p * jump + first` to `p * jump + last`."""

    jump: float
    first: float
    last: float


class Field(NamedTuple):
    """What a value's positions along one of its axes see along the input's spatial axis `axis`,
    which has `size` elements. The positions `inside` see no padding. Tokens that were the positions
    of a map have the fields of that map: there were so many `positions` along the axis."""

    axis: int
    size: int
    rule: tuple[Strand, ...] | Cover
    inside: range
    positions: int | None = None

    @property
    def jump(self) -> float:
        """Input elements between two neighbouring positions, on average; the most of any strand."""
        if isinstance(self.rule, Cover):
            return self.rule.jump
        return max(strand.jump for strand in self.rule)


class Extents(NamedTuple):
    """What a layer's output sees: input elements along each of the input's spatial axes, of the
    position that sees most; at most so many where not `exact`. `jump` is the input elements
    between two positions, and `everything` tells that each position sees the whole input."""

    sizes: tuple[int, ...]
    jump: tuple[float, ...]
    exact: bool
    everything: bool

    @property
    def kind(self) -> Literal["exact", "at most", "all"]:
        """What the sizes are."""
        if self.everything:
            return "all"
        return "exact" if self.exact else "at most"


def input_fields(x: Axes) -> tuple[Field, ...]:
    """The fields of the network's input: each position sees itself."""
    own = (Strand(1, ((0, 0),)),)
    return tuple(Field(axis, size, own, range(size)) for axis, size in enumerate(x.spatial))


def output_fields(
    inputs: Sequence[Axes],
    output: Axes,
    incoming: Sequence[tuple[Field, ...]],
    own: tuple[ReceptiveField, ...] | None,
) -> tuple[Field, ...]:
    """The fields of an op's output, from those of its inputs and from what the op itself sees; ()
    where the elements lie in another arrangement, which has no field along its axes. Where `own` is
    empty, a position sees all tokens."""
    fields = _joined(inputs, output, incoming) if len(incoming) > 1 else incoming[0]
    if own == ():
        fields = tuple(map(_over_tokens, fields))
    elif own is None and inputs[0].is_map and output.is_sequence:
        known = zip(fields, inputs[0].spatial, strict=False)
        return tuple(field._replace(positions=size) for field, size in known)
    if own is None and inputs[0].is_sequence and output.is_map:
        positions = tuple(field.positions for field in fields)
        return _without_tokens(fields) if positions == output.spatial else ()
    if output.spatial and len(own or fields) != len(output.spatial):
        return ()
    if not own or not fields:
        return fields if output.is_sequence else _without_tokens(fields)
    sizes = output.spatial or (1,) * len(own)
    return tuple(
        _seen_through(fields[axis if step.axis is None else step.axis], step, size)
        for axis, (step, size) in enumerate(zip(own, sizes, strict=True))
    )


def _over_tokens(field: Field) -> Field:
    """What all tokens see that were the positions of a map."""
    if field.positions is None:
        return field
    return _seen_through(field, ReceptiveField(1, 0, (range(field.positions),)), 1)


def _without_tokens(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    return tuple(field._replace(positions=None) for field in fields)


def extents(fields: tuple[Field, ...], output: Axes) -> Extents | None:
    """The extents of an op's output by its fields, None where it has none."""
    if not fields:
        return None
    sizes = output.spatial or tuple(field.positions or 1 for field in fields)
    by_axis = sorted(zip(fields, sizes, strict=True), key=lambda pair: pair[0].axis)
    largest = [_largest(field.rule, field.inside or range(size)) for field, size in by_axis]
    return Extents(
        sizes=tuple(size for size, _ in largest),
        jump=tuple(field.jump for field, _ in by_axis),
        exact=all(exact for _, exact in largest),
        everything=all(_sees_everything(field) for field, _ in by_axis),
    )


# One op after another


def _seen_through(field: Field, step: ReceptiveField, size: int) -> Field:
    rule = field.rule
    if isinstance(rule, Cover) or not _is_kept(rule, step):
        rule = _covered_through(_cover(rule), step)
    else:
        rule = _union([_strand_through(strand, step) for strand in rule])
    return field._replace(rule=rule, inside=_inside_through(field.inside, step, size))


def _inside_through(inside: range, step: ReceptiveField, size: int) -> range:
    """The output positions, of `size`, all of whose input positions lie inside: from the one after
    the last that does not at the begin, to the first that does not at the end."""
    if step.shift == 0:  # the same positions of the whole axis, again and again
        clear = [taps[0] in inside and taps[-1] in inside for taps in step.taps]
        if all(clear):
            return range(size)
        end = min(size, 2 * len(clear))
        barred = [-1, *(one for one in range(end) if not clear[one % len(clear)]), end]
        before, after = max(pairwise(barred), key=lambda ends: ends[1] - ends[0])
        return range(before + 1, after)
    first, stop = 0, size
    for phase, taps in _phases(step):
        if not taps:
            continue
        lowest = -((taps[0] - inside.start) // step.shift)
        highest = (inside.stop - 1 - taps[-1]) // step.shift
        first = max(first, (lowest - 1) * step.period + phase + 1)
        stop = min(stop, (highest + 1) * step.period + phase)
    return range(first, max(first, stop))


def _phases(step: ReceptiveField) -> Iterator[tuple[int, range]]:
    """The phases of an op with what they see; of equal ones the first and the last."""
    if len(step.taps) > 1:
        yield from enumerate(step.taps)
    else:
        yield from ((phase, step.taps[0]) for phase in sorted({0, step.period - 1}))


def _is_kept(strands: tuple[Strand, ...], step: ReceptiveField) -> bool:
    """Whether the output's phases are few enough, and what the op sees is known exactly."""
    if not step.exact:
        return False
    return all(step.period * _turns(one, step) <= LONGEST_PERIOD for one in strands)


def _turns(strand: Strand, step: ReceptiveField) -> int:
    """Periods of an op until it meets the strand's first phase again."""
    return len(strand.phases) // gcd(len(strand.phases), step.shift)


def _strand_through(strand: Strand, step: ReceptiveField) -> Strand:
    period = len(strand.phases)
    turns = _turns(strand, step)
    phases = []
    for position in range(step.period * turns):
        turn, phase = divmod(position, step.period)
        taps = step.taps[phase if len(step.taps) > 1 else 0]
        # Each of the strand's phases that the taps meet sees least in the first of them, and most
        # in the last.
        met = period // gcd(period, taps.step)
        chosen = taps if len(taps) <= 2 * met else (*taps[:met], *taps[-met:])
        seen = [strand.ends(turn * step.shift + tap) for tap in chosen]
        phases.append(_hull(seen))
    return _shortest(Strand(strand.shift * (turns * step.shift) // period, tuple(phases)))


def _hull(seen: Sequence[Ends]) -> Ends:
    ends = [one for one in seen if one is not None]
    return (min(low for low, _ in ends), max(high for _, high in ends)) if ends else None


def _shortest(strand: Strand) -> Strand:
    """The same strand with the fewest phases."""
    factor = 2
    while factor <= len(strand.phases):
        period = len(strand.phases) // factor
        shift = strand.shift // factor
        if len(strand.phases) % factor == strand.shift % factor == 0:
            shorter = Strand(shift, strand.phases[:period])
            if all(shorter.ends(index) == ends for index, ends in enumerate(strand.phases)):
                strand = shorter
                continue
        factor += 1
    return strand


# Branches that meet


def _joined(
    inputs: Sequence[Axes], output: Axes, incoming: Sequence[tuple[Field, ...]]
) -> tuple[Field, ...]:
    """The fields of what several inputs are merged into."""
    if len({tuple(field.axis for field in fields) for fields in incoming}) > 1:
        return ()
    joined = []
    for axis in range(len(incoming[0])):
        size = output.spatial[axis] if output.spatial else incoming[0][axis].positions or 1
        joined.append(
            _union_of_fields(
                [
                    _broadcast(fields[axis], size)
                    if output.spatial and x.spatial[axis] < size
                    else fields[axis]
                    for x, fields in zip(inputs, incoming, strict=True)
                ],
                size,
            )
        )
    return tuple(joined)


def _broadcast(field: Field, size: int) -> Field:
    """What position 0 sees, seen from every position."""
    rule = field.rule
    return field._replace(
        rule=Cover(0, rule.first, rule.last)
        if isinstance(rule, Cover)
        else tuple(Strand(0, (strand.ends(0),)) for strand in rule),
        inside=range(size) if field.inside else field.inside,
    )


def _union_of_fields(fields: Sequence[Field], size: int) -> Field:
    covers = [field.rule for field in fields if isinstance(field.rule, Cover)]
    strands = _union(
        [strand for field in fields if not isinstance(field.rule, Cover) for strand in field.rule]
    )
    rule: tuple[Strand, ...] | Cover = strands
    if covers or len(strands) > MOST_STRANDS:
        rule = _widest([*covers, *(_cover((strand,)) for strand in strands)], size)
    first = max(field.inside.start for field in fields)
    stop = min(field.inside.stop for field in fields)
    return fields[0]._replace(rule=rule, inside=range(first, max(first, stop)))


def _union(strands: Sequence[Strand]) -> tuple[Strand, ...]:
    """As few strands as see what all of some see: those on one grid are one."""
    union: list[Strand] = []
    for strand in strands:
        for index, other in enumerate(union):
            period = lcm(len(strand.phases), len(other.phases))
            if strand.jump == other.jump and period <= LONGEST_PERIOD:
                phases = [_hull((strand.ends(p), other.ends(p))) for p in range(period)]
                shift = other.shift * (period // len(other.phases))
                union[index] = _shortest(Strand(shift, tuple(phases)))
                break
        else:
            union.append(strand)
    return tuple(union)


# Upper bounds


def _cover(rule: tuple[Strand, ...] | Cover) -> Cover:
    """The closest cover of strands on one grid; of several, one that holds at position 0 on."""
    if isinstance(rule, Cover):
        return rule
    covers = []
    for strand in rule:
        ends = [(phase, pair) for phase, pair in enumerate(strand.phases) if pair is not None]
        first = min((low - phase * strand.jump for phase, (low, _) in ends), default=0.0)
        last = max((high - phase * strand.jump for phase, (_, high) in ends), default=0.0)
        covers.append(Cover(strand.jump, first, last))
    return _widest(covers, 1)


def _widest(covers: Sequence[Cover], size: int) -> Cover:
    """One cover for several, as far as the position `size` - 1."""
    jump = max(cover.jump for cover in covers)
    lag = [(cover.jump - jump) * (size - 1) for cover in covers]
    first = min(cover.first + late for cover, late in zip(covers, lag, strict=True))
    return Cover(jump, first, max(cover.last for cover in covers))


def _covered_through(cover: Cover, step: ReceptiveField) -> Cover:
    jump = step.shift / step.period
    phases = [(phase * jump, taps) for phase, taps in _phases(step) if taps]
    lowest = min((taps[0] - own for own, taps in phases), default=0.0)
    highest = max((taps[-1] - own for own, taps in phases), default=0.0)
    return Cover(
        cover.jump * jump, cover.first + lowest * cover.jump, cover.last + highest * cover.jump
    )


# Extents


def _largest(rule: tuple[Strand, ...] | Cover, positions: range) -> tuple[int, bool]:
    """The largest extent over some positions, and whether it is exact."""
    if not isinstance(rule, Cover):
        period = lcm(*(len(strand.phases) for strand in rule))
        if period <= LONGEST_PERIOD * MOST_STRANDS:
            return max(_extents(rule, _telling(rule, period, positions)), default=0), True
        rule = _widest([_cover((strand,)) for strand in rule], positions.stop)
    # A closed interval holds at most so many integers, wherever it lies.
    return floor(rule.last - rule.first + ROUNDING) + 1, False


def _telling(rule: tuple[Strand, ...], period: int, positions: range) -> Iterator[int]:
    """Positions among which the one is that sees most. On one grid a period has all extents; on
    several, strands move apart from position to position, towards either end."""
    yield from positions[:period]
    if len(rule) > 1:
        yield from positions[period:][-period:]


def _extents(rule: tuple[Strand, ...], positions: Iterator[int]) -> Iterator[int]:
    for position in positions:
        ends = _hull([strand.ends(position) for strand in rule])
        if ends is not None:
            yield ends[1] - ends[0] + 1


def _sees_everything(field: Field) -> bool:
    """Whether some strand is the same at every position, and sees all of the input's axis."""
    if isinstance(field.rule, Cover):
        return False
    return any(
        strand.shift == 0
        and all(ends and ends[0] <= 0 and ends[1] >= field.size - 1 for ends in strand.phases)
        for strand in field.rule
    )
