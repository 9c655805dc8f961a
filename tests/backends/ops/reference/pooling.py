"""Pools over windows, over an even division of the map, and over all of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from tests.backends.ops.reference.convolution import same
from tests.backends.ops.reference.tensor import Array, Arrays, Tensor, per_axis, sides

Span = tuple[int, int]
"""The first position of a window along one axis, and the one after its last."""


def spans(size: int, kernel: int, stride: int, pad: Span, *, ceil_mode: bool) -> list[Span]:
    """The windows along one axis, with positions counted in the map: those below zero, and from
    `size` on, are padding. In ceil mode a last window may go beyond the padding, unless it begins
    in the padding at the end."""
    begin, end = pad
    whole = (size + begin + end - kernel) // stride + 1
    starts = [number * stride - begin for number in range(whole)]
    beyond = starts[-1] + stride
    if ceil_mode and starts[-1] + kernel < size + end and beyond < size:
        starts.append(beyond)
    return [(start, min(start + kernel, size + end)) for start in starts]


def pool(
    x: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    *,
    ceil_mode: bool,
    reduce: Callable[[Array, int], Array],
) -> Tensor:
    """`reduce` of each window's elements inside the map, (batch, channels, elements), and of the
    number of its elements with those in the padding."""
    rank = len(x.spatial)
    kernels = per_axis(kernel_size, rank)
    strides = kernels if stride is None else per_axis(stride, rank)
    if padding == "same":
        amounts = list(map(same, x.spatial, kernels, strides))
    else:
        amounts = sides(0 if padding == "valid" else padding, rank)
    along = [
        spans(n, k, s, pad, ceil_mode=ceil_mode)
        for n, k, s, pad in zip(x.spatial, kernels, strides, amounts, strict=True)
    ]
    y = np.empty((*x.array.shape[:2], *map(len, along)))
    for position in product(*(range(len(axis)) for axis in along)):
        window = [axis[index] for axis, index in zip(along, position, strict=True)]
        inside = tuple(slice(max(start, 0), max(stop, 0)) for start, stop in window)
        elements = x.array[(..., *inside)].reshape(*x.array.shape[:2], -1)
        counted = math.prod(stop - start for start, stop in window)
        y[(..., *position)] = reduce(elements, counted)
    return x.with_array(y)


def max_pool(
    arrays: Arrays,
    x: Tensor,
    *,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = "valid",
    ceil_mode: bool = False,
) -> Tensor:
    """The largest element of each window inside the map."""
    return pool(
        x, kernel_size, stride, padding, ceil_mode=ceil_mode,
        reduce=lambda elements, _: elements.max(axis=-1),
    )  # fmt: skip


def avg_pool(
    arrays: Arrays,
    x: Tensor,
    *,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = "valid",
    ceil_mode: bool = False,
    count_include_pad: bool = False,
) -> Tensor:
    """The sum of each window by the number of its elements, inside the map or all."""

    def mean(elements: Array, counted: int) -> Array:
        return elements.sum(axis=-1) / (counted if count_include_pad else elements.shape[-1])

    return pool(x, kernel_size, stride, padding, ceil_mode=ceil_mode, reduce=mean)


def adaptive_avg_pool(arrays: Arrays, x: Tensor, *, output_size: Any) -> Tensor:
    """Window i of m over n elements goes from floor(i n / m) up to ceil((i + 1) n / m)."""
    counts = per_axis(output_size, len(x.spatial))
    y = np.empty((*x.array.shape[:2], *counts))
    for position in product(*map(range, counts)):
        window = tuple(
            slice(i * n // m, -(-(i + 1) * n // m))
            for i, n, m in zip(position, x.spatial, counts, strict=True)
        )
        inside = x.array[(..., *window)]
        y[(..., *position)] = inside.mean(axis=tuple(range(2, inside.ndim)))
    return x.with_array(y)


def over_space(
    reduce: Callable[..., Array],
) -> Callable[..., Tensor]:
    """A pool over all of space, or over the tokens: a vector, or one element, or one token."""

    def meaning(arrays: Arrays, x: Tensor, *, keep_dims: bool = False) -> Tensor:
        axes = (1,) if x.axes[0] == "tokens" else tuple(range(2, x.array.ndim))
        y = reduce(x.array, axis=axes, keepdims=keep_dims)
        return x.with_array(y) if keep_dims else Tensor(("features",), y)

    return meaning


MEANINGS = {
    "max_pool": max_pool,
    "avg_pool": avg_pool,
    "adaptive_avg_pool": adaptive_avg_pool,
    "global_avg_pool": over_space(np.mean),
    "global_max_pool": over_space(np.max),
}
