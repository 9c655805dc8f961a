"""Layers of Keras as ops of archc: one table, with a rule for each. Keras has channels last, archc
first: shapes are archc's throughout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from archc.importers.network import Array
from archc.ops import activation, merge
from archc.ops.activation import Activation
from archc.ops.axes import MAP_AXES, Axes
from archc.ops.base import Op
from archc.ops.convolution import Conv, ConvTranspose, DepthwiseConv
from archc.ops.dense import Dense
from archc.ops.normalization import BatchNorm, GroupNorm, LayerNorm
from archc.ops.parameter import Scale
from archc.ops.pooling import AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from archc.ops.regularization import Dropout, DropPath
from archc.ops.shape import Crop, Flatten, Pad, Reshape, Upsample

WEIGHTS: Mapping[str, Array] = {}


@dataclass(frozen=True, eq=False)
class Call:
    """A call of a layer: its class, configuration, and what it takes besides values."""

    kind: str
    config: Mapping[str, Any]
    inputs: tuple[Call, ...]
    constants: Mapping[str, Any]
    value: str
    place: str
    scope: tuple[str, ...] = ()
    shape: tuple[int, ...] | None = None


class Draft(NamedTuple):
    """The op of a call; without one it is its only input itself. `before` is an op that its input
    goes through first."""

    op: Op | None
    inputs: tuple[Call, ...]
    weights: Mapping[str, Array] = WEIGHTS
    note: str | None = None
    before: Op | None = None


class RefusedError(Exception):
    """A layer is something that archc has no op for. The message says what."""


Rule = Callable[[Call, Axes], Draft]
"""The draft of a call whose first input has some axes. Raises RefusedError."""

ACTIVATIONS: dict[str, Activation | None] = {
    "linear": None,
    "relu": activation.Relu(),
    "relu6": activation.Relu6(),
    "leaky_relu": activation.LeakyRelu(slope=0.2),
    "elu": activation.Elu(),
    "selu": activation.Selu(),
    "gelu": activation.Gelu(),
    "silu": activation.Silu(),
    "swish": activation.Silu(),
    "hard_sigmoid": activation.HardSigmoid(),
    "hard_silu": activation.HardSwish(),
    "hard_swish": activation.HardSwish(),
    "sigmoid": activation.Sigmoid(),
    "tanh": activation.Tanh(),
    "softplus": activation.Softplus(),
    "softsign": activation.Softsign(),
    "softmax": activation.Softmax(),
    "log_softmax": activation.LogSoftmax(),
}

COMMON = frozenset({"name", "trainable", "dtype", "data_format", "quantization_config", "seed"})
PLAIN = ("initializer", "regularizer", "constraint")
"""Endings of fields that say nothing of what a layer computes."""


def check(call: Call, *known: str, **fixed: Any) -> None:
    """Refuse a call with fields other than some, with another value for `fixed` ones, or that takes
    more than values. Raises RefusedError."""
    for key, value in call.config.items():
        if key in known or key in COMMON or key.endswith(PLAIN):
            continue
        if key not in fixed or value != fixed[key]:
            raise RefusedError(f"{call.kind} with {key} {_short(value)}")
    if call.config.get("data_format") == "channels_first":
        raise RefusedError(f"{call.kind} with data_format channels_first")
    if call.constants:
        name = next(iter(call.constants))
        raise RefusedError(
            f"{call.kind} used twice"
            if name == "call"
            else f"{call.kind} called with {name} {_short(call.constants[name])}"
        )


def _short(value: Any) -> str:
    return f"{value}"[:60]


def activation_of(call: Call) -> Activation | None:
    """The activation in a layer's configuration. Raises RefusedError."""
    name = call.config.get("activation", "linear")
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise RefusedError(f"{call.kind} with the activation {_short(name)}")
    return ACTIVATIONS[name]


def sizes(call: Call, key: str) -> int | tuple[int, ...]:
    """A window's sizes: one number where they are equal. Raises RefusedError."""
    value: Any = call.config.get(key)
    items: list[Any] = value if isinstance(value, list) else [value]
    if not items or not all(type(one) is int and one > 0 for one in items):
        raise RefusedError(f"{call.kind} with {key} {_short(value)}")
    return items[0] if len(set(items)) == 1 else tuple(items)


def padding(call: Call) -> Any:
    """`valid` or `same`; causal padding as it is. Raises RefusedError."""
    value = call.config.get("padding", "valid")
    if value not in ("valid", "same", "causal"):
        raise RefusedError(f"{call.kind} with padding {_short(value)}")
    return value


def _conv(call: Call, x: Axes) -> Draft:
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
    groups, filters = config.get("groups", 1), config["filters"]
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


def _depthwise(call: Call, x: Axes) -> Draft:
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
        multiplier=call.config.get("depth_multiplier", 1),
        stride=sizes(call, "strides"),
        padding=pads,
        dilation=sizes(call, "dilation_rate"),
        bias=bool(call.config.get("use_bias", True)),
        activation=activation_of(call),
    )
    return Draft(op, (source,))


def _separable(call: Call, x: Axes) -> Draft:
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
        multiplier=call.config.get("depth_multiplier", 1),
        stride=sizes(call, "strides"),
        padding=pads,
        dilation=sizes(call, "dilation_rate"),
        bias=False,
    )
    op = Conv(
        filters=call.config["filters"],
        kernel_size=1,
        bias=bool(call.config.get("use_bias", True)),
        activation=activation_of(call),
    )
    return Draft(op, (source,), before=before)


def _conv_transpose(call: Call, x: Axes) -> Draft:
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
        filters=call.config["filters"],
        kernel_size=sizes(call, "kernel_size"),
        stride=sizes(call, "strides"),
        padding=padding(call),
        bias=bool(call.config.get("use_bias", True)),
        activation=activation_of(call),
    )
    return Draft(op, call.inputs)


def _dense(call: Call, x: Axes) -> Draft:
    check(call, "units", "activation", "use_bias", lora_rank=None)
    units, bias = call.config["units"], bool(call.config.get("use_bias", True))
    if x.is_map:  # along the channels of each position: a convolution of single positions
        op: Op = Conv(filters=units, kernel_size=1, bias=bias, activation=activation_of(call))
    else:
        op = Dense(units=units, bias=bias, activation=activation_of(call))
    return Draft(op, call.inputs)


def _pool(call: Call, x: Axes) -> Draft:
    check(call, "pool_size", "strides", "padding")
    kernel = sizes(call, "pool_size")
    stride = None if call.config.get("strides") is None else sizes(call, "strides")
    op = MaxPool if call.kind.startswith("Max") else AvgPool
    stride = None if stride == kernel else stride
    return Draft(op(kernel_size=kernel, stride=stride, padding=padding(call)), call.inputs)


def _global_pool(call: Call, x: Axes) -> Draft:
    check(call, "keepdims")
    op = GlobalMaxPool if "Max" in call.kind else GlobalAvgPool
    return Draft(op(keep_dims=bool(call.config.get("keepdims", False))), call.inputs)


def _require_last(call: Call, x: Axes) -> None:
    axis = call.config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if axis not in (-1, len(x.sizes)):
        raise RefusedError(f"{call.kind} along the axis {_short(axis)}")


def _batch_norm(call: Call, x: Axes) -> Draft:
    check(
        call,
        "axis",
        "momentum",
        "epsilon",
        "center",
        "scale",
        "renorm_clipping",
        "renorm_momentum",
        synchronized=False,
        renorm=False,
    )
    _require_last(call, x)
    centre, scale = call.config.get("center", True), call.config.get("scale", True)
    if centre != scale:
        raise RefusedError(f"BatchNormalization without {'scale' if centre else 'center'}")
    op = BatchNorm(
        epsilon=call.config["epsilon"], momentum=call.config["momentum"], affine=bool(scale)
    )
    return Draft(op, call.inputs)


def _layer_norm(call: Call, x: Axes) -> Draft:
    check(call, "axis", "epsilon", "center", "scale", rms_scaling=False)
    _require_last(call, x)
    centre, scale = call.config.get("center", True), call.config.get("scale", True)
    if centre != scale:
        raise RefusedError(f"LayerNormalization without {'scale' if centre else 'center'}")
    return Draft(LayerNorm(epsilon=call.config["epsilon"], affine=bool(scale)), call.inputs)


def _group_norm(call: Call, x: Axes) -> Draft:
    check(call, "axis", "groups", "epsilon", center=True, scale=True)
    _require_last(call, x)
    groups = x.width if call.config["groups"] == -1 else call.config["groups"]
    return Draft(GroupNorm(groups=groups, epsilon=call.config["epsilon"]), call.inputs)


def _layer_scale(call: Call, x: Axes) -> Draft:
    check(call, "init_values", projection_dim=x.width)
    return Draft(Scale(initial=call.config["init_values"]), call.inputs)


def _activation(call: Call, x: Axes) -> Draft:
    check(call, "activation")
    return Draft(activation_of(call), call.inputs)


def _relu(call: Call, x: Axes) -> Draft:
    check(call, "max_value", "negative_slope", threshold=0.0)
    highest, slope = call.config.get("max_value"), call.config.get("negative_slope", 0.0)
    if highest is None and slope:
        return Draft(activation.LeakyRelu(slope=slope), call.inputs)
    if slope or highest not in (None, 6):
        raise RefusedError(f"ReLU with max_value {highest} and negative_slope {slope}")
    return Draft(activation.Relu6() if highest else activation.Relu(), call.inputs)


def _leaky_relu(call: Call, x: Axes) -> Draft:
    check(call, "negative_slope")
    return Draft(activation.LeakyRelu(slope=call.config["negative_slope"]), call.inputs)


def _elu(call: Call, x: Axes) -> Draft:
    check(call, "alpha")
    return Draft(activation.Elu(alpha=call.config.get("alpha", 1.0)), call.inputs)


def _softmax(call: Call, x: Axes) -> Draft:
    check(call, "axis")
    _require_last(call, x)
    return Draft(activation.Softmax(), call.inputs)


MERGES = {
    "Add": merge.Add,
    "Multiply": merge.Multiply,
    "Average": merge.Average,
    "Maximum": merge.Maximum,
}


def _merge(call: Call, x: Axes) -> Draft:
    if len(call.inputs) == 1:
        return _with_constant(call)
    check(call)
    return Draft(MERGES[call.kind](), call.inputs)


def _with_constant(call: Call) -> Draft:
    """A product with a number, or relu6(x + 3) / 6."""
    numbers = [one for one in call.constants.values() if isinstance(one, int | float)]
    if len(numbers) != 1 or len(call.constants) != 1 or call.kind != "Multiply":
        raise RefusedError(f"{call.kind} with {_short(call.constants)}")
    (source,) = call.inputs
    if abs(numbers[0] - 1 / 6) < 1e-9 and source.kind == "ReLU" and _is_six(source):
        shifted = source.inputs[0]
        if shifted.kind == "Add" and list(shifted.constants.values()) == [3.0]:
            return Draft(activation.HardSigmoid(), shifted.inputs)
    return Draft(Scale(initial=float(numbers[0]), learned=False), (source,))


def _is_six(call: Call) -> bool:
    return call.config.get("max_value") == 6 and not call.config.get("negative_slope")


def _concatenate(call: Call, x: Axes) -> Draft:
    check(call, "axis")
    _require_last(call, x)
    return Draft(merge.Concat() if len(call.inputs) > 1 else None, call.inputs)


def _dropout(call: Call, x: Axes) -> Draft:
    check(call, "rate", "noise_shape")
    rate, shape = call.config["rate"], call.config.get("noise_shape")
    if rate == 0:
        return Draft(None, call.inputs)
    if shape is None:
        return Draft(Dropout(rate=rate), call.inputs)
    if list(shape) in ([None, *[1] * len(x.sizes)], [-1, *[1] * len(x.sizes)]):
        return Draft(DropPath(rate=rate), call.inputs)
    raise RefusedError(f"Dropout with noise_shape {_short(shape)}")


def _stochastic_depth(call: Call, x: Axes) -> Draft:
    """keras.applications.convnext's own layer."""
    check(call, "drop_path_rate", drop_path=None)
    return Draft(DropPath(rate=call.config["drop_path_rate"]), call.inputs)


def _identity(call: Call, x: Axes) -> Draft:
    check(call)
    return Draft(None, call.inputs)


def _zero_padding(call: Call, x: Axes) -> Draft:
    check(call, "padding")
    return Draft(Pad(padding=_amounts(call, "padding")), call.inputs)


def _cropping(call: Call, x: Axes) -> Draft:
    check(call, "cropping")
    return Draft(Crop(cropping=_amounts(call, "cropping")), call.inputs)


def _upsampling(call: Call, x: Axes) -> Draft:
    check(call, "size", "interpolation")
    modes = {"nearest": "nearest", "bilinear": "linear"}
    mode = call.config.get("interpolation", "nearest")
    if mode not in modes:
        raise RefusedError(f"{call.kind} with interpolation {_short(mode)}")
    return Draft(Upsample(scale=sizes(call, "size"), mode=modes[mode]), call.inputs)


def _flatten(call: Call, x: Axes) -> Draft:
    check(call)
    return Draft(None if x.is_vector else Flatten(), call.inputs)


def _reshape(call: Call, x: Axes) -> Draft:
    check(call, "target_shape")
    target = list(call.config["target_shape"])
    (source,) = call.inputs
    if target in ([x.width], [-1]) and x.elements == x.width:
        return Draft(None if x.is_vector else Flatten(), call.inputs)
    if x.is_vector and target in ([1, 1, x.width], [1, 1, -1]):
        if source.kind == "GlobalAveragePooling2D":
            return Draft(GlobalAvgPool(keep_dims=True), source.inputs)
        fields = dict(zip(MAP_AXES[2], (x.width, 1, 1), strict=True))
        return Draft(Reshape(**fields), call.inputs)
    raise RefusedError(f"Reshape of {x} to {target}")


def _by_rank(name: str, rule: Rule) -> dict[str, Rule]:
    return {f"{name}{rank}D": rule for rank in (1, 2, 3)}


TABLE: dict[str, Rule] = {
    **_by_rank("Conv", _conv),
    **{f"Conv{rank}DTranspose": _conv_transpose for rank in (1, 2, 3)},
    **_by_rank("DepthwiseConv", _depthwise),
    **_by_rank("SeparableConv", _separable),
    **_by_rank("MaxPooling", _pool),
    **_by_rank("AveragePooling", _pool),
    **_by_rank("GlobalAveragePooling", _global_pool),
    **_by_rank("GlobalMaxPooling", _global_pool),
    **_by_rank("ZeroPadding", _zero_padding),
    **_by_rank("Cropping", _cropping),
    **_by_rank("UpSampling", _upsampling),
    **dict.fromkeys(MERGES, _merge),
    "Activation": _activation,
    "ActivityRegularization": _identity,
    "BatchNormalization": _batch_norm,
    "Concatenate": _concatenate,
    "Dense": _dense,
    "Dropout": _dropout,
    "ELU": _elu,
    "Flatten": _flatten,
    "GroupNormalization": _group_norm,
    "Identity": _identity,
    "LayerNormalization": _layer_norm,
    "LayerScale": _layer_scale,
    "LeakyReLU": _leaky_relu,
    "ReLU": _relu,
    "Reshape": _reshape,
    "Softmax": _softmax,
    "StochasticDepth": _stochastic_depth,
}
"""The rule of each class of layers that archc has an op for."""
