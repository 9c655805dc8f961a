"""Operators as ONNX defines them, for the reference evaluator of `onnx`: those that it computes
otherwise (as of 1.23), and those that it computes by a function with constants of float32.

Source: https://onnx.ai/onnx/operators
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_resize import Resize as Interpolation


class LRN(OpRun):
    """`onnx` sums over as many channels as there are samples."""

    op_domain = ""

    def _run(self, x: Any, alpha: float, beta: float, bias: float, size: int) -> tuple[Any]:
        padded = numpy.pad(x * x, ((0, 0), ((size - 1) // 2, size // 2), (0, 0), (0, 0)))
        sums = sum(padded[:, start : start + x.shape[1]] for start in range(size))
        return (x / (bias + alpha / size * sums) ** beta,)


class Mean(OpRun):
    """`onnx` does not broadcast the first input."""

    op_domain = ""

    def _run(self, *inputs: Any) -> tuple[Any]:
        return (sum(inputs) / numpy.array(len(inputs), inputs[0].dtype),)


class GlobalMaxPool(OpRun):
    """`onnx` takes the largest over other axes where there are not two."""

    op_domain = ""

    def _run(self, x: Any) -> tuple[Any]:
        return (x.max(axis=tuple(range(2, x.ndim)), keepdims=True),)


class MaxPool(OpRun):
    """`onnx` takes padding that differs from side to side in another order."""

    op_domain = ""

    def _run(
        self,
        x: Any,
        auto_pad: str,
        ceil_mode: int,
        dilations: Sequence[int] | None,
        kernel_shape: Sequence[int],
        pads: Sequence[int],
        storage_order: int,
        strides: Sequence[int],
    ) -> tuple[Any]:
        _require(auto_pad in (None, "NOTSET") and not ceil_mode and dilations is None)
        rank = len(kernel_shape)
        amounts = [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:], strict=True)]
        padded = numpy.pad(x, amounts, constant_values=-numpy.inf)
        slices = [
            padded[(..., *map(_steps, begins, strides, padded.shape[2:], kernel_shape))]
            for begins in product(*map(range, kernel_shape))
        ]
        return (numpy.maximum.reduce(slices),)


def _steps(begin: int, stride: int, size: int, kernel: int) -> slice:
    """The elements that one element of a window sees along an axis."""
    return slice(begin, size - kernel + begin + 1, stride)


class ConvTranspose(OpRun):
    """`onnx` mixes up the channels of groups, and cannot compute some dilations."""

    op_domain = ""

    def _run(
        self,
        x: Any,
        weight: Any,
        bias: Any = None,
        auto_pad: str | None = None,
        dilations: Sequence[int] | None = None,
        group: int = 1,
        kernel_shape: Sequence[int] | None = None,
        output_padding: Sequence[int] | None = None,
        output_shape: Sequence[int] | None = None,
        pads: Sequence[int] = (),
        strides: Sequence[int] = (),
    ) -> tuple[Any]:
        _require(auto_pad in (None, "NOTSET") and output_shape is None)
        sizes, kernel = x.shape[2:], weight.shape[2:]
        rank, group = len(kernel), group or 1
        dilations, more = dilations or (1,) * rank, output_padding or (0,) * rank
        whole = [
            (size - 1) * stride + (extent - 1) * dilation + 1 + extra
            for size, stride, extent, dilation, extra in zip(
                sizes, strides, kernel, dilations, more, strict=True
            )
        ]
        per_group = weight.shape[1]
        y = numpy.zeros((x.shape[0], group, per_group, *whole), x.dtype)
        inputs = x.reshape(x.shape[0], group, -1, *sizes)
        kernels = weight.reshape(group, -1, per_group, *kernel)
        for offsets in product(*map(range, kernel)):
            places = tuple(
                slice(offset * dilation, offset * dilation + (size - 1) * stride + 1, stride)
                for offset, dilation, size, stride in zip(
                    offsets, dilations, sizes, strides, strict=True
                )
            )
            taps = kernels[(..., *offsets)]
            y[(..., *places)] += numpy.einsum("ngi...,gio->ngo...", inputs, taps)
        inside = [slice(pads[axis], whole[axis] - pads[rank + axis]) for axis in range(rank)]
        y = y.reshape(x.shape[0], -1, *whole)[(..., *inside)]
        return (y if bias is None else y + bias.reshape(-1, *[1] * rank),)


class Resize(Interpolation):
    """`onnx` fails at some sizes where it repeats elements."""

    op_domain = ""

    def _run(self, x: Any, roi: Any, scales: Any, *others: Any, **attributes: Any) -> Any:
        if attributes["mode"] != "nearest":
            return super()._run(x, roi, scales, *others, **attributes)
        _require(attributes["coordinate_transformation_mode"] == "asymmetric")
        for axis, scale in enumerate(scales.tolist()):
            _require(scale == int(scale))
            x = numpy.repeat(x, int(scale), axis=axis)
        return (x,)


class Gelu(OpRun):
    """A function in `onnx`."""

    op_domain = ""

    def _run(self, x: Any, approximate: str) -> tuple[Any]:
        if approximate == "tanh":
            inner = numpy.sqrt(2 / numpy.pi) * (x + 0.044715 * x**3)
            return ((0.5 * x * (1 + numpy.tanh(inner))).astype(x.dtype),)
        erf = numpy.vectorize(math.erf, otypes=["float64"])
        return ((0.5 * x * (1 + erf(x / math.sqrt(2)))).astype(x.dtype),)


class HardSwish(OpRun):
    """A function in `onnx`."""

    op_domain = ""

    def _run(self, x: Any) -> tuple[Any]:
        return ((x * numpy.clip(x / 6 + 0.5, 0, 1)).astype(x.dtype),)


class GroupNormalization(OpRun):
    """A function in `onnx`."""

    op_domain = ""

    def _run(
        self, x: Any, scale: Any, bias: Any, epsilon: float, num_groups: int, stash_type: int
    ) -> tuple[Any]:
        groups = x.reshape(x.shape[0], num_groups, -1)
        mean = groups.mean(axis=2, keepdims=True)
        deviation = numpy.sqrt(groups.var(axis=2, keepdims=True) + epsilon)
        y = ((groups - mean) / deviation).reshape(x.shape)
        ones = [1] * (x.ndim - 2)
        y = y * scale.reshape(-1, *ones) + bias.reshape(-1, *ones)
        return (y.astype(x.dtype),)


def _require(holds: bool) -> None:
    """Refuse what no emitted file has."""
    if not holds:
        raise NotImplementedError("attributes that archc does not emit")


OPERATORS = [
    LRN,
    Mean,
    GlobalMaxPool,
    MaxPool,
    ConvTranspose,
    Resize,
    Gelu,
    HardSwish,
    GroupNormalization,
]
"""All of them."""
