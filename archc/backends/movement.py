"""Movements of elements: what reshapes and permutations make of an array, one after the other.

A chain of them in which no axis is split across the parts of others is one movement: a view, its
axes in another order, another view. So a chain is composed first and then written in the fewest
steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, permutations
from math import prod
from typing import NamedTuple

Sizes = tuple[int, ...]


class Movement(NamedTuple):
    """An array viewed with the sizes `split`, whose axes are then taken in `order`.

    In its simplest form, which the functions below give: no axis has one element, and no two axes
    are neighbours both before and after. Equal movements are then equal values.
    """

    split: Sizes
    order: tuple[int, ...]

    @property
    def sizes(self) -> Sizes:
        """The sizes of the axes in their new order."""
        return tuple(self.split[axis] for axis in self.order)

    @property
    def is_identity(self) -> bool:
        """Whether every element keeps its position in row-major order."""
        return len(self.order) < 2


class Move(NamedTuple):
    """A movement of an array that has the sizes `sizes` after it."""

    movement: Movement
    sizes: Sizes


class View(NamedTuple):
    """The same elements in row-major order under other sizes."""

    sizes: Sizes


class Transpose(NamedTuple):
    """The axes in another order."""

    order: tuple[int, ...]


Step = View | Transpose


def reshaped(sizes: Sizes) -> Move:
    """The elements in their order under the sizes `sizes`."""
    return Move(_simplest((prod(sizes),), (0,)), sizes)


def transposed(sizes: Sizes, order: Sequence[int]) -> Move:
    """The axes of an array of the sizes `sizes` taken in `order`."""
    return Move(_simplest(sizes, order), tuple(sizes[axis] for axis in order))


def then(first: Movement, second: Movement) -> Movement | None:
    """The one movement that two make; None where the axes between them have no common parts."""
    parts = _common_parts(first.sizes, second.split)
    if parts is None:
        return None
    leaving, entering = _blocks(parts, first.sizes), _blocks(parts, second.split)
    before = [part for axis in _inverse(first.order) for part in leaving[axis]]
    after = [part for axis in second.order for part in entering[axis]]
    positions = {part: position for position, part in enumerate(before)}
    return _simplest([parts[part] for part in before], [positions[part] for part in after])


def composed(moves: Iterable[Move]) -> list[Move]:
    """The moves, each joined to the one before it where both are one movement."""
    joined: list[Move] = []
    for move in moves:
        both = then(joined[-1].movement, move.movement) if joined else None
        if both is None:
            joined.append(move)
        else:
            joined[-1] = Move(both, move.sizes)
    return joined


def steps(sizes: Sizes, moves: Iterable[Move]) -> list[Step]:
    """The fewest views and transposes that move an array of the sizes `sizes`."""
    written: list[Step] = []
    for move in composed(moves):
        for step in _steps(sizes, move):
            if written and isinstance(written[-1], View) and isinstance(step, View):
                written.pop()
            written.append(step)
        sizes = move.sizes
    return written


def fields_of(view: View, later: Sequence[Step], names: Sequence[str]) -> Sequence[str | None]:
    """Which axis of the output each axis of a view becomes in the steps after it; None where these
    view it anew. The output's axes, `names`, are called like the fields that give their sizes."""
    fields = names
    for step in reversed(later):
        if isinstance(step, View):
            return [None] * len(view.sizes)
        fields = [fields[position] for position in _inverse(step.order)]
    return fields


def _steps(sizes: Sizes, move: Move) -> list[Step]:
    movement, target = move
    if movement.is_identity:
        return [View(target)] if sizes != target else []
    if len(sizes) == len(target):
        for order in permutations(range(len(sizes))):
            if transposed(sizes, order) == move:
                return [Transpose(order)]
    candidates: list[tuple[Step, Step]] = []
    for order in _orders_from(sizes, movement):
        candidates.append((Transpose(order), View(target)))
    for order, split in _orders_to(target, movement):
        candidates.append((View(split), Transpose(order)))
    if candidates:
        return list(min(candidates, key=_axes_transposed))
    return [View(movement.split), Transpose(movement.order), View(target)]


def _axes_transposed(candidate: Iterable[Step]) -> int:
    """Of two ways that are as short, the one that transposes fewer axes reads better."""
    return sum(len(step.order) for step in candidate if isinstance(step, Transpose))


def _orders_from(sizes: Sizes, movement: Movement) -> Iterator[tuple[int, ...]]:
    """The orders of the axes as they come in that are the movement."""
    for order in permutations(range(len(sizes))):
        if transposed(sizes, order).movement == movement:
            yield order


def _orders_to(target: Sizes, movement: Movement) -> Iterator[tuple[tuple[int, ...], Sizes]]:
    """The orders that give the axes as they go out, with the sizes that they are taken from."""
    for order in permutations(range(len(target))):
        split = tuple(target[axis] for axis in _inverse(order))
        if transposed(split, order).movement == movement:
            yield order, split


def _simplest(split: Sequence[int], order: Sequence[int]) -> Movement:
    runs: list[list[int]] = []
    kept = [axis for axis in range(len(split)) if split[axis] > 1]
    rank = {axis: position for position, axis in enumerate(kept)}
    for axis in (rank[axis] for axis in order if axis in rank):
        if runs and axis == runs[-1][-1] + 1:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    ordered = sorted(runs)
    return Movement(
        tuple(prod(split[kept[axis]] for axis in run) for run in ordered),
        tuple(ordered.index(run) for run in runs),
    )


def _inverse(order: Sequence[int]) -> list[int]:
    return sorted(range(len(order)), key=order.__getitem__)


def _common_parts(one: Sizes, other: Sizes) -> Sizes | None:
    """The coarsest sizes that both are products of neighbours of; None where there are none."""
    strides = sorted({1, *_strides(one), *_strides(other)})
    if any(larger % smaller for smaller, larger in pairwise(strides)):
        return None
    return tuple(larger // smaller for smaller, larger in pairwise(strides))[::-1]


def _strides(sizes: Sizes) -> Iterator[int]:
    """Elements from one position of the axis before each axis to the next."""
    stride = 1
    for size in reversed(sizes):
        stride *= size
        yield stride


def _blocks(parts: Sizes, sizes: Sizes) -> list[range]:
    """The neighbouring parts that make up each of the sizes."""
    blocks: list[range] = []
    start = 0
    for size in sizes:
        stop, product = start, 1
        while product < size:
            product *= parts[stop]
            stop += 1
        blocks.append(range(start, stop))
        start = stop
    return blocks
