"""Convolutions and pools in ONNX, whose padding may be any on each side."""

from __future__ import annotations

from collections.abc import Sequence

from archc.backends.base import LoweringContext, RefusalError
from archc.backends.onnx.activations import activated
from archc.backends.onnx.operators import X, op, variable
from archc.codegen.tree import Expr
from archc.ops.convolution import Conv, ConvTranspose, DepthwiseConv
from archc.ops.pooling import AdaptiveAvgPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from archc.ops.shape import Crop, Pad
from archc.ops.sliding import Window

MOST_ONES = 1 << 20
"""Elements of the matrix that pools one axis in uneven windows."""
Pairs = Sequence[tuple[int, int]]
"""Elements at the begin and end of each spatial axis."""


def _begins_and_ends(pairs: Pairs) -> tuple[int, ...]:
    """The order of ONNX's `pads`: all begins, then all ends."""
    return (*(begin for begin, _ in pairs), *(end for _, end in pairs))


def _padded(x: Expr, pairs: Pairs, value: float = 0.0, mode: str = "constant") -> Expr:
    """A map with elements added around it."""
    if not any(map(any, pairs)):
        return x
    amounts = _begins_and_ends([(0, 0), (0, 0), *pairs])
    if mode != "constant":
        return op("Pad", x, amounts, mode=mode)
    return op("Pad", x, amounts, value) if value else op("Pad", x, amounts)


def pad(context: LoweringContext) -> Expr:
    own = context.op
    assert isinstance(own, Pad)
    return _padded(X, own.amounts(context.x), float(own.value), own.mode)


def crop(context: LoweringContext) -> Expr:
    own, x = context.op, context.x
    assert isinstance(own, Crop)
    pairs = own.amounts(x)
    starts = tuple(begin for begin, _ in pairs)
    ends = tuple(size - end for size, (_, end) in zip(x.spatial, pairs, strict=True))
    return op("Slice", X, starts, ends, tuple(range(2, 2 + len(pairs))))


def convolution(context: LoweringContext) -> Expr:
    own, x = context.op, context.x
    assert isinstance(own, Conv | DepthwiseConv)
    windows = own.windows(x)
    groups = x.width if isinstance(own, DepthwiseConv) else own.groups
    dilations = tuple(window.dilation for window in windows)
    convolved = op(
        "Conv",
        X,
        variable("weight"),
        *([variable("bias")] if own.bias else []),
        kernel_shape=tuple(window.kernel for window in windows),
        strides=tuple(window.stride for window in windows),
        pads=_begins_and_ends([(window.begin, window.end) for window in windows]),
        **({"dilations": dilations} if max(dilations) > 1 else {}),
        **({"group": groups} if groups > 1 else {}),
    )
    return activated(own.activation, convolved, context.output)


def transposed_convolution(context: LoweringContext) -> Expr:
    """ONNX appends elements (`output_padding`), or cuts them off. Where as many are appended as the
    stride, which ONNX Runtime refuses, zeros behind the input make room for them."""
    own, x = context.op, context.x
    assert isinstance(own, ConvTranspose)
    windows = own.transposed_windows(x)
    longer: list[tuple[int, int]] = []
    pads: list[tuple[int, int]] = []
    output_padding: list[int] = []
    for window in windows:
        most = window.stride - 1
        more = window.extra - window.crop_end
        zeros = max(0, -(-(more - most) // window.stride))
        more -= zeros * window.stride
        longer.append((0, zeros))
        pads.append((window.crop_begin, max(0, -more)))
        output_padding.append(max(0, more))
    dilations = tuple(window.dilation for window in windows)
    convolved = op(
        "ConvTranspose",
        _padded(X, longer),
        variable("weight"),
        *([variable("bias")] if own.bias else []),
        kernel_shape=tuple(window.kernel for window in windows),
        strides=tuple(window.stride for window in windows),
        pads=_begins_and_ends(pads),
        output_padding=tuple(output_padding),
        **({"dilations": dilations} if max(dilations) > 1 else {}),
        **({"group": own.groups} if own.groups > 1 else {}),
    )
    return activated(own.activation, convolved, context.output)


def _pool(name: str, x: Expr, windows: Sequence[Window], ends: Sequence[int], **more: int) -> Expr:
    return op(
        name,
        x,
        kernel_shape=tuple(window.kernel for window in windows),
        strides=tuple(window.stride for window in windows),
        pads=_begins_and_ends([(one.begin, end) for one, end in zip(windows, ends, strict=True)]),
        **more,
    )


def _ends(sizes: Sequence[int], windows: Sequence[Window]) -> list[int]:
    """The elements behind each axis of a map that its last window sees, in ceil mode too: what lies
    behind them no window sees, and a runtime may refuse more padding than the kernel's size."""
    return [
        max(0, (one.output - 1) * one.stride - one.begin + one.kernel - size)
        for size, one in zip(sizes, windows, strict=True)
    ]


def max_pool(context: LoweringContext) -> Expr:
    own, x = context.op, context.x
    assert isinstance(own, MaxPool)
    windows = own.windows(x)
    return _pool("MaxPool", X, windows, _ends(x.spatial, windows))


def avg_pool(context: LoweringContext) -> Expr:
    """Zeros that count are added before the pool where a window also sees what lies behind them,
    which counts in no mean."""
    own, x = context.op, context.x
    assert isinstance(own, AvgPool)
    windows = own.windows(x)
    ends = _ends(x.spatial, windows)
    if not own.count_include_pad:
        return _pool("AveragePool", X, windows, ends)
    if not any(window.overhang for window in windows):
        return _pool("AveragePool", X, windows, ends, count_include_pad=1)
    pairs = [(window.begin, window.end) for window in windows]
    inside = [window._replace(begin=0) for window in windows]
    sizes = [size + sum(pair) for size, pair in zip(x.spatial, pairs, strict=True)]
    return _pool("AveragePool", _padded(X, pairs), inside, _ends(sizes, inside))


def adaptive_avg_pool(context: LoweringContext) -> Expr:
    """A pool where the windows are alike; else the sum of each window, by a matrix of ones for each
    axis, over the number of its elements."""
    assert isinstance(context.op, AdaptiveAvgPool)
    sizes, outputs = context.x.spatial, context.output.spatial
    if all(size % output == 0 for size, output in zip(sizes, outputs, strict=True)):
        steps = tuple(size // output for size, output in zip(sizes, outputs, strict=True))
        return op("AveragePool", X, kernel_shape=steps, strides=steps)
    if any(size * output > MOST_ONES for size, output in zip(sizes, outputs, strict=True)):
        reason = "ONNX has no pool of uneven windows, and a matrix in its place would be too large"
        raise RefusalError(reason, "output_size")
    rank = len(sizes)
    y: Expr = X
    for axis, (size, output) in enumerate(zip(sizes, outputs, strict=True)):
        windows = [range(i * size // output, -(-(i + 1) * size // output)) for i in range(output)]
        ones = tuple(tuple(float(j in window) for window in windows) for j in range(size))
        counts = tuple(float(len(window)) for window in windows)
        order = [*range(rank + 2)]
        order[axis + 2], order[-1] = order[-1], order[axis + 2]
        turned = y if axis == rank - 1 else op("Transpose", y, perm=tuple(order))
        summed = op("Div", op("MatMul", turned, ones), counts)
        y = summed if axis == rank - 1 else op("Transpose", summed, perm=tuple(order))
    return y


def global_pool(context: LoweringContext) -> Expr:
    """The mean or the largest element of each channel; of each feature over the tokens."""
    own, x = context.op, context.x
    assert isinstance(own, GlobalAvgPool | GlobalMaxPool)
    is_mean = isinstance(own, GlobalAvgPool)
    if x.is_sequence:
        return op("ReduceMean" if is_mean else "ReduceMax", X, (1,), keepdims=int(own.keep_dims))
    pooled = op("GlobalAveragePool" if is_mean else "GlobalMaxPool", X)
    return pooled if own.keep_dims else op("Flatten", pooled, axis=1)
