"""How the axes of a tensor arrange those of a value: views, transpositions and reshapes followed
without a copy, so that what several of them do together can be named.

Axis 0 of a value is the batch; the others are those of its `Axes`, in canonical order. A digit is
a part of an axis: `index // stride % size` of its index. Each axis of a tensor is a row of digits,
the most significant first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias


class Digit(NamedTuple):
    """`index // stride % size` of the index along an axis."""

    axis: int
    stride: int
    size: int


Dim: TypeAlias = "tuple[Digit, ...]"


class ArrangementError(ValueError):
    """A tensor cannot be arranged so without a copy of its elements in another order."""


class Arrangement(NamedTuple):
    """The axes of a tensor as digits of the axes of a value, whose sizes are `sizes`."""

    sizes: tuple[int, ...]
    dims: tuple[Dim, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the tensor."""
        return tuple(math.prod(digit.size for digit in dim) for dim in self.dims)

    def permuted(self, order: Sequence[int]) -> Arrangement:
        """The axes of the tensor in another order."""
        if sorted(order) != list(range(len(self.dims))):
            raise ArrangementError(f"axes in the order {list(order)}")
        return Arrangement(self.sizes, tuple(self.dims[axis] for axis in order))

    def reshaped(self, shape: Sequence[int]) -> Arrangement:
        """The same elements, row by row, under another shape. Raises ArrangementError."""
        waiting = [digit for dim in reversed(self.dims) for digit in reversed(dim)]
        dims: list[list[Digit]] = []
        for size in shape:
            dims.append(_taken(waiting, size))
        if any(digit.size != 1 for digit in waiting):
            raise ArrangementError(f"a tensor of {list(self.shape)} as {list(shape)}")
        if dims:
            dims[-1] += reversed(waiting)
        return Arrangement(self.sizes, tuple(_joined(dim) for dim in dims))

    def matches(self, *dims: Sequence[int]) -> bool:
        """Whether the axes of the tensor are those of the value, listed by their positions."""
        return self.agrees(*([Digit(axis, 1, self.sizes[axis]) for axis in axes] for axes in dims))

    def agrees(self, *dims: Sequence[Digit]) -> bool:
        """Whether the axes of the tensor have some digits, those of a single value aside."""
        own = tuple(_significant(dim) for dim in self.dims)
        return own == tuple(_significant(dim) for dim in dims)

    def chosen(self, position: int, begin: int, count: int) -> tuple[Arrangement, int, int]:
        """Some neighbours along an axis of the tensor, the axis of the value that this is a part
        of, and how far along that the first of them lies. Raises ArrangementError."""
        digits = _significant(self.dims[position])
        if len(digits) != 1 or not 0 <= begin < begin + count <= digits[0].size:
            raise ArrangementError(f"{count} elements from {begin} on along {list(digits)}")
        (digit,) = digits
        dims = (*self.dims[:position], (digit._replace(size=count),), *self.dims[position + 1 :])
        return Arrangement(self.sizes, dims), digit.axis, begin * digit.stride

    def whole(self, position: int) -> int | None:
        """The axis of the value that an axis of the tensor is; None where it is none."""
        dim = self.dims[position]
        digits = _significant(dim) or dim
        if len(digits) == 1 and digits[0].size == self.sizes[digits[0].axis]:
            return digits[0].axis
        return None

    def order(self) -> tuple[int, ...] | None:
        """Which axis of the value each axis of the tensor is; None where it is no permutation."""
        axes = [self.whole(position) for position in range(len(self.dims))]
        known = [axis for axis in axes if axis is not None]
        if len(known) < len(axes) or sorted(known) != list(range(len(self.sizes))):
            return None
        return tuple(known)

    def restoration(self) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """A shape and an order of its axes that turn the tensor into the value, the batch of any
        size; None where the batch is split."""
        digits = [digit for dim in self.dims for digit in dim]
        whole = [digit.axis != 0 or digit.size == self.sizes[0] for digit in digits]
        if not all(whole) or sum(digit.axis == 0 for digit in digits) != 1:
            return None
        shape = tuple(-1 if digit.axis == 0 else digit.size for digit in digits)
        places = range(len(digits))
        return shape, tuple(sorted(places, key=lambda one: (digits[one].axis, -digits[one].stride)))


def identity(sizes: Sequence[int]) -> Arrangement:
    """A tensor that has the axes of a value as they are."""
    return ordered(sizes, range(len(sizes)))


def ordered(sizes: Sequence[int], order: Sequence[int]) -> Arrangement:
    """A tensor that has the axes of a value in some order."""
    return Arrangement(tuple(sizes), tuple((Digit(axis, 1, sizes[axis]),) for axis in order))


def _taken(waiting: list[Digit], size: int) -> list[Digit]:
    """The next digits, of which there are `size` values; one is split where it must be."""
    dim: list[Digit] = []
    rest = size
    while waiting and (rest > 1 or (not dim and waiting[-1].size == 1)):
        digit = waiting.pop()
        if rest % digit.size == 0:
            dim.append(digit)
            rest //= digit.size
        elif digit.size % rest == 0:
            low = digit.size // rest
            dim.append(Digit(digit.axis, digit.stride * low, rest))
            waiting.append(Digit(digit.axis, digit.stride, low))
            rest = 1
        else:
            rest = 0
            break
    if rest != 1:
        raise ArrangementError(f"an axis of {size} elements across those of a value")
    return dim


def _joined(dim: Sequence[Digit]) -> Dim:
    """Digits with neighbours of one axis joined."""
    kept: list[Digit] = []
    for digit in dim:
        last = kept[-1] if kept else None
        if last and last.axis == digit.axis and last.stride == digit.stride * digit.size:
            kept[-1] = Digit(digit.axis, digit.stride, last.size * digit.size)
        else:
            kept.append(digit)
    return tuple(kept)


def _significant(dim: Sequence[Digit]) -> tuple[Digit, ...]:
    """Digits that have more than one value."""
    return _joined([digit for digit in dim if digit.size != 1])
