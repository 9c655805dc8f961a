"""Convolutions, dense layers, pools and padding of Keras as ops of archc."""

from __future__ import annotations

from typing import Any

from archc.importers.keras.calls import (
    Call,
    Draft,
    RefusedError,
    activation_of,
    check,
    count,
    padding,
    short,
    sizes,
)
from archc.importers.padding import compact
from archc.ops.axes import Axes
from archc.ops.base import Op
from archc.ops.convolution import Conv, ConvTranspose, DepthwiseConv
from archc.ops.dense import Dense
from archc.ops.pooling import AdaptiveAvgPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from archc.ops.shape import Crop, Pad, Upsample


def conv(call: Call, x: Axes) -> Draft:
    """A convolution; one whose groups are its channels is depthwise."""
    check(
        call,
        "filters",
        "kernel_size",
        "strides",
        "padding",
        "dilation_rate",
        "groups",
        "activation",
        "use_bias",
        "rank",
    )
    config = call.config
    pads, source = _padded(call)
    fields: dict[str, Any] = {
        "kernel_size": sizes(call, "kernel_size"),
        "stride": sizes(call, "strides"),
        "padding": pads,
        "dilation": sizes(call, "dilation_rate"),
        "bias": bool(config.get("use_bias", True)),
        "activation": activation_of(call),
    }
    groups, filters = count(call, "groups", 1), count(call, "filters")
    if groups == x.width > 1:
        return Draft(DepthwiseConv(multiplier=filters // groups, **fields), (source,))
    return Draft(Conv(filters=filters, groups=groups, **fields), (source,))


def _padded(call: Call) -> tuple[Any, Call]:
    """The padding of a convolution, with that of a ZeroPadding layer before it, and what it takes
    then."""
    own, (source,) = padding(call), call.inputs
    if own == "valid" and source.kind in ("ZeroPadding2D", "ZeroPadding1D", "ZeroPadding3D"):
        check(source, "padding")
        return _amounts(source, "padding"), source.inputs[0]
    return own, source


def _amounts(call: Call, key: str) -> Any:
    """Elements at both sides of each axis: one number, one for each axis, or one for each side."""
    value = call.config[key]
    pairs = tuple(
        tuple(one) if isinstance(one, list) else (one, one)
        for one in (value if isinstance(value[0], list) or call.kind[-2:] != "1D" else [value])
    )
    if all(begin == end for begin, end in pairs):
        first = tuple(begin for begin, _ in pairs)
        return first[0] if len(set(first)) == 1 else first
    return pairs


def depthwise(call: Call, x: Axes) -> Draft:
    """A depthwise convolution."""
    check(
        call,
        "kernel_size",
        "strides",
        "padding",
        "dilation_rate",
        "depth_multiplier",
        "activation",
        "use_bias",
        "rank",
    )
    pads, source = _padded(call)
    op = DepthwiseConv(
        kernel_size=sizes(call, "kernel_size"),
        multiplier=count(call, "depth_multiplier", 1),
        stride=sizes(call, "strides"),
        padding=pads,
        dilation=sizes(call, "dilation_rate"),
        bias=bool(call.config.get("use_bias", True)),
        activation=activation_of(call),
    )
    return Draft(op, (source,))


def separable(call: Call, x: Axes) -> Draft:
    """A depthwise convolution without bias, and one of single positions."""
    check(
        call,
        "filters",
        "kernel_size",
        "strides",
        "padding",
        "dilation_rate",
        "depth_multiplier",
        "activation",
        "use_bias",
        "rank",
        groups=1,
    )
    pads, source = _padded(call)
    before = DepthwiseConv(
        kernel_size=sizes(call, "kernel_size"),
        multiplier=count(call, "depth_multiplier", 1),
        stride=sizes(call, "strides"),
        padding=pads,
        dilation=sizes(call, "dilation_rate"),
        bias=False,
    )
    op = Conv(
        filters=count(call, "filters"),
        kernel_size=1,
        bias=bool(call.config.get("use_bias", True)),
        activation=activation_of(call),
    )
    return Draft(op, (source,), before=before)


def conv_transpose(call: Call, x: Axes) -> Draft:
    """A transposed convolution."""
    check(
        call,
        "filters",
        "kernel_size",
        "strides",
        "padding",
        "activation",
        "use_bias",
        "rank",
        output_padding=None,
        dilation_rate=[1] * len(x.spatial),
        groups=1,
    )
    op = ConvTranspose(
        filters=count(call, "filters"),
        kernel_size=sizes(call, "kernel_size"),
        stride=sizes(call, "strides"),
        padding=padding(call),
        bias=bool(call.config.get("use_bias", True)),
        activation=activation_of(call),
    )
    return Draft(op, call.inputs)


def dense(call: Call, x: Axes) -> Draft:
    """A dense layer."""
    check(call, "units", "activation", "use_bias", lora_rank=None)
    units, bias = count(call, "units"), bool(call.config.get("use_bias", True))
    if x.is_map:  # along the channels of each position: a convolution of single positions
        op: Op = Conv(filters=units, kernel_size=1, bias=bias, activation=activation_of(call))
    else:
        op = Dense(units=units, bias=bias, activation=activation_of(call))
    return Draft(op, call.inputs)


def pool(call: Call, x: Axes) -> Draft:
    """A pool of the largest, or of the mean."""
    check(call, "pool_size", "strides", "padding")
    kernel = sizes(call, "pool_size")
    stride = None if call.config.get("strides") is None else sizes(call, "strides")
    op = MaxPool if call.kind.startswith("Max") else AvgPool
    stride = None if stride == kernel else stride
    return Draft(op(kernel_size=kernel, stride=stride, padding=padding(call)), call.inputs)


def global_pool(call: Call, x: Axes) -> Draft:
    """A pool over all of space."""
    check(call, "keepdims")
    op = GlobalMaxPool if "Max" in call.kind else GlobalAvgPool
    return Draft(op(keep_dims=bool(call.config.get("keepdims", False))), call.inputs)


def adaptive_pool(call: Call, x: Axes) -> Draft:
    """A pool to a fixed size; of the largest where the windows have one size."""
    check(call, "output_size")
    after = sizes(call, "output_size")
    wide = (after,) * len(x.spatial) if isinstance(after, int) else after
    is_max = "Max" in call.kind
    if set(wide) == {1}:
        return Draft((GlobalMaxPool if is_max else GlobalAvgPool)(keep_dims=True), call.inputs)
    if not is_max:
        return Draft(AdaptiveAvgPool(output_size=after), call.inputs)
    pairs = list(zip(x.spatial, wide, strict=True))
    if any(side % size for side, size in pairs):
        raise RefusedError(f"{call.kind} of {x} to {list(wide)}")
    return Draft(MaxPool(kernel_size=compact(tuple(a // b for a, b in pairs))), call.inputs)


def zero_padding(call: Call, x: Axes) -> Draft:
    """Padding by zeros."""
    check(call, "padding")
    return Draft(Pad(padding=_amounts(call, "padding")), call.inputs)


def cropping(call: Call, x: Axes) -> Draft:
    """Elements cut off."""
    check(call, "cropping")
    return Draft(Crop(cropping=_amounts(call, "cropping")), call.inputs)


def upsampling(call: Call, x: Axes) -> Draft:
    """A map enlarged by a whole factor."""
    check(call, "size", "interpolation")
    modes = {"nearest": "nearest", "bilinear": "linear"}
    mode = call.config.get("interpolation", "nearest")
    if mode not in modes:
        raise RefusedError(f"{call.kind} with interpolation {short(mode)}")
    return Draft(Upsample(scale=sizes(call, "size"), mode=modes[mode]), call.inputs)
