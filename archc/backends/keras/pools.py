"""Pooling in Keras, channels last."""

from __future__ import annotations

from collections.abc import Sequence

from archc.backends.base import LoweredLayer, LoweringContext
from archc.backends.constructors import layer, option, per_axis
from archc.backends.keras.padding import Pairs, margin_layers
from archc.backends.keras.windows import lays_same_right, matches_same
from archc.backends.shared_padding import PAD
from archc.codegen.tree import Keyword, Lit
from archc.ops.base import broadcast
from archc.ops.pooling import AdaptiveAvgPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from archc.ops.sliding import Window


def _pool(
    context: LoweringContext, name: str, windows: Sequence[Window], *, same: bool
) -> LoweredLayer:
    """A pooling layer of Keras; its stride is the size of its window unless it says otherwise."""
    size = per_axis([window.kernel for window in windows], "kernel_size")
    assert isinstance(context.op, MaxPool | AvgPool)
    own = "kernel_size" if context.op.stride is None else "stride"
    strides = per_axis([window.stride for window in windows], own)
    constructor = layer(
        f"layers.{name}{context.rank}D",
        size,
        keywords=[
            Keyword("strides", strides, size),
            option("padding", "same" if same else "valid", "valid", "padding"),
        ],
    )
    return LoweredLayer(constructor, label=context.op.name, main=True)


def _padded_pool(
    context: LoweringContext, name: str, windows: Sequence[Window], pads: Pairs
) -> LoweredLayer:
    """A pooling layer whose padding never counts."""
    constructor = layer(
        name,
        per_axis([window.kernel for window in windows], "kernel_size"),
        per_axis([window.stride for window in windows], "stride"),
        Lit(tuple(pads)),
    )
    return LoweredLayer(constructor, label=context.op.name, main=True)


def lower_max_pool(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """Zeros pad what is never below zero: they win only where nothing is above them."""
    op = context.op
    assert isinstance(op, MaxPool)
    windows = op.windows(context.x)
    pads = [(window.begin, window.end + window.overhang) for window in windows]
    padded = any(map(any, pads))
    same = op.padding == "same" and lays_same_right(windows, context.x)
    if same or (padded and matches_same(windows, context.x)):
        return (_pool(context, "MaxPooling", windows, same=True),)
    if padded and not context.nonnegative:
        return (_padded_pool(context, "PaddedMaxPooling", windows, pads),)
    zeros = margin_layers("ZeroPadding", PAD, pads, "padding")
    return (*zeros, _pool(context, "MaxPooling", windows, same=False))


def lower_avg_pool(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """Keras leaves the padding of `same` out of the mean, but on PyTorch only where it is the same
    on both sides of each axis."""
    op = context.op
    assert isinstance(op, AvgPool)
    windows = op.windows(context.x)
    counted = [(window.begin, window.end) if op.count_include_pad else (0, 0) for window in windows]
    pads = [
        (0, window.overhang)
        if op.count_include_pad
        else (window.begin, window.end + window.overhang)
        for window in windows
    ]
    zeros = margin_layers("ZeroPadding", PAD, counted, "padding")
    if not any(map(any, pads)):
        return (*zeros, _pool(context, "AveragePooling", windows, same=False))
    if not zeros and matches_same(windows, context.x) and _is_symmetric(windows, context):
        return (_pool(context, "AveragePooling", windows, same=True),)
    return (*zeros, _padded_pool(context, "PaddedAveragePooling", windows, pads))


def _is_symmetric(windows: Sequence[Window], context: LoweringContext) -> bool:
    """Whether `padding="same"` pads both sides of each axis alike."""
    return all(
        max((window.output - 1) * window.stride + window.extent - size, 0) % 2 == 0
        for window, size in zip(windows, context.x.spatial, strict=True)
    )


def lower_adaptive_avg_pool(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """Equal windows are a plain pool. Keras' `AdaptiveAveragePooling2D` finds the edges of others
    in floating point, which on JAX puts some one element off: 13 to 7, for one."""
    op = context.op
    assert isinstance(op, AdaptiveAvgPool)
    outputs = broadcast(op.name, "output_size", op.output_size, context.x)
    pairs = list(zip(context.x.spatial, outputs, strict=True))
    if any(size % output for size, output in pairs):
        constructor = layer("AdaptiveAveragePooling", Lit(outputs, "output_size"))
    else:
        windows = per_axis([size // output for size, output in pairs])
        constructor = layer(f"layers.AveragePooling{context.rank}D", windows)
    return (LoweredLayer(constructor, label=op.name, main=True),)


def lower_global_pool(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, GlobalAvgPool | GlobalMaxPool)
    kind = "Average" if isinstance(op, GlobalAvgPool) else "Max"
    kept = option("keepdims", op.keep_dims, False, "keep_dims")
    constructor = layer(f"layers.Global{kind}Pooling{context.rank or 1}D", keywords=[kept])
    return (LoweredLayer(constructor, label=op.name, main=True),)
