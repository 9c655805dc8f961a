"""What Keras makes of each op: the text that is written, and the numbers that it computes.

The numbers are held against PyTorch's functions on channels-first data, and against plain loops
where PyTorch has no such function. The backend of Keras is the one of KERAS_BACKEND, or
TensorFlow; `test_other_backends` runs the numbers on the others.
"""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product
from typing import Any

import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import torch
from torch.nn import functional

from archc.backends.base import INCOMING, LoweredLayer, LoweringContext, Refusal
from archc.backends.fusion import Rearrange
from archc.backends.keras.lowering import (
    HELPERS,
    LOWERINGS,
    REFUSED,
    helper_source,
    lower_flatten_canonical,
)
from archc.codegen.printer import render
from archc.codegen.rewrite import unify, walk
from archc.codegen.tree import Assign, Expr, Lit, Module, Raw, Ref
from archc.ops import OPS, activation
from archc.ops.activation import Elu, Gelu, LeakyRelu, Prelu, Relu
from archc.ops.axes import Axes, feature_map, vector
from archc.ops.base import Op
from archc.ops.convolution import Conv, ConvTranspose, DepthwiseConv
from archc.ops.dense import Dense, Rbf
from archc.ops.fields import pairs_per_axis, per_axis
from archc.ops.initializer import NAMES, Initializer
from archc.ops.merge import Add, Average, Concat, Maximum, Multiply
from archc.ops.normalization import (
    BatchNorm,
    GroupNorm,
    LayerNorm,
    LocalResponseNorm,
)
from archc.ops.parameter import Scale
from archc.ops.pooling import (
    AdaptiveAvgPool,
    AvgPool,
    GlobalAvgPool,
    GlobalMaxPool,
    MaxPool,
)
from archc.ops.regularization import Dropout, DropPath
from archc.ops.shape import (
    ChannelShuffle,
    Crop,
    Flatten,
    Pad,
    Permute,
    Reshape,
    Select,
    Upsample,
)
from archc.records import replace

pytestmark = pytest.mark.keras

Array = Any
BATCH = 2


def sequence(tokens: int, features: int) -> Axes:
    return Axes(("tokens", "features"), (tokens, features))


# The lowered op, run


def text(expr: Expr) -> str:
    return render(Module(body=(Assign(Ref("made"), expr),))).removeprefix("made = ").rstrip("\n")


def namespace() -> dict[str, Any]:
    scope: dict[str, Any] = {}
    exec("import keras\nfrom keras import layers, ops", scope)
    for name in HELPERS:
        imports, source = helper_source(name)
        exec("\n".join([*imports, render(Module(body=(Raw(source),)))]), scope)
    return scope


SCOPE = namespace()


def stages_of(op: Op, *inputs: Axes, nonnegative: bool = False) -> tuple[LoweredLayer, ...]:
    return LOWERINGS[type(op)](LoweringContext(op, inputs, op.infer(inputs), nonnegative))


def written(op: Op, *inputs: Axes, nonnegative: bool = False) -> list[str]:
    """The text of the layer of each stage."""
    made = []
    for stage in stages_of(op, *inputs, nonnegative=nonnegative):
        assert stage.layer is not None
        made.append(text(stage.layer))
    return made


def stored(x: Axes) -> tuple[int, ...]:
    """The shape of a value in Keras, without the batch."""
    return (*x.spatial, x.width) if x.is_map else x.sizes


def channels_last(array: Array, x: Axes) -> Array:
    return np.moveaxis(array, 1, -1) if x.is_map else array


def channels_first(array: Array, x: Axes) -> Array:
    return np.moveaxis(array, -1, 1) if x.is_map else array


def model_of(stages: tuple[LoweredLayer, ...], inputs: tuple[Axes, ...]) -> Any:
    given = [keras.Input(stored(x)) for x in inputs]
    value: Any = given if len(given) > 1 else given[0]
    for stage in stages:
        assert stage.layer is not None
        value = eval(text(stage.layer), SCOPE)(value)
    return keras.Model(given if len(given) > 1 else given[0], value)


def in_keras(array: Array, shape: tuple[int, ...]) -> Array:
    """A weight in canonical layout, (out, in, space...), as Keras stores it."""
    if array.ndim > 1:
        array = np.transpose(array, (*range(2, array.ndim), 1, 0))
    return array.reshape(shape)


def random_weights(op: Op, inputs: tuple[Axes, ...], rng: Any) -> dict[str, Array]:
    weights = {one.name: rng.normal(size=one.shape) for one in op.weights(inputs)}
    if "running_var" in weights:
        weights["running_var"] = np.abs(weights["running_var"]) + 0.5
    return weights


def set_weights(model: Any, weights: dict[str, Array]) -> None:
    found = model.weights
    assert len(found) == len(weights)
    for variable, array in zip(found, weights.values(), strict=True):
        variable.assign(in_keras(array, tuple(variable.shape)))


# The meaning of each op, channels first and in float64


def same_padding(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """ceil(n / stride) outputs, odd padding at the end."""
    needed = (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size
    return max(needed, 0) // 2, max(needed, 0) - max(needed, 0) // 2


def windows_of(op: Any, spatial: tuple[int, ...]) -> list[tuple[int, int, int, int, int, int]]:
    """(size, kernel, stride, dilation, begin, end) of each axis."""
    rank = len(spatial)
    kernels = per_axis(op.kernel_size, rank)
    strides = kernels if op.stride is None else per_axis(op.stride, rank)
    dilations = per_axis(getattr(op, "dilation", 1), rank)
    if op.padding == "same":
        pads = [
            same_padding(*one) for one in zip(spatial, kernels, strides, dilations, strict=True)
        ]
    else:
        pads = list(pairs_per_axis(0 if op.padding == "valid" else op.padding, rank))
    return [
        (size, kernel, stride, dilation, *pad)
        for size, kernel, stride, dilation, pad in zip(
            spatial, kernels, strides, dilations, pads, strict=True
        )
    ]


def last_first(pairs: list[tuple[int, int]]) -> list[int]:
    return [amount for pair in reversed(pairs) for amount in pair]


def convolve(op: Any, x: Any, weights: dict[str, Any], groups: int) -> Any:
    windows = windows_of(op, tuple(x.shape[2:]))
    padded = functional.pad(x, last_first([window[4:] for window in windows]))
    function = getattr(functional, f"conv{len(windows)}d")
    made = function(
        padded,
        weights["weight"],
        weights.get("bias"),
        stride=[window[2] for window in windows],
        dilation=[window[3] for window in windows],
        groups=groups,
    )
    return activate(op.activation, made, weights)


def convolve_transposed(op: Any, x: Any, weights: dict[str, Any]) -> Any:
    """All of the kernel's spread, of which a part is kept; beyond it there is nothing but bias."""
    rank = x.dim() - 2
    kernels, strides = per_axis(op.kernel_size, rank), per_axis(op.stride, rank)
    dilations, extras = per_axis(op.dilation, rank), per_axis(op.output_padding, rank)
    function = getattr(functional, f"conv_transpose{rank}d")
    whole = function(x, weights["weight"], None, stride=strides, dilation=dilations)
    kept = []
    for axis, (kernel, stride, dilation, extra) in enumerate(
        zip(kernels, strides, dilations, extras, strict=True)
    ):
        size, extent = x.shape[2 + axis], dilation * (kernel - 1) + 1
        if op.padding == "same":
            begin, count = max(extent - stride, 0) // 2, size * stride + extra
        else:
            begin, end = pairs_per_axis(0 if op.padding == "valid" else op.padding, rank)[axis]
            count = (size - 1) * stride + extent - begin - end + extra
        kept.append((begin, count))
    room: Any = functional.pad(whole, [0, 16] * rank)
    cut = room[(..., *(slice(begin, begin + count) for begin, count in kept))]
    if "bias" in weights:
        cut = cut + weights["bias"].view(-1, *[1] * rank)
    if isinstance(op.padding, int) and op.padding:
        native = function(
            x, weights["weight"], weights.get("bias"), strides, op.padding, extras, 1, dilations
        )
        assert torch.allclose(native, cut)
    return activate(op.activation, cut, weights)


def pool(op: Any, x: Any) -> Any:
    """Every window of its own, cut to the elements that count."""
    windows = windows_of(op, tuple(x.shape[2:]))
    axes = []
    for size, kernel, stride, _, begin, end in windows:
        room = size + begin + end - kernel
        count = (-(-room // stride) if op.ceil_mode else room // stride) + 1
        if op.ceil_mode and (count - 1) * stride >= size + begin:
            count -= 1
        axes.append(
            [
                (
                    range(max(start, 0), min(start + kernel, size)),
                    min(start + kernel, size + end) - start,
                )
                for start in (i * stride - begin for i in range(count))
            ]
        )
    made = torch.zeros(*x.shape[:2], *map(len, axes), dtype=x.dtype)
    for position in product(*(range(len(axis)) for axis in axes)):
        chosen = [axis[i] for axis, i in zip(axes, position, strict=True)]
        window = x[(..., *(slice(one.start, one.stop) for one, _ in chosen))].flatten(2)
        if isinstance(op, MaxPool):
            value = window.amax(2)
        else:
            counted = np.prod([full if op.count_include_pad else len(one) for one, full in chosen])
            value = window.sum(2) / counted
        made[(..., *position)] = value
    if all(begin == end <= kernel // 2 for _, kernel, _, _, begin, end in windows):
        native = native_pool(op, x, windows)
        assert torch.allclose(native, made)
    return made


def native_pool(op: Any, x: Any, windows: list[tuple[int, int, int, int, int, int]]) -> Any:
    kernels, strides, paddings = ([window[i] for window in windows] for i in (1, 2, 4))
    rank = len(windows)
    if isinstance(op, MaxPool):
        function = getattr(functional, f"max_pool{rank}d")
        return function(x, kernels, strides, paddings, ceil_mode=op.ceil_mode)
    function = getattr(functional, f"avg_pool{rank}d")
    return function(x, kernels, strides, paddings, op.ceil_mode, op.count_include_pad)


def activate(op: Any, x: Any, weights: dict[str, Any], *, channel_axis: int = 1) -> Any:
    if op is None:
        return x
    match op.name:
        case "leaky_relu":
            return torch.where(x > 0, x, op.slope * x)
        case "prelu":
            shape = [1] * x.dim()
            shape[channel_axis] = -1
            return torch.where(x > 0, x, weights["slope"].view(shape) * x)
        case "elu":
            return torch.where(x > 0, x, op.alpha * (torch.exp(x) - 1))
        case "gelu":
            return functional.gelu(x, approximate=op.approximate)
        case "softmax":
            return torch.softmax(x, channel_axis)
        case "log_softmax":
            return torch.log_softmax(x, channel_axis)
        case "scaled_tanh":
            return 1.7159 * torch.tanh(2 * x / 3)
        case "hard_sigmoid":
            return functional.relu6(x + 3) / 6
        case "hard_swish":
            return x * functional.relu6(x + 3) / 6
        case "softplus":
            return torch.log1p(torch.exp(x))
        case "sigmoid" | "tanh":
            return getattr(torch, op.name)(x)
    return getattr(functional, op.name)(x)


def normalize(op: Op, x: Any, weights: dict[str, Any]) -> Any:
    match op:
        case BatchNorm(epsilon=epsilon):
            mean, variance = weights["running_mean"], weights["running_var"]
            scale, offset = weights.get("weight"), weights.get("bias")
            return functional.batch_norm(x, mean, variance, scale, offset, eps=epsilon)
        case GroupNorm(groups=groups, epsilon=epsilon):
            return functional.group_norm(x, groups, weights["weight"], weights["bias"], epsilon)
        case LocalResponseNorm(size=size, alpha=alpha, beta=beta, k=k):
            total = torch.zeros_like(x)
            for channel in range(x.shape[1]):
                first = max(channel - size // 2, 0)
                last = channel + (size - 1) // 2
                total[:, channel] = x[:, first : last + 1].square().sum(1)
            return x / (k + alpha * total) ** beta
    raise AssertionError(op)


def normalize_layer(op: LayerNorm, x: Any, weights: dict[str, Any], axis: int) -> Any:
    moved = x.movedim(axis, -1)
    width = (moved.shape[-1],)
    made = functional.layer_norm(moved, width, weights["weight"], weights["bias"], op.epsilon)
    return made.movedim(-1, axis)


def pad(op: Pad, x: Any) -> Any:
    pairs = [(0, 0), (0, 0), *pairs_per_axis(op.padding, x.dim() - 2)]
    if op.mode == "reflect":
        return torch.from_numpy(np.pad(x.numpy(), pairs, mode="reflect"))
    return torch.from_numpy(np.pad(x.numpy(), pairs, constant_values=op.value))


def upsample(op: Upsample, x: Any) -> Any:
    mode = ("linear", "bilinear", "trilinear")[x.dim() - 3] if op.mode == "linear" else "nearest"
    scales = tuple(map(float, per_axis(op.scale, x.dim() - 2)))
    return functional.interpolate(x, scale_factor=scales, mode=mode)


def expected(op: Op, inputs: tuple[Axes, ...], values: list[Any], weights: dict[str, Any]) -> Any:
    x, axes = values[0], inputs[0]
    channel_axis = 2 if axes.is_sequence else 1
    match op:
        case Conv():
            return convolve(op, x, weights, op.groups)
        case DepthwiseConv():
            return convolve(op, x, weights, axes.width)
        case ConvTranspose():
            return convolve_transposed(op, x, weights)
        case Dense():
            made = functional.linear(x, weights["weight"], weights.get("bias"))
            return activate(op.activation, made, weights, channel_axis=channel_axis)
        case Rbf():
            return torch.stack([(x - torch.tensor(code)).square().sum(1) for code in op.codes], 1)
        case MaxPool() | AvgPool():
            return pool(op, x)
        case AdaptiveAvgPool():
            rank = len(axes.spatial)
            function = getattr(functional, f"adaptive_avg_pool{rank}d")
            return function(x, per_axis(op.output_size, rank))
        case GlobalAvgPool():
            return x.mean(tuple(range(2, x.dim())), keepdim=op.keep_dims)
        case GlobalMaxPool():
            return x.amax(tuple(range(2, x.dim())), keepdim=op.keep_dims)
        case LayerNorm():
            return normalize_layer(op, x, weights, channel_axis)
        case activation.Activation():
            return activate(op, x, weights, channel_axis=channel_axis)
        case Dropout() | DropPath():
            return x
        case Flatten():
            return x.movedim(1, -1).flatten(1) if axes.is_map else x.flatten(1)
        case Reshape():
            return x.reshape(BATCH, *op.infer(inputs).sizes)
        case Permute():
            return x.permute(0, *(axes.names.index(name) + 1 for name in op.order))
        case Pad():
            return pad(op, x)
        case Crop():
            pairs = pairs_per_axis(op.cropping, x.dim() - 2)
            return x[(..., *(slice(begin, -end or None) for begin, end in pairs))]
        case Upsample():
            return upsample(op, x)
        case Select():
            return x[:, list(op.channels)]
        case ChannelShuffle():
            split = x.view(BATCH, op.groups, -1, *x.shape[2:])
            return split.transpose(1, 2).reshape(x.shape)
        case Scale():
            shape = [1] * x.dim()
            shape[channel_axis] = -1
            made = x * weights["weight"].view(shape)
            return made + weights["bias"].view(shape) if op.bias else made
        case Add():
            return sum(values)
        case Multiply():
            made = values[0]
            for value in values[1:]:
                made = made * value
            return made
        case Average():
            return sum(values) / len(values)
        case Maximum():
            made = values[0]
            for value in values[1:]:
                made = torch.maximum(made, value)
            return made
        case Concat():
            return torch.cat(values, channel_axis)
    return normalize(op, x, weights)


# Cases

ODD = {rank: feature_map(4, (9, 7, 5)[:rank]) for rank in (1, 2, 3)}
EVEN = {rank: feature_map(4, (8, 6, 6)[:rank]) for rank in (1, 2, 3)}
MAPS = (*ODD.values(), *EVEN.values())
VECTOR = vector(6)
SEQUENCE = sequence(5, 6)
SHAPED = (ODD[1], ODD[2], EVEN[3], VECTOR, SEQUENCE)
CODES = ((1.0, -1.0, 1.0, 1.0, -1.0, -1.0), (-1.0, -1.0, -1.0, 1.0, 1.0, 1.0))

Case = tuple[Op, tuple[Axes, ...], bool]


def cases_of(ops: list[Op], *inputs: Axes, nonnegative: bool = False) -> list[Case]:
    return [(op, (x,), nonnegative) for op in ops for x in inputs]


def conv_cases() -> list[Case]:
    every: list[Op] = [
        Conv(filters=6, kernel_size=3),
        Conv(filters=6, kernel_size=3, padding="same", bias=False),
        Conv(filters=6, kernel_size=2, padding="same", stride=2),
        Conv(filters=6, kernel_size=4, padding="same"),
        Conv(filters=6, kernel_size=3, padding=1, activation=Relu()),
        Conv(filters=6, kernel_size=3, padding=1, stride=2),
        Conv(filters=6, kernel_size=2, padding=1),
        Conv(filters=6, kernel_size=1, stride=3, padding="same"),
        Conv(filters=6, kernel_size=3, dilation=2, padding=2),
        Conv(filters=6, kernel_size=2, dilation=2, padding="same"),
        Conv(filters=6, kernel_size=2, dilation=2, stride=2, activation=Prelu()),
        Conv(filters=6, kernel_size=3, dilation=2, stride=2, padding="same"),
        Conv(filters=6, kernel_size=3, groups=2, padding="same", stride=2),
        Conv(filters=8, kernel_size=3, groups=4, padding=1, activation=LeakyRelu()),
        Conv(filters=4, kernel_size=3, groups=4, padding="same", stride=2),
        DepthwiseConv(kernel_size=3, padding="same"),
        DepthwiseConv(kernel_size=3, padding=1, stride=2, multiplier=2, bias=False),
        DepthwiseConv(kernel_size=2, padding="same", dilation=2, stride=2),
        DepthwiseConv(kernel_size=4, padding="same", activation=Relu()),
        DepthwiseConv(kernel_size=3, padding=1, activation=Elu(alpha=0.5)),
    ]
    cases = cases_of(every, *MAPS)
    uneven: list[Op] = [
        Conv(filters=3, kernel_size=(3, 1), stride=(1, 2), padding=(1, 0)),
        Conv(filters=3, kernel_size=(2, 3), padding=((1, 0), (2, 1)), dilation=(1, 2)),
        Conv(filters=3, kernel_size=(2, 3), stride=(2, 1), dilation=(1, 2), padding="same"),
        DepthwiseConv(kernel_size=3, stride=(2, 1), padding="same", multiplier=2),
        DepthwiseConv(kernel_size=(1, 3), dilation=(1, 2), padding="same"),
        DepthwiseConv(kernel_size=3, initializer=Initializer("orthogonal")),
    ]
    causal: list[Op] = [
        Conv(filters=6, kernel_size=2, padding=((2, 0),), dilation=2),
        Conv(filters=6, kernel_size=3, padding=((2, 0),), stride=2),
    ]
    return cases + cases_of(uneven, ODD[2], EVEN[2]) + cases_of(causal, ODD[1], EVEN[1])


def transposed_cases() -> list[Case]:
    every: list[Op] = [
        ConvTranspose(filters=3, kernel_size=kernel, stride=stride, padding=padding)
        for kernel, stride in [(2, 2), (3, 2), (3, 1), (4, 2), (2, 3), (1, 2)]
        for padding in ("valid", "same")
    ]
    every += [
        ConvTranspose(filters=3, kernel_size=3, stride=2, padding=1, output_padding=1),
        ConvTranspose(filters=3, kernel_size=3, stride=2, padding=1, activation=Relu()),
        ConvTranspose(filters=3, kernel_size=4, stride=2, padding=1, bias=False),
        ConvTranspose(filters=3, kernel_size=3, stride=3, output_padding=2),
        ConvTranspose(filters=3, kernel_size=2, stride=4, output_padding=3),
        ConvTranspose(filters=3, kernel_size=3, stride=2, padding="same", output_padding=1),
        ConvTranspose(filters=3, kernel_size=2, dilation=3, padding="same"),
        ConvTranspose(filters=3, kernel_size=2, dilation=3, output_padding=2),
        ConvTranspose(filters=3, kernel_size=3, dilation=2, padding=1, activation=Prelu()),
    ]
    uneven: list[Op] = [
        ConvTranspose(filters=3, kernel_size=(3, 2), stride=(2, 1), output_padding=(1, 0)),
        ConvTranspose(filters=3, kernel_size=(3, 5), stride=2, padding=((1, 0), (0, 2))),
    ]
    small = [feature_map(2, (5, 4, 3)[:rank]) for rank in (1, 2, 3)]
    return cases_of(every, *small) + cases_of(uneven, small[1])


def pool_cases() -> list[Case]:
    each: list[Op] = []
    for kind in (MaxPool, AvgPool):
        each += [
            kind(kernel_size=2),
            kind(kernel_size=3, stride=2),
            kind(kernel_size=3, stride=2, padding=1),
            kind(kernel_size=3, stride=1, padding=1),
            kind(kernel_size=3, stride=2, padding="same"),
            kind(kernel_size=2, stride=1, padding="same"),
            kind(kernel_size=3, stride=2, ceil_mode=True),
            kind(kernel_size=2, stride=2, ceil_mode=True),
            kind(kernel_size=3, stride=2, padding=1, ceil_mode=True),
            kind(kernel_size=4, stride=3, padding="same", ceil_mode=True),
            kind(kernel_size=1, stride=2, padding="same"),
        ]
    each += [
        AvgPool(kernel_size=3, stride=2, padding=1, count_include_pad=True),
        AvgPool(kernel_size=3, stride=2, padding=1, count_include_pad=True, ceil_mode=True),
        AvgPool(kernel_size=3, stride=2, padding="same", count_include_pad=True),
        AvgPool(kernel_size=2, stride=2, count_include_pad=True, ceil_mode=True),
        AdaptiveAvgPool(output_size=1),
        AdaptiveAvgPool(output_size=3),
        AdaptiveAvgPool(output_size=4),
        AdaptiveAvgPool(output_size=7),
    ]
    for keep in (False, True):
        each += [GlobalAvgPool(keep_dims=keep), GlobalMaxPool(keep_dims=keep)]
    uneven: list[Op] = [
        MaxPool(kernel_size=(3, 2), stride=(2, 1), padding=((0, 2), (1, 0))),
        AvgPool(kernel_size=(3, 2), stride=(2, 1), padding=((0, 2), (1, 0))),
        AvgPool(kernel_size=(3, 2), padding=((0, 2), (1, 0)), count_include_pad=True),
        AdaptiveAvgPool(output_size=(3, 5)),
        AdaptiveAvgPool(output_size=(13, 6)),
    ]
    padded: list[Op] = [
        MaxPool(kernel_size=3, stride=2, padding=1),
        MaxPool(kernel_size=2, stride=2, padding=1, ceil_mode=True),
    ]
    cases = cases_of(each, *MAPS) + cases_of(uneven, ODD[2], EVEN[2])
    cases += cases_of([AdaptiveAvgPool(output_size=7)], feature_map(2, (13,)))
    return cases + cases_of(padded, *MAPS, nonnegative=True)


def shape_cases() -> list[Case]:
    cases = cases_of([Flatten()], *SHAPED)
    cases += cases_of(
        [
            Reshape(features=140),
            Reshape(channels=7, height=10, width=2),
            Reshape(channels=140, height=1, width=1),
            Reshape(channels=1, length=140),
            Reshape(channels=2, depth=2, height=7, width=5),
            Reshape(tokens=20, features=7),
        ],
        vector(140),
        feature_map(4, (5, 7)),
        feature_map(4, (35,)),
        feature_map(1, (5, 28)),
        feature_map(140, (1, 1)),
        feature_map(7, (2, 2, 5)),
        sequence(14, 10),
    )
    spatial = ("channels", "depth", "height", "width")
    orders = [
        (("channels", "width", "height"), ODD[2]),
        (("height", "width", "channels"), ODD[2]),
        (("width", "channels", "height"), ODD[2]),
        (("channels", "height", "width"), ODD[2]),
        (("length", "channels"), ODD[1]),
        (("features", "tokens"), SEQUENCE),
        (("features",), VECTOR),
        (tuple(spatial[i] for i in (2, 0, 3, 1)), EVEN[3]),
        (tuple(spatial[i] for i in (3, 2, 1, 0)), ODD[3]),
    ]
    cases += [(Permute(order=order), (x,), False) for order, x in orders]
    cases += cases_of(
        [
            Pad(padding=1),
            Pad(padding=2, value=-1.5),
            Pad(padding=2, mode="reflect"),
            Crop(cropping=1),
            Upsample(scale=2),
            Upsample(scale=3, mode="linear"),
            ChannelShuffle(groups=2),
        ],
        *MAPS,
    )
    cases += cases_of(
        [
            Pad(padding=((1, 0), (2, 3))),
            Pad(padding=(1, 2), value=0.5),
            Pad(padding=((1, 0), (2, 3)), mode="reflect"),
            Crop(cropping=((1, 0), (2, 1))),
            Crop(cropping=(2, 1)),
            Upsample(scale=(2, 3)),
            Upsample(scale=(2, 3), mode="linear"),
        ],
        ODD[2],
    )
    cases += cases_of([Pad(padding=((1, 2),)), Crop(cropping=((1, 2),))], ODD[1])
    cases += cases_of([ChannelShuffle(groups=3)], feature_map(12, (3, 2)))
    return cases + cases_of([Select(channels=(3, 0, 0, 2))], ODD[1], ODD[2], EVEN[3], VECTOR)


def other_cases() -> list[Case]:
    activations: list[Op] = [op() for op in activation.OPS]
    activations += [
        Gelu(approximate="tanh"),
        LeakyRelu(slope=0.2),
        Elu(alpha=0.5),
        Prelu(slope=0.1),
    ]
    cases = cases_of(activations, *SHAPED)
    for one in activations:
        assert isinstance(one, activation.Activation)
        cases += cases_of([Dense(units=4, activation=one)], SEQUENCE)
        cases += cases_of([Conv(filters=5, kernel_size=2, activation=one)], ODD[2])
    cases += cases_of([Dense(units=3), Dense(units=3, bias=False)], VECTOR, SEQUENCE)
    cases += cases_of([Rbf(codes=CODES), Rbf(codes=((0.5, 1, 2, -3, 0, 1.25),))], VECTOR)
    flat = (ODD[1], ODD[2], EVEN[3], VECTOR)
    cases += cases_of([BatchNorm(), BatchNorm(affine=False, epsilon=0.1)], *flat)
    cases += cases_of([GroupNorm(groups=2), GroupNorm(groups=1, epsilon=0.1)], *flat)
    cases += cases_of([LayerNorm(), LayerNorm(epsilon=0.1)], *SHAPED)
    responses: list[Op] = [
        LocalResponseNorm(),
        LocalResponseNorm(size=4, alpha=0.5, beta=0.5, k=1.0),
        LocalResponseNorm(size=1, alpha=0.1),
    ]
    cases += cases_of(responses, *(x.with_width(9) for x in (ODD[1], ODD[2], EVEN[3])))
    cases += cases_of([Dropout(rate=0.5), DropPath(rate=0.5), Scale(), Scale(bias=True)], *SHAPED)
    for merge in (Add(), Multiply(), Average(), Maximum(), Concat()):
        cases += [(merge, (x, x, x), False) for x in SHAPED]
    for spread in (Add(), Multiply(), Average(), Maximum()):
        squeezed = [x.with_spatial((1,) * len(x.spatial)) for x in ODD.values()]
        cases += [(spread, (x, y), False) for x, y in zip(ODD.values(), squeezed, strict=True)]
        cases.append((spread, (feature_map(2, (1, 5)), feature_map(2, (3, 1))), False))
    return [*cases, (Concat(), (feature_map(2, (3, 3)), feature_map(5, (3, 3))), False)]


EVERY = int(os.environ.get("ARCHC_EVERY_CASE", "1"))
"""Only every so manieth case of each op is run. Prime to the number of inputs: all ranks are."""


def chosen_cases() -> list[Case]:
    by_op: dict[type[Op], list[Case]] = {}
    for case in conv_cases() + transposed_cases() + pool_cases() + shape_cases() + other_cases():
        by_op.setdefault(type(case[0]), []).append(case)
    return [case for cases in by_op.values() for case in cases[::EVERY]]


CASES = chosen_cases()


def name_of(case: Case) -> str:
    op, inputs, nonnegative = case
    fields = [
        f"{key}={value}"
        for key, value in getattr(op, "__dict__", {}).items()
        if value != getattr(type(op), key, None)
    ]
    sizes = "+".join("x".join(map(str, x.sizes)) for x in inputs)
    return f"{op.name}({','.join(fields)}) {sizes}{' nonnegative' * nonnegative}"


def run(case: Case, rng: Any) -> tuple[Any, list[Array], Array, Axes]:
    """The model of a case with random weights, its inputs, and the output that it should give."""
    op, inputs, nonnegative = case
    values = [rng.normal(size=(BATCH, *x.sizes)) * 2 for x in inputs]
    if nonnegative:
        values = [np.abs(value) for value in values]
    weights = random_weights(op, inputs, rng)
    model = model_of(stages_of(op, *inputs, nonnegative=nonnegative), inputs)
    set_weights(model, weights)
    tensors = {name: torch.from_numpy(value) for name, value in weights.items()}
    wanted = expected(op, inputs, [torch.from_numpy(value) for value in values], tensors)
    given = [
        channels_last(value, x).astype("float32") for value, x in zip(values, inputs, strict=True)
    ]
    return model, given, wanted.numpy(), op.infer(inputs)


def test_every_op_is_lowered_or_refused() -> None:
    assert not LOWERINGS.keys() & REFUSED.keys()
    assert LOWERINGS.keys() | REFUSED.keys() == {*OPS.values(), Rearrange}
    assert all(REFUSED.values())


def test_cases_cover_every_op() -> None:
    assert {type(op) for op, _, _ in CASES} == {*OPS.values()}


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_meaning(case: Case) -> None:
    model, given, wanted, output = run(case, np.random.default_rng(7))
    made = keras.ops.convert_to_numpy(model(given if len(given) > 1 else given[0]))
    assert model.output_shape == (None, *stored(output))
    assert made.shape == (BATCH, *stored(output))
    scale = max(1.0, float(np.abs(wanted).max()))
    if not isinstance(case[0], Flatten):
        made = channels_first(made, output)
    np.testing.assert_allclose(made / scale, wanted / scale, atol=3e-6, rtol=0)
    weights = case[0].weights(case[1])
    assert model.count_params() == sum(weight.elements for weight in weights)
    learned = sum(int(np.prod(variable.shape)) for variable in model.trainable_weights)
    assert learned == sum(weight.elements for weight in weights if weight.learned)


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "every"), [("jax", 17), ("torch", 5)])
def test_other_backends(backend: str, every: int) -> None:
    pytest.importorskip(backend)
    environment = {**os.environ, "KERAS_BACKEND": backend, "ARCHC_EVERY_CASE": str(every)}
    chosen = "meaning or cases or training"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", __file__, "-k", chosen],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]


# The text


def test_convolutions_are_written_as_people_write_them() -> None:
    x = feature_map(3, (32, 32))
    conv = Conv(filters=64, kernel_size=3, padding="same", activation=Relu())
    assert written(conv, x) == [
        'layers.Conv2D(64, 3, padding="same", activation="relu")',
    ]
    assert written(replace(conv, padding=1), x) == written(conv, x)
    assert written(replace(conv, padding=1, stride=2, bias=False), x) == [
        "layers.ZeroPadding2D(1)",
        'layers.Conv2D(64, 3, strides=2, use_bias=False, activation="relu")',
    ]
    assert written(replace(conv, stride=2, dilation=2, activation=LeakyRelu()), x) == [
        "layers.ZeroPadding2D(((1, 2), (1, 2)))",
        "layers.Conv2D(64, 3, dilation_rate=2)",
        "layers.MaxPooling2D(1, strides=2)",
        "layers.LeakyReLU(negative_slope=0.01)",
    ]
    assert written(DepthwiseConv(kernel_size=3, padding="same", bias=False), x) == [
        'layers.DepthwiseConv2D(3, padding="same", use_bias=False)',
    ]
    assert written(DepthwiseConv(kernel_size=3, padding="same", stride=(2, 1)), x) == [
        'layers.Conv2D(3, 3, strides=(2, 1), padding="same", groups=3)',
    ]
    assert written(Conv(filters=6, kernel_size=3, groups=3, bias=False), x) == [
        "layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False)",
    ]
    causal = Conv(filters=8, kernel_size=2, padding=((3, 0),), dilation=3)
    assert written(causal, feature_map(3, (32,))) == [
        'layers.Conv1D(8, 2, padding="causal", dilation_rate=3)',
    ]
    assert written(replace(causal, dilation=2), feature_map(3, (32,))) == [
        "layers.ZeroPadding1D((3, 0))",
        "layers.Conv1D(8, 2, dilation_rate=2)",
    ]
    transposed = ConvTranspose(filters=8, kernel_size=4, stride=2, padding=1)
    assert written(transposed, x) == [
        'layers.Conv2DTranspose(8, 4, strides=2, padding="same")',
    ]
    assert written(replace(transposed, kernel_size=3, output_padding=1), x) == [
        "layers.Conv2DTranspose(8, 3, strides=2)",
        "layers.Cropping2D(((1, 0), (1, 0)))",
    ]
    assert written(replace(transposed, padding=0, output_padding=1), x) == [
        "layers.Conv2DTranspose(8, 4, strides=2, output_padding=1)",
    ]


def test_pools_are_written_as_people_write_them() -> None:
    x = feature_map(3, (32, 32))
    pool = MaxPool(kernel_size=3, stride=2, padding=1)
    assert written(MaxPool(kernel_size=2), x) == ["layers.MaxPooling2D(2)"]
    assert written(MaxPool(kernel_size=3, stride=2), x) == ["layers.MaxPooling2D(3, strides=2)"]
    assert written(pool, x) == ["PaddedMaxPooling(3, 2, ((1, 1), (1, 1)))"]
    assert written(pool, x, nonnegative=True) == [
        "layers.ZeroPadding2D(1)",
        "layers.MaxPooling2D(3, strides=2)",
    ]
    assert written(pool, x.with_spatial((33, 33))) == [
        'layers.MaxPooling2D(3, strides=2, padding="same")',
    ]
    average = AvgPool(kernel_size=2, stride=1, padding="same")
    assert written(average, x) == ["PaddedAveragePooling(2, 1, ((0, 1), (0, 1)))"]
    assert written(replace(average, kernel_size=3), x) == [
        'layers.AveragePooling2D(3, strides=1, padding="same")',
    ]
    assert written(AdaptiveAvgPool(output_size=4), x) == ["layers.AveragePooling2D(8)"]
    assert written(AdaptiveAvgPool(output_size=7), x) == ["AdaptiveAveragePooling((7, 7))"]
    assert written(GlobalAvgPool(), x) == ["layers.GlobalAveragePooling2D()"]
    assert written(GlobalMaxPool(keep_dims=True), ODD[1]) == [
        "layers.GlobalMaxPooling1D(keepdims=True)",
    ]


def test_other_layers_are_written_as_people_write_them() -> None:
    x = feature_map(6, (4, 4))
    assert written(Dense(units=10, activation=activation.Softmax()), VECTOR) == [
        'layers.Dense(10, activation="softmax")',
    ]
    assert written(BatchNorm(), x) == ["layers.BatchNormalization(momentum=0.9, epsilon=1e-5)"]
    assert written(BatchNorm(momentum=0.99, epsilon=1e-3), x) == ["layers.BatchNormalization()"]
    assert written(Prelu(), x) == [
        "layers.PReLU(\n"
        "    alpha_initializer=keras.initializers.Constant(0.25),\n"
        "    shared_axes=[1, 2],\n)",
    ]
    assert written(activation.Relu6(), x) == ["layers.ReLU(6.0)"]
    assert written(activation.ScaledTanh(), x) == ["layers.Activation(scaled_tanh)"]
    assert written(LocalResponseNorm(), x) == ["LocalResponseNormalization()"]
    assert written(DropPath(rate=0.1), x) == [
        "layers.Dropout(0.1, noise_shape=(None, 1, 1, 1))",
    ]
    assert written(Pad(padding=(1, 2)), x) == ["layers.ZeroPadding2D((1, 2))"]
    assert written(Reshape(features=96), x) == [
        "layers.Permute((3, 1, 2))",
        "layers.Flatten()",
    ]
    assert written(Reshape(features=6), feature_map(6, (1, 1))) == ["layers.Flatten()"]
    assert written(Rbf(codes=CODES), VECTOR) == ['RadialBasis(("#.##..", "...###"))']
    assert written(Add(), x, x) == ["layers.Add()"]


def test_long_codes_are_broken_into_equal_lines() -> None:
    (made,) = written(Rbf(codes=((1.0,) * 84, (-1.0,) * 84)), vector(84))
    assert [line.strip() for line in made.splitlines()[2:6]] == [
        f'"{pixel * 42}",' for pixel in "##.."
    ]


@pytest.mark.parametrize(
    ("op", "field"),
    [
        (ConvTranspose(filters=4, kernel_size=3, groups=2), "groups"),
        (ConvTranspose(filters=4, kernel_size=3, stride=2, dilation=2), "dilation"),
    ],
)
def test_what_keras_lacks_is_refused(op: Op, field: str) -> None:
    with pytest.raises(Refusal) as caught:
        stages_of(op, EVEN[2])
    assert caught.value.field == field


def test_instances_of_a_block_differ_in_literals_of_fields() -> None:
    """Whatever a field is, its keyword is there, so that the trees have one structure."""
    small = Conv(filters=8, kernel_size=1)
    large = Conv(filters=16, kernel_size=3, stride=2, bias=False, activation=Relu())
    trees = []
    for op in (small, large):
        (stage,) = stages_of(op, ODD[2])
        assert stage.layer is not None
        trees.append(stage.layer)
    differing: list[str | None] = []

    def resolve(literals: tuple[Lit, ...]) -> Expr:
        differing.append(literals[0].field)
        return Ref("x")

    assert unify(trees, resolve) is not None
    # The literal for no activation comes from no field: a keyword either has one or has none.
    assert differing == ["filters", "kernel_size", "stride", "bias", None]


def test_a_depthwise_convolution_by_groups_takes_the_incoming_width() -> None:
    (stage,) = stages_of(DepthwiseConv(kernel_size=3), ODD[3])
    assert stage.layer is not None
    fields = [node.field for node in walk(stage.layer) if isinstance(node, Lit)]
    assert fields.count(INCOMING) == 2


def test_one_stage_is_the_main_one() -> None:
    for op, inputs, nonnegative in CASES:
        stages = stages_of(op, *inputs, nonnegative=nonnegative)
        (main,) = (stage for stage in stages if stage.main)
        assert main.label == op.name
        labels = [stage.label for stage in stages]
        assert len(set(labels)) == len(labels)
        own = {weight.name for weight in op.weights(inputs)} - {"slope"}
        assert main.weighted == bool(own or isinstance(op, Prelu))


# What else a layer does


def test_flatten_where_the_order_shows() -> None:
    op = Flatten()
    for x in SHAPED:
        site = LoweringContext(op, (x,), op.infer((x,)))
        value = np.random.default_rng(1).normal(size=(BATCH, *x.sizes)).astype("float32")
        made = model_of(lower_flatten_canonical(site), (x,))(channels_last(value, x))
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(made), value.reshape(BATCH, x.elements)
        )
    for x in (feature_map(1, (3, 4)), feature_map(5, (1, 1)), VECTOR):
        site = LoweringContext(op, (x,), op.infer((x,)))
        assert lower_flatten_canonical(site) == stages_of(op, x)


def test_running_statistics_move_by_the_share_that_is_not_kept() -> None:
    x = feature_map(3, (4, 4))
    model = model_of(stages_of(BatchNorm(momentum=0.75), x), (x,))
    value = np.random.default_rng(1).normal(size=(8, 4, 4, 3)).astype("float32") + 2
    model(value, training=True)
    mean = keras.ops.convert_to_numpy(model.layers[-1].moving_mean)
    np.testing.assert_allclose(mean, 0.25 * value.mean((0, 1, 2)), rtol=1e-5)


def test_drop_path_drops_whole_samples() -> None:
    for x in (ODD[2], VECTOR, SEQUENCE):
        model = model_of(stages_of(DropPath(rate=0.75), x), (x,))
        made = model(np.ones((400, *stored(x)), "float32"), training=True)
        samples = keras.ops.convert_to_numpy(made).reshape(400, -1)
        assert (samples == samples[:, :1]).all()
        assert set(np.unique(samples)) == {0.0, 4.0}
        assert 0.65 < (samples[:, 0] == 0).mean() < 0.85


def test_dropout_drops_single_elements() -> None:
    model = model_of(stages_of(Dropout(rate=0.75), ODD[2]), (ODD[2],))
    made = keras.ops.convert_to_numpy(model(np.ones((50, 9, 7, 4), "float32"), training=True))
    assert set(np.unique(made)) == {0.0, 4.0}
    assert 0.7 < (made == 0).mean() < 0.8


def deviation_of(name: str, fan_in: int, fan_out: int) -> float:
    family = name.split("_")[0]
    scale = {"glorot": 2 / (fan_in + fan_out), "he": 2 / fan_in, "lecun": 1 / fan_in}[family]
    return float(np.sqrt(scale))


INITIALIZED: list[tuple[Op, Axes, int, int]] = [
    (Conv(filters=64, kernel_size=3), feature_map(32, (4, 4)), 288, 576),
    (Conv(filters=64, kernel_size=3, groups=2), feature_map(32, (4, 4)), 144, 576),
    (DepthwiseConv(kernel_size=5, multiplier=4), feature_map(256, (6, 6)), 25, 25600),
    (DepthwiseConv(kernel_size=3), feature_map(512, (4, 4, 4)), 27, 13824),
    (ConvTranspose(filters=64, kernel_size=3), feature_map(32, (4, 4)), 576, 288),
    (Dense(units=150), vector(200), 200, 150),
]


@pytest.mark.parametrize("name", [name for name in NAMES if "_" in name])
@pytest.mark.parametrize(("op", "x", "fan_in", "fan_out"), INITIALIZED)
def test_initial_values_have_the_distribution(
    op: Any, x: Axes, fan_in: int, fan_out: int, name: str
) -> None:
    keras.utils.set_random_seed(3)
    (stage,) = stages_of(replace(op, initializer=Initializer(name)), x)
    kernel = keras.ops.convert_to_numpy(model_of((stage,), (x,)).weights[0])
    deviation = deviation_of(name, fan_in, fan_out)
    assert kernel.std() == pytest.approx(deviation, rel=0.04)
    # Of 12,000 values and more, normal ones go beyond three deviations, uniform ones never.
    largest = np.abs(kernel).max() / deviation
    assert 1.7 < largest <= np.sqrt(3) + 1e-6 if name.endswith("uniform") else largest > 3


@pytest.mark.parametrize("op", [Dense(units=30), DepthwiseConv(kernel_size=9)])
def test_initial_values_by_number(op: Any) -> None:
    x = vector(200) if isinstance(op, Dense) else feature_map(100, (9, 9))
    found = {}
    for initializer in (
        Initializer("normal", 0.3),
        Initializer("uniform", 0.3),
        Initializer("constant", 0.3),
        Initializer("zeros"),
    ):
        (stage,) = stages_of(replace(op, initializer=initializer), x)
        kernel = keras.ops.convert_to_numpy(model_of((stage,), (x,)).weights[0])
        found[initializer.name] = kernel
    assert found["normal"].std() == pytest.approx(0.3, rel=0.05)
    assert 0.29 < found["uniform"].max() <= 0.3
    assert -0.3 <= found["uniform"].min() < -0.29
    assert (found["constant"] == np.float32(0.3)).all()
    assert (found["zeros"] == 0).all()


def test_initial_values_are_orthogonal() -> None:
    for op, x in [(Conv(filters=8, kernel_size=3), ODD[2]), (Dense(units=4), VECTOR)]:
        (stage,) = stages_of(replace(op, initializer=Initializer("orthogonal")), x)
        kernel = keras.ops.convert_to_numpy(model_of((stage,), (x,)).weights[0])
        flat = kernel.reshape(-1, kernel.shape[-1])
        np.testing.assert_allclose(flat.T @ flat, np.eye(flat.shape[1]), atol=1e-5)


def test_initial_scales_and_slopes() -> None:
    for op in (Scale(initial=0.5, bias=True), Prelu(slope=0.5)):
        first, *rest = model_of(stages_of(op, ODD[2]), (ODD[2],)).weights
        assert (keras.ops.convert_to_numpy(first) == 0.5).all()
        assert all((keras.ops.convert_to_numpy(one) == 0).all() for one in rest)


WITH_HELPERS: dict[str, tuple[Op, Axes]] = {
    "AdaptiveAveragePooling": (AdaptiveAvgPool(output_size=4), ODD[2]),
    "ChannelScale": (Scale(bias=True, initial=0.5), ODD[2]),
    "ChannelShuffle": (ChannelShuffle(groups=2), ODD[2]),
    "ConstantPadding": (Pad(padding=1, value=-1.5), ODD[2]),
    "LinearUpsampling": (Upsample(scale=2, mode="linear"), ODD[1]),
    "LocalResponseNormalization": (LocalResponseNorm(size=3, alpha=0.5), ODD[2]),
    "PaddedAveragePooling": (AvgPool(kernel_size=2, stride=1, padding="same"), ODD[2]),
    "PaddedMaxPooling": (MaxPool(kernel_size=3, stride=2, padding=1), EVEN[2]),
    "RadialBasis": (Rbf(codes=CODES), VECTOR),
    "ReflectPadding": (Pad(padding=2, mode="reflect"), ODD[2]),
    "Select": (Select(channels=(3, 0, 0, 2)), ODD[2]),
    "gelu_tanh": (Gelu(approximate="tanh"), ODD[2]),
    "scaled_tanh": (activation.ScaledTanh(), ODD[2]),
}


def test_every_helper_has_an_op() -> None:
    assert WITH_HELPERS.keys() == set(HELPERS)
    for name, (op, x) in WITH_HELPERS.items():
        (stage,) = stages_of(op, x)
        assert stage.layer is not None
        assert Ref(name) in list(walk(stage.layer))


@pytest.mark.parametrize("name", HELPERS)
def test_saved_and_loaded_again(name: str, tmp_path: Any) -> None:
    op, x = WITH_HELPERS[name]
    rng = np.random.default_rng(5)
    model = model_of(stages_of(op, x), (x,))
    set_weights(model, random_weights(op, (x,), rng))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    value = rng.normal(size=(BATCH, *stored(x))).astype("float32")
    made, remade = (keras.ops.convert_to_numpy(one(value)) for one in (model, again))
    np.testing.assert_array_equal(made, remade)


def test_training_goes_through_every_helper() -> None:
    """One compiled step of all helpers at once: every weight moves, and stays finite."""
    given, outputs = [], []
    for op, x in WITH_HELPERS.values():
        value = inputs = keras.Input(stored(x))
        if x.is_map:
            value = keras.layers.Conv1D(x.width, 1)(value) if len(x.spatial) == 1 else value
            value = keras.layers.Conv2D(x.width, 1)(value) if len(x.spatial) == 2 else value
        else:
            value = keras.layers.Dense(x.width)(value)
        for stage in stages_of(op, x):
            assert stage.layer is not None
            value = eval(text(stage.layer), SCOPE)(value)
        given.append(inputs)
        outputs.append(keras.layers.Dense(1)(keras.layers.Flatten()(value)))
    model = keras.Model(given, keras.layers.Add()(outputs))
    model.compile(optimizer=keras.optimizers.SGD(1e-3), loss="mse")
    before = [keras.ops.convert_to_numpy(one) for one in model.trainable_weights]
    rng = np.random.default_rng(2)
    values = [rng.normal(size=(4, *one.shape[1:])).astype("float32") for one in given]
    model.fit(values, np.ones((4, 1), "float32"), verbose=0)
    after = [keras.ops.convert_to_numpy(one) for one in model.trainable_weights]
    for old, new in zip(before, after, strict=True):
        assert np.isfinite(new).all()
        assert (old != new).any()


def test_gradients_are_finite() -> None:
    if keras.backend.backend() != "tensorflow":
        pytest.skip("asks TensorFlow for the gradients")
    import tensorflow

    rng = np.random.default_rng(11)
    for case in CASES[::4]:
        model, given, _, _ = run(case, rng)
        values = [tensorflow.constant(one) for one in given]
        with tensorflow.GradientTape() as tape:
            tape.watch(values)
            made = model(values if len(values) > 1 else values[0])
            loss = tensorflow.reduce_sum(made * made)
        for gradient in tape.gradient(loss, [*values, *model.trainable_weights]):
            assert gradient is not None, name_of(case)
            assert np.isfinite(gradient.numpy()).all(), name_of(case)


def test_helpers_are_clean(tmp_path: Any) -> None:
    """They meet ruff's rules as a file of their own, at ruff's own width."""
    for name in HELPERS:
        imports, source = helper_source(name)
        (tmp_path / f"{name.lower()}.py").write_text(
            "\n".join(imports).replace("math\n", "math\n\n") + "\n\n\n" + source + "\n"
        )
    ruff = [sys.executable, "-m", "ruff"]
    rules = ["--select", "ALL", "--ignore", "D,CPY,INP001"]
    for command in (["check", "--isolated", *rules], ["format", "--isolated", "--check"]):
        done = subprocess.run(
            [*ruff, *command, str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
