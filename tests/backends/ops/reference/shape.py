"""Ops that move elements, and change none but by interpolation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tests.backends.ops.reference.tensor import Arrays, Tensor, per_axis, sides

CANONICAL = ("channels", "length", "depth", "height", "width", "tokens", "features")


def flatten(arrays: Arrays, x: Tensor) -> Tensor:
    """Channels first, then space, row by row."""
    return Tensor(("features",), x.array.reshape(x.array.shape[0], -1))


def reshape(arrays: Arrays, x: Tensor, **sizes: int) -> Tensor:
    """The same elements in canonical order under other axes."""
    axes = tuple(axis for axis in CANONICAL if axis in sizes)
    return Tensor(axes, x.array.reshape(-1, *(sizes[axis] for axis in axes)))


def permute(arrays: Arrays, x: Tensor, *, order: list[str]) -> Tensor:
    """The axes in another order, under the names of the input."""
    return x.with_array(np.moveaxis(x.array, [1 + x.axes.index(axis) for axis in order],
                                    range(1, x.array.ndim)))  # fmt: skip


def pad(
    arrays: Arrays, x: Tensor, *, padding: Any, mode: str = "constant", value: float = 0.0
) -> Tensor:
    """A constant around the map, or the map mirrored at its edge, which itself is not repeated."""
    array = x.array
    for axis, (begin, end) in enumerate(sides(padding, len(x.spatial)), start=2):
        size = array.shape[axis]
        if mode == "reflect":
            positions = [size - 1 - abs(size - 1 - abs(one)) for one in range(-begin, size + end)]
            array = array.take(positions, axis)
        else:
            before, after = list(array.shape), list(array.shape)
            before[axis], after[axis] = begin, end
            array = np.concatenate([np.full(before, value), array, np.full(after, value)], axis)
    return x.with_array(array)


def crop(arrays: Arrays, x: Tensor, *, cropping: Any) -> Tensor:
    """Without the elements at the sides."""
    cuts = zip(x.spatial, sides(cropping, len(x.spatial)), strict=True)
    return x.with_array(x.array[(..., *(slice(begin, size - end) for size, (begin, end) in cuts))])


def upsample(arrays: Arrays, x: Tensor, *, scale: Any, mode: str = "nearest") -> Tensor:
    """Elements repeated, or interpolated along one axis after the other between the centres of
    elements; beyond the outermost centres the map goes on as it ends."""
    array = x.array
    for axis, factor in enumerate(per_axis(scale, len(x.spatial)), start=2):
        size = array.shape[axis]
        if mode == "nearest":
            array = array.take([index // factor for index in range(size * factor)], axis)
            continue
        planes = []
        for index in range(size * factor):
            position = min(max((index + 0.5) / factor - 0.5, 0.0), size - 1.0)
            low = math.floor(position)
            share = position - low
            high = array.take(min(low + 1, size - 1), axis)
            planes.append((1 - share) * array.take(low, axis) + share * high)
        array = np.stack(planes, axis)
    return x.with_array(array)


def select(arrays: Arrays, x: Tensor, *, channels: Any = None, tokens: Any = None) -> Tensor:
    """Some channels or tokens, in the order of the list; a single token is a vector."""
    if isinstance(tokens, int):
        return Tensor(("features",), x.array[:, tokens])
    if tokens is not None:
        return x.with_array(np.stack([x.array[:, token] for token in tokens], axis=1))
    chosen = [x.array.take(channel, x.channel_axis) for channel in channels]
    return x.with_array(np.stack(chosen, axis=x.channel_axis))


def split(arrays: Arrays, x: Tensor, *, parts: int, index: int) -> Tensor:
    """The channels or features of one part, side by side."""
    size = x.array.shape[x.channel_axis] // parts
    return select(arrays, x, channels=[*range(index * size, (index + 1) * size)])


def channel_shuffle(arrays: Arrays, x: Tensor, *, groups: int) -> Tensor:
    """The first channel of each group, then the second of each, and so on (Zhang et al. 2018)."""
    each = x.array.shape[1] // groups
    order = [group * each + index for index in range(each) for group in range(groups)]
    return select(arrays, x, channels=order)


MEANINGS = {
    "flatten": flatten,
    "reshape": reshape,
    "permute": permute,
    "pad": pad,
    "crop": crop,
    "upsample": upsample,
    "select": select,
    "split": split,
    "channel_shuffle": channel_shuffle,
}
