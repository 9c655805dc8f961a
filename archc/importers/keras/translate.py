"""Layers of Keras as ops of archc: one table, with a rule for each. Keras has channels last, archc
first: shapes are archc's throughout."""

from __future__ import annotations

import math
from collections.abc import Mapping

from archc.importers.affine import FILLS, note
from archc.importers.keras import operators, sequences, windows
from archc.importers.keras.calls import (
    Call,
    Draft,
    RefusedError,
    Rule,
    activation_of,
    check,
    count,
    short,
)
from archc.ops import activation, merge
from archc.ops.arrangement import ToMap, ToTokens
from archc.ops.axes import MAP_AXES, Axes
from archc.ops.normalization import BatchNorm, GroupNorm, LayerNorm, RmsNorm
from archc.ops.parameter import Scale
from archc.ops.pooling import GlobalAvgPool
from archc.ops.regularization import Dropout, DropPath
from archc.ops.shape import Flatten, Permute, Reshape


def _require_last(call: Call, x: Axes) -> None:
    axis = call.config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if axis not in (-1, len(x.sizes)):
        raise RefusedError(f"{call.kind} along the axis {short(axis)}")


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
    affine, fills, comment = _affine(call)
    op = BatchNorm(epsilon=call.config["epsilon"], momentum=call.config["momentum"], affine=affine)
    return Draft(op, call.inputs, note=comment, fills=fills)


def _affine(call: Call) -> tuple[bool, Mapping[str, float], str | None]:
    """Whether a normalisation has coefficients and offsets, what those of an op are that it lacks,
    and a comment on that."""
    centre, scale = call.config.get("center", True), call.config.get("scale", True)
    if bool(centre) == bool(scale):
        return bool(scale), {}, None
    name = "weight" if centre else "bias"
    return True, {name: FILLS[name]}, note(call.kind, name)


def _layer_norm(call: Call, x: Axes) -> Draft:
    check(call, "axis", "epsilon", "center", "scale", rms_scaling=False)
    _require_last(call, x)
    affine, fills, comment = _affine(call)
    op = LayerNorm(epsilon=call.config["epsilon"], affine=affine)
    return Draft(op, call.inputs, note=comment, fills=fills)


def _group_norm(call: Call, x: Axes) -> Draft:
    check(call, "axis", "groups", "epsilon", "center", "scale")
    _require_last(call, x)
    affine, fills, comment = _affine(call)
    groups = x.width if call.config["groups"] == -1 else count(call, "groups")
    op = GroupNorm(groups=groups, epsilon=call.config["epsilon"], affine=affine)
    return Draft(op, call.inputs, note=comment, fills=fills)


def _rms_norm(call: Call, x: Axes) -> Draft:
    check(call, "axis", "epsilon")
    _require_last(call, x)
    return Draft(RmsNorm(epsilon=call.config["epsilon"]), call.inputs)


def _rescaling(call: Call, x: Axes) -> Draft:
    check(call, "scale", offset=0.0)
    scale = call.config["scale"]
    if type(scale) not in (int, float):
        raise RefusedError(f"Rescaling with scale {short(scale)}")
    return Draft(Scale(initial=float(scale), learned=False), call.inputs)


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


def _prelu(call: Call, x: Axes) -> Draft:
    check(call, "shared_axes")
    shared = call.config.get("shared_axes") or []
    if sorted(shared, key=str) != list(range(1, len(x.sizes))):
        raise RefusedError(f"PReLU of {x} with shared_axes {short(shared)}")
    return Draft(activation.Prelu(), call.inputs)


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
        raise RefusedError(f"{call.kind} with {short(call.constants)}")
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
    raise RefusedError(f"Dropout with noise_shape {short(shape)}")


def _stochastic_depth(call: Call, x: Axes) -> Draft:
    """keras.applications.convnext's own layer."""
    check(call, "drop_path_rate", drop_path=None)
    return Draft(DropPath(rate=call.config["drop_path_rate"]), call.inputs)


def _scaled_sum(call: Call, x: Axes) -> Draft:
    """keras.applications.inception_resnet_v2's own layer: x + scale * y."""
    check(call, "scale")
    first, second = call.inputs
    scale = Scale(initial=float(call.config["scale"]), learned=False)
    return Draft(merge.Add(), (second,), before=scale, others=(first,))


def _identity(call: Call, x: Axes) -> Draft:
    check(call, "l1", "l2")
    return Draft(None, call.inputs)


def _flatten(call: Call, x: Axes) -> Draft:
    check(call)
    return Draft(None if x.is_vector else Flatten(), call.inputs)


def _permute(call: Call, x: Axes) -> Draft:
    check(call, "dims")
    dims = call.config["dims"]
    if sorted(dims) != list(range(1, len(x.sizes) + 1)):
        raise RefusedError(f"Permute with dims {short(dims)}")
    if not x.is_map:
        return Draft(Permute(order=tuple(x.names[one - 1] for one in dims)), call.inputs)
    channels, *spatial = x.names
    *rest, last = ((*spatial, channels)[one - 1] for one in dims)
    return Draft(Permute(order=(last, *rest)), call.inputs)


def _reshape(call: Call, x: Axes) -> Draft:
    check(call, "target_shape")
    target = _target(call, x)
    (source,) = call.inputs
    if target == list((*x.spatial, x.width) if x.is_map else x.sizes):
        return Draft(None, call.inputs)
    if len(target) == 2 and x.is_vector:
        return Draft(Reshape(tokens=target[0], features=target[1]), call.inputs)
    if len(target) == 2 and x.is_map and target[1] == x.width:
        return Draft(ToTokens(), call.inputs)
    if len(target) in (3, 4) and x.is_sequence and target[-1] == x.width:
        spatial = dict(zip(MAP_AXES[len(target) - 1][1:], target, strict=False))
        return Draft(ToMap(**spatial), call.inputs)
    if len(target) == 1:
        return Draft(Flatten(), call.inputs)
    if x.is_vector and target == [1, 1, x.width]:
        if source.kind == "GlobalAveragePooling2D":
            return Draft(GlobalAvgPool(keep_dims=True), source.inputs)
        fields = dict(zip(MAP_AXES[2], (x.width, 1, 1), strict=True))
        return Draft(Reshape(**fields), call.inputs)
    raise RefusedError(f"Reshape of {x} to {target}")


def _target(call: Call, x: Axes) -> list[int]:
    """The shape that a Reshape states, with the size that it leaves open."""
    target = list(call.config["target_shape"])
    open_axes = [place for place, size in enumerate(target) if size == -1]
    known = math.prod(size for size in target if size != -1)
    if len(open_axes) > 1 or known < 1 or x.elements % known:
        raise RefusedError(f"Reshape of {x} to {target}")
    for place in open_axes:
        target[place] = x.elements // known
    if math.prod(target) != x.elements:
        raise RefusedError(f"Reshape of {x} to {target}")
    return target


def _by_rank(name: str, rule: Rule) -> dict[str, Rule]:
    return {f"{name}{rank}D": rule for rank in (1, 2, 3)}


TABLE: dict[str, Rule] = {
    **_by_rank("Conv", windows.conv),
    **{f"Conv{rank}DTranspose": windows.conv_transpose for rank in (1, 2, 3)},
    **_by_rank("DepthwiseConv", windows.depthwise),
    **_by_rank("SeparableConv", windows.separable),
    **_by_rank("MaxPooling", windows.pool),
    **_by_rank("AveragePooling", windows.pool),
    **_by_rank("GlobalAveragePooling", windows.global_pool),
    **_by_rank("GlobalMaxPooling", windows.global_pool),
    **_by_rank("ZeroPadding", windows.zero_padding),
    **_by_rank("Cropping", windows.cropping),
    **_by_rank("UpSampling", windows.upsampling),
    **_by_rank("AdaptiveAveragePooling", windows.adaptive_pool),
    **_by_rank("AdaptiveMaxPooling", windows.adaptive_pool),
    **dict.fromkeys(MERGES, _merge),
    **dict.fromkeys((*operators.PLAIN, *operators.WITH_FIELDS), operators.activate),
    **dict.fromkeys(("Mean", "Max"), operators.mean),
    **dict.fromkeys(("Square", "Power"), operators.square),
    "Celu": operators.celu,
    "LogSoftmax": operators.log_softmax,
    "Negative": operators.negative,
    "Subtract": operators.subtract,
    "TrueDivide": operators.divide,
    "PReLU": _prelu,
    "Permute": _permute,
    "RMSNormalization": _rms_norm,
    "Rescaling": _rescaling,
    "Activation": _activation,
    **dict.fromkeys(sequences.RECURRENCES, sequences.recurrence),
    "ActivityRegularization": _identity,
    "BatchNormalization": _batch_norm,
    "Bidirectional": sequences.bidirectional,
    "Concatenate": _concatenate,
    "CustomScaleLayer": _scaled_sum,
    "Dense": windows.dense,
    "Dropout": _dropout,
    "ELU": _elu,
    "Embedding": sequences.embedding,
    "Flatten": _flatten,
    "GroupNormalization": _group_norm,
    "Identity": _identity,
    "LayerNormalization": _layer_norm,
    "LayerScale": _layer_scale,
    "LeakyReLU": _leaky_relu,
    "MultiHeadAttention": sequences.attention,
    "ReLU": _relu,
    "Reshape": _reshape,
    "Softmax": _softmax,
    "StochasticDepth": _stochastic_depth,
}
"""The rule of each class of layers that archc has an op for."""
