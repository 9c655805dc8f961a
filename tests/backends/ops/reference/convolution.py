"""Convolutions: Dumoulin & Visin 2016, A guide to convolution arithmetic for deep learning."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np

from tests.backends.ops.reference.tensor import Array, Arrays, Tensor, per_axis, sides


def same(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """The padding of one axis that gives ceil(size / stride) positions, odd padding at the end."""
    total = (math.ceil(size / stride) - 1) * stride + (kernel - 1) * dilation + 1 - size
    return max(total, 0) // 2, max(total, 0) - max(total, 0) // 2


def with_bias(arrays: Arrays, x: Tensor, *, bias: bool) -> Tensor:
    """The value of each channel is added, where there is one."""
    assert ("bias" in arrays) == bias
    return x.with_array(x.array + x.along_channels(arrays["bias"])) if bias else x


def conv(
    arrays: Arrays,
    x: Tensor,
    *,
    filters: int,
    kernel_size: Any,
    stride: Any = 1,
    padding: Any = "valid",
    dilation: Any = 1,
    groups: int = 1,
    bias: bool = True,
    initializer: Any = "default",
) -> Tensor:
    """Each filter slides over its group's channels of the padded map."""
    rank, kernel = len(x.spatial), arrays["weight"]
    kernels, strides, dilations = (per_axis(one, rank) for one in (kernel_size, stride, dilation))
    if padding == "same":
        amounts = list(map(same, x.spatial, kernels, strides, dilations))
    elif padding == "causal":
        ((size, spacing),) = zip(kernels, dilations, strict=True)
        amounts = [((size - 1) * spacing, 0)]
    else:
        amounts = sides(0 if padding == "valid" else padding, rank)
    padded = np.pad(x.array, [(0, 0), (0, 0), *amounts])
    batch, channels, *sizes = padded.shape
    assert kernel.shape == (filters, channels // groups, *kernels)
    counts = [
        (size - (k - 1) * d - 1) // s + 1
        for size, k, s, d in zip(sizes, kernels, strides, dilations, strict=True)
    ]
    y = np.zeros((batch, groups, filters // groups, *counts))
    grouped = padded.reshape(batch, groups, channels // groups, *sizes)
    of_group = kernel.reshape(groups, filters // groups, channels // groups, *kernels)
    for offset in product(*map(range, kernels)):
        window = tuple(
            slice(o * d, o * d + (count - 1) * s + 1, s)
            for o, d, s, count in zip(offset, dilations, strides, counts, strict=True)
        )
        y += np.einsum("bgi...,gfi->bgf...", grouped[(..., *window)], of_group[(..., *offset)])
    result = x.with_array(y.reshape(batch, filters, *counts))
    return with_bias(arrays, result, bias=bias)


def depthwise_conv(arrays: Arrays, x: Tensor, *, multiplier: int = 1, **fields: Any) -> Tensor:
    """Each channel convolved alone; the filters of one channel lie side by side."""
    channels = x.array.shape[1]
    return conv(arrays, x, filters=channels * multiplier, groups=channels, **fields)


def conv_transpose(
    arrays: Arrays,
    x: Tensor,
    *,
    filters: int,
    kernel_size: Any,
    stride: Any = 1,
    padding: Any = "valid",
    output_padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    bias: bool = True,
    initializer: Any = "default",
) -> Tensor:
    """Each element lays the kernel, times itself, down at its place in the output."""
    rank, kernel = len(x.spatial), arrays["weight"]
    kernels, strides, dilations, extras = (
        per_axis(one, rank) for one in (kernel_size, stride, dilation, output_padding)
    )
    extents = [(k - 1) * d + 1 for k, d in zip(kernels, dilations, strict=True)]
    if padding == "same":
        # What the convolution pads that takes n * stride elements to n.
        crops = [same(n * s, e, s) for n, s, e in zip(x.spatial, strides, extents, strict=True)]
        counts = [n * s + more for n, s, more in zip(x.spatial, strides, extras, strict=True)]
    else:
        crops = sides(0 if padding == "valid" else padding, rank)
        counts = [
            (n - 1) * s + e - sum(crop) + more
            for n, s, e, crop, more in zip(x.spatial, strides, extents, crops, extras, strict=True)
        ]
    batch, channels = x.array.shape[:2]
    assert kernel.shape == (channels, filters // groups, *kernels)
    room = [
        max((n - 1) * s + e, begin + count)
        for n, s, e, (begin, _), count in zip(
            x.spatial, strides, extents, crops, counts, strict=True
        )
    ]
    whole: Array = np.zeros((batch, groups, filters // groups, *room))
    grouped = x.array.reshape(batch, groups, channels // groups, *x.spatial)
    of_group = kernel.reshape(groups, channels // groups, filters // groups, *kernels)
    for offset in product(*map(range, kernels)):
        target = tuple(
            slice(o * d, o * d + (n - 1) * s + 1, s)
            for o, d, s, n in zip(offset, dilations, strides, x.spatial, strict=True)
        )
        whole[(..., *target)] += np.einsum("bgi...,gif->bgf...", grouped, of_group[(..., *offset)])
    inner = tuple(
        slice(begin, begin + count) for (begin, _), count in zip(crops, counts, strict=True)
    )
    result = whole[(..., *inner)].reshape(batch, filters, *counts)
    return with_bias(arrays, x.with_array(result), bias=bias)


MEANINGS = {"conv": conv, "depthwise_conv": depthwise_conv, "conv_transpose": conv_transpose}
