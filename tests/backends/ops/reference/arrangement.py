"""Ops that arrange space anew, position by position."""

from __future__ import annotations

from itertools import product

import numpy as np

from tests.backends.ops.reference.tensor import Arrays, Tensor


def to_tokens(arrays: Arrays, x: Tensor) -> Tensor:
    """The channels of each position, row by row."""
    positions = product(*map(range, x.spatial))
    return Tensor(
        ("tokens", "features"), np.stack([x.array[(..., *one)] for one in positions], axis=1)
    )


def to_map(arrays: Arrays, x: Tensor, **sizes: int) -> Tensor:
    """Each token at the position of its number, row by row."""
    axes = tuple(axis for axis in ("depth", "height", "width") if axis in sizes) or ("length",)
    spatial = [sizes.get(axis, x.array.shape[1]) for axis in axes]
    y = np.empty((x.array.shape[0], x.array.shape[2], *spatial))
    for token, position in enumerate(product(*map(range, spatial))):
        y[(..., *position)] = x.array[:, token]
    return Tensor(("channels", *axes), y)


def space_to_depth(arrays: Arrays, x: Tensor, *, block_size: int) -> Tensor:
    """Of each channel the first positions of all blocks, then the second ones, row by row."""
    planes = [
        x.array[:, channel, row::block_size, column::block_size]
        for channel in range(x.array.shape[1])
        for row, column in product(range(block_size), repeat=2)
    ]
    return x.with_array(np.stack(planes, axis=1))


def depth_to_space(arrays: Arrays, x: Tensor, *, block_size: int) -> Tensor:
    """Each channel of a few goes to its position in all blocks."""
    batch, channels, height, width = x.array.shape
    y = np.empty((batch, channels // block_size**2, height * block_size, width * block_size))
    offsets = list(product(range(block_size), repeat=2))
    for channel in range(channels):
        whole, part = divmod(channel, len(offsets))
        row, column = offsets[part]
        y[:, whole, row::block_size, column::block_size] = x.array[:, channel]
    return x.with_array(y)


MEANINGS = {
    "to_tokens": to_tokens,
    "to_map": to_map,
    "space_to_depth": space_to_depth,
    "depth_to_space": depth_to_space,
}
