"""Single operations of ONNX as ops of archc: one table, with a rule for each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal

from archc.importers.network import Array
from archc.importers.onnx import windows
from archc.importers.onnx.drafts import (
    Context,
    Draft,
    RefusedError,
    Rule,
    channel_vector,
    check_attributes,
    close,
    constant,
    is_op,
    only_term,
    operand,
    scalar,
    vector_of,
)
from archc.importers.onnx.folding import slice_bounds
from archc.importers.onnx.terms import Term
from archc.importers.onnx.values import Constant
from archc.importers.padding import compact
from archc.ops import activation
from archc.ops.activation import Activation
from archc.ops.axes import MAP_AXES
from archc.ops.dense import Dense
from archc.ops.merge import OPS as MERGES
from archc.ops.merge import Concat
from archc.ops.normalization import BatchNorm, GroupNorm, LayerNorm, LocalResponseNorm
from archc.ops.parameter import Scale
from archc.ops.regularization import Dropout
from archc.ops.shape import Crop, Flatten, Permute, Reshape, Select, Split

MOST_SELECTED = 4096


def shape_of(term: Term) -> tuple[int, ...]:
    """The shape of a term, which is known of all that are translated."""
    assert term.shape is not None
    return term.shape


PLAIN: dict[str, type[Activation]] = {
    "Relu": activation.Relu,
    "Sigmoid": activation.Sigmoid,
    "HardSwish": activation.HardSwish,
    "Tanh": activation.Tanh,
    "Softplus": activation.Softplus,
    "Softsign": activation.Softsign,
}


def _plain(term: Term, context: Context) -> Draft:
    check_attributes(term, consumed_inputs=[0])
    return Draft(PLAIN[term.op](), (only_term(term),))


def _leaky_relu(term: Term, context: Context) -> Draft:
    check_attributes(term, "alpha")
    return Draft(activation.LeakyRelu(slope=term.attributes.get("alpha", 0.01)), (only_term(term),))


def _elu(term: Term, context: Context) -> Draft:
    check_attributes(term, "alpha")
    return Draft(activation.Elu(alpha=term.attributes.get("alpha", 1.0)), (only_term(term),))


def _selu(term: Term, context: Context) -> Draft:
    check_attributes(term, "alpha", "gamma")
    alpha = term.attributes.get("alpha", 1.6732632)
    gamma = term.attributes.get("gamma", 1.050701)
    if not (close(alpha, 1.6732632423543772) and close(gamma, 1.0507009873554805)):
        raise RefusedError(f"Selu with alpha {alpha} and gamma {gamma}")
    return Draft(activation.Selu(), (only_term(term),))


def _gelu(term: Term, context: Context) -> Draft:
    check_attributes(term, "approximate")
    return Draft(
        activation.Gelu(approximate=term.attributes.get("approximate", "none")), (only_term(term),)
    )


def _hard_sigmoid(term: Term, context: Context) -> Draft:
    check_attributes(term, "alpha", "beta")
    alpha, beta = term.attributes.get("alpha", 0.2), term.attributes.get("beta", 0.5)
    if not (close(alpha, 1 / 6) and close(beta, 0.5)):
        raise RefusedError(f"HardSigmoid with alpha {alpha} and beta {beta}")
    return Draft(activation.HardSigmoid(), (only_term(term),))


def clip_bounds(term: Term) -> tuple[float | None, float | None]:
    """The bounds of a Clip, None for one that is not known or not finite."""
    low, high = term.attributes.get("min"), term.attributes.get("max")
    low = scalar(operand(term, 1)) if low is None else low
    high = scalar(operand(term, 2)) if high is None else high
    return _finite(low), _finite(high)


def _finite(value: float | None) -> float | None:
    return None if value is None or abs(value) > 1e30 else value


CLIPS: dict[tuple[float | None, float | None], type[Activation]] = {
    (0.0, 6.0): activation.Relu6,
    (0.0, None): activation.Relu,
}


def _clip(term: Term, context: Context) -> Draft:
    check_attributes(term, "min", "max")
    bounds = clip_bounds(term)
    if any(isinstance(operand(term, one), Term) for one in (1, 2)):
        raise RefusedError("Clip with bounds that are computed")
    if bounds not in CLIPS:
        raise RefusedError(f"Clip between {bounds[0]} and {bounds[1]}")
    return Draft(CLIPS[bounds](), (only_term(term),))


def _prelu(term: Term, context: Context) -> Draft:
    check_attributes(term)
    x, slope = only_term(term), constant(term, 1)
    array = channel_vector(slope, x)
    if array is None:
        raise RefusedError(f"PRelu with slopes of {list(slope.shape)} for {list(shape_of(x))}")
    return Draft(activation.Prelu(), (x,), {"slope": array})


def _softmax(term: Term, context: Context) -> Draft:
    check_attributes(term, "axis")
    x = only_term(term)
    shape = shape_of(x)
    axis = term.attributes.get("axis", -1 if context.opset >= 13 else 1)
    rank = len(shape)
    if not -rank <= axis < rank:
        raise RefusedError(f"{term.op} of {list(shape)} along the axis {axis}")
    own = axis % rank
    channels = 1 if rank != 3 else own
    # Before version 13 all axes from this one on are one.
    rest = math.prod(shape[own + 1 :]) if context.opset < 13 else 1
    if own != channels or rest != 1:
        raise RefusedError(f"{term.op} of {list(shape)} along the axis {axis}")
    op = activation.Softmax if term.op == "Softmax" else activation.LogSoftmax
    return Draft(op(), (x,))


def _batch_norm(term: Term, context: Context) -> Draft:
    check_attributes(
        term, "epsilon", "momentum", "consumed_inputs", spatial=1, is_test=1, training_mode=0
    )
    x = only_term(term)
    width = shape_of(x)[1]
    weights = {}
    names = ("weight", "bias", "running_mean", "running_var")
    for position, name in enumerate(names, 1):
        array = vector_of(constant(term, position), width)
        if array is None:
            raise RefusedError(f"BatchNormalization of {width} channels with other arrays")
        weights[name] = array
    op = BatchNorm(
        epsilon=term.attributes.get("epsilon", 1e-5),
        momentum=term.attributes.get("momentum", 0.9),
    )
    return Draft(op, (x,), weights)


def _group_norm(term: Term, context: Context) -> Draft:
    check_attributes(term, "epsilon", "num_groups", stash_type=1)
    x = only_term(term)
    width = shape_of(x)[1]
    groups = width if term.op == "InstanceNormalization" else term.attributes.get("num_groups", 1)
    weight = vector_of(constant(term, 1), width)
    bias = vector_of(constant(term, 2), width)
    if weight is None or bias is None or len(shape_of(x)) < 3:
        raise RefusedError(f"{term.op} with weights for groups, not for channels")
    op = GroupNorm(groups=groups, epsilon=term.attributes.get("epsilon", 1e-5))
    return Draft(op, (x,), {"weight": weight, "bias": bias})


def _layer_norm(term: Term, context: Context) -> Draft:
    check_attributes(term, "axis", "epsilon", stash_type=1)
    x = only_term(term)
    shape = shape_of(x)
    if term.attributes.get("axis", -1) % len(shape) != len(shape) - 1 or len(shape) > 3:
        raise RefusedError(f"LayerNormalization of {list(shape)} over other than the last axis")
    weight = vector_of(constant(term, 1), shape[-1])
    bias = None if operand(term, 2) is None else vector_of(constant(term, 2), shape[-1])
    if weight is None or bias is None:
        raise RefusedError("LayerNormalization without a bias")
    op = LayerNorm(epsilon=term.attributes.get("epsilon", 1e-5))
    return Draft(op, (x,), {"weight": weight, "bias": bias})


def _local_response_norm(term: Term, context: Context) -> Draft:
    check_attributes(term, "alpha", "beta", "bias", "size")
    size = term.attributes.get("size", 0)
    if size < 1 or size % 2 == 0:
        raise RefusedError(f"LRN over {size} channels, an even number")
    # ONNX divides alpha by the size, as Caffe does.
    alpha = float(Decimal(repr(term.attributes.get("alpha", 1e-4))) / size)
    op = LocalResponseNorm(
        size=size,
        alpha=alpha,
        beta=term.attributes.get("beta", 0.75),
        k=term.attributes.get("bias", 1.0),
    )
    return Draft(op, (only_term(term),))


def _gemm(term: Term, context: Context) -> Draft:
    check_attributes(term, "transB", alpha=1.0, beta=1.0, transA=0, broadcast=1)
    x, matrix = only_term(term), constant(term, 1)
    return _dense(term, x, matrix, transposed=bool(term.attributes.get("transB", 0)))


def _dense(term: Term, x: Term, matrix: Constant, *, transposed: bool) -> Draft:
    shape = matrix.shape if transposed else matrix.shape[::-1]
    array = matrix.array
    if not transposed:
        array = Array("transpose", shape, (array,), (1, 0))
    weights = {"weight": array}
    if operand(term, 2) is not None:
        bias = vector_of(constant(term, 2), shape[0])
        if bias is None:
            raise RefusedError(f"{term.op} with a bias of {list(constant(term, 2).shape)}")
        weights["bias"] = bias
    return Draft(Dense(units=shape[0], bias="bias" in weights), (x,), weights)


def _matmul(term: Term, context: Context) -> Draft:
    check_attributes(term)
    x, matrix = only_term(term), operand(term, 1)
    if not isinstance(matrix, Constant) or len(matrix.shape) != 2 or len(shape_of(x)) > 3:
        raise RefusedError(f"MatMul of {list(shape_of(x))} with {list(matrix.shape)}")
    return _dense(term, x, matrix, transposed=False)


_MERGES = {op.name: op for op in MERGES}
ELEMENTWISE = {
    "Add": "add",
    "Sum": "add",
    "Mul": "multiply",
    "Max": "maximum",
    "Mean": "average",
}


def _elementwise(term: Term, context: Context) -> Draft:
    check_attributes(term, broadcast=1)
    terms = tuple(one for one in term.inputs if isinstance(one, Term))
    if len(terms) == len(term.inputs):
        ranks = {len(shape_of(one)) for one in terms}
        if len(ranks) != 1:
            raise RefusedError(f"{term.op} of values of different ranks")
        return Draft(None if len(terms) == 1 else _MERGES[ELEMENTWISE[term.op]](), terms)
    if len(terms) != 1 or len(term.inputs) != 2:
        raise RefusedError(f"{term.op} with several constants")
    (x,) = terms
    other = next(one for one in term.inputs if isinstance(one, Constant))
    if term.op == "Mul":
        factor = scalar(other)
        if factor is not None and len(other.shape) <= len(shape_of(x)):
            return Draft(Scale(initial=factor, learned=False), (x,))
        array = channel_vector(other, x)
        if array is not None and len(shape_of(x)) != 3:
            return Draft(Scale(), (x,), {"weight": array})
    raise RefusedError(f"{term.op} of {list(shape_of(x))} with a constant of {list(other.shape)}")


def _divide(term: Term, context: Context) -> Draft:
    check_attributes(term)
    x, divisor = operand(term, 0), scalar(operand(term, 1))
    if not isinstance(x, Term) or not divisor:
        raise RefusedError("Div by anything but a constant")
    return Draft(Scale(initial=1 / divisor, learned=False), (x,))


def _concat(term: Term, context: Context) -> Draft:
    check_attributes(term, "axis")
    if not all(isinstance(one, Term) for one in term.inputs):
        raise RefusedError("Concat with a constant")
    terms = tuple(one for one in term.inputs if isinstance(one, Term))
    rank = len(shape_of(terms[0]))
    axis = term.attributes.get("axis", 1) % rank
    if axis != 1 or rank == 3:
        raise RefusedError(f"Concat of {list(shape_of(terms[0]))} along the axis {axis}")
    return Draft(None if len(terms) == 1 else Concat(), terms)


def _dropout(term: Term, context: Context) -> Draft:
    check_attributes(term, "ratio", "seed", "consumed_inputs", is_test=1)
    ratio = term.attributes.get("ratio", 0.5)
    if context.opset >= 12:
        ratio = 0.5 if operand(term, 1) is None else scalar(operand(term, 1))
        training = operand(term, 2)
        if training is not None and scalar(training) not in (None, 0.0):
            raise RefusedError("Dropout in training")
    if ratio is None or not 0 <= ratio < 1:
        raise RefusedError(f"Dropout with the rate {ratio}")
    op = None if ratio == 0 else Dropout(rate=ratio)
    return Draft(op, (only_term(term),))


def _identity(term: Term, context: Context) -> Draft:
    check_attributes(term)
    return Draft(None, (only_term(term),))


def _cast(term: Term, context: Context) -> Draft:
    check_attributes(term, "saturate", to=1)
    return Draft(None, (only_term(term),))


def _view(term: Term, context: Context) -> Draft:
    """Reshape, Flatten, Squeeze and Unsqueeze: the same elements, row by row."""
    x = only_term(term)
    before, after = shape_of(x), shape_of(term)
    if before == after:
        return Draft(None, (x,))
    if before[0] != after[0]:
        raise RefusedError(f"{term.op} of {list(before)} to {list(after)}, which mixes samples")
    if len(after) == 2:
        if is_op(x, "GlobalAveragePool", "GlobalMaxPool"):
            draft = windows.global_pool(x, context)
            assert draft.op is not None
            return Draft(type(draft.op)(), draft.inputs)
        return Draft(Flatten(), (x,))
    if len(after) in (4, 5):
        sizes = dict(zip(MAP_AXES[len(after) - 2], after[1:], strict=True))
        return Draft(Reshape(**sizes), (x,))
    raise RefusedError(f"{term.op} of {list(before)} to {list(after)}")


def _transpose(term: Term, context: Context) -> Draft:
    check_attributes(term, "perm")
    x = only_term(term)
    shape = shape_of(x)
    order = term.attributes.get("perm", list(range(len(shape)))[::-1])
    if order == sorted(order):
        return Draft(None, (x,))
    if order[0] != 0 or len(shape) not in (4, 5):
        raise RefusedError(f"Transpose of {list(shape)} in the order {order}")
    names = MAP_AXES[len(shape) - 2]
    return Draft(Permute(order=tuple(names[axis - 1] for axis in order[1:])), (x,))


def _split(term: Term, context: Context) -> Draft:
    check_attributes(term, "axis", "split", "num_outputs", "output")
    x = only_term(term)
    shape, part = shape_of(x), shape_of(term)
    axis = term.attributes.get("axis", 0) % len(shape)
    if axis != 1 or len(shape) == 3:
        raise RefusedError(f"Split of {list(shape)} along the axis {axis}")
    parts = shape[1] // part[1]
    sizes = term.attributes.get("split")
    if sizes is None and isinstance(operand(term, 1), Constant):
        sizes = list(constant(term, 1).values or ())
    if parts * part[1] != shape[1] or (sizes and len(set(sizes)) != 1):
        raise RefusedError(f"Split of {shape[1]} channels into unequal parts")
    return Draft(Split(parts=parts, index=term.attributes.get("output", 0)), (x,))


def _crop(shape: tuple[int, ...], bounds: Mapping[int, tuple[int, int | None, int]]) -> Crop:
    """A Slice along spatial axes, of which some elements at both ends are cut off."""
    pairs = []
    for axis in range(2, len(shape)):
        start, end, step = bounds.get(axis, (0, None, 1))
        kept = range(shape[axis])[start:end:step]
        if step != 1:
            raise RefusedError(f"Slice of {list(shape)} in steps of {step}")
        pairs.append((kept.start, shape[axis] - kept.stop))
    if all(begin == end for begin, end in pairs):
        return Crop(cropping=compact(tuple(begin for begin, _ in pairs)))
    return Crop(cropping=tuple(pairs))


def _slice(term: Term, context: Context) -> Draft:
    check_attributes(term, "starts", "ends", "axes", "steps")
    x = only_term(term)
    shape = shape_of(x)
    bounds = slice_bounds(term.inputs, term.attributes, context.opset)
    spatial = {axis % len(shape): bound for axis, bound in bounds.items()}
    if len(shape) > 3 and min(spatial) > 1:
        return Draft(_crop(shape, spatial), (x,))
    if len(bounds) != 1 or len(shape) == 3:
        raise RefusedError(f"Slice of {list(shape)} along several axes")
    ((axis, (start, end, step)),) = bounds.items()
    if axis % len(shape) != 1 or shape[1] > MOST_SELECTED:
        raise RefusedError(f"Slice of {list(shape)} along the axis {axis}")
    chosen = range(shape[1])[start:end:step]
    if shape[1] % len(chosen) == 0 and chosen.step == 1 and chosen.start % len(chosen) == 0:
        parts, index = shape[1] // len(chosen), chosen.start // len(chosen)
        if parts == 1:
            return Draft(None, (x,))
        return Draft(Split(parts=parts, index=index), (x,))
    return Draft(Select(channels=tuple(chosen)), (x,))


TABLE: dict[str, Rule] = {
    **dict.fromkeys(PLAIN, _plain),
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), _view),
    **dict.fromkeys(("Softmax", "LogSoftmax"), _softmax),
    **dict.fromkeys(("MaxPool", "AveragePool"), windows.pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), windows.global_pool),
    **dict.fromkeys(("ReduceMean", "ReduceMax"), windows.reduce),
    **dict.fromkeys(("InstanceNormalization", "GroupNormalization"), _group_norm),
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": windows.conv,
    "ConvTranspose": windows.conv_transpose,
    "Div": _divide,
    "Dropout": _dropout,
    "Elu": _elu,
    "Gelu": _gelu,
    "Gemm": _gemm,
    "HardSigmoid": _hard_sigmoid,
    "Identity": _identity,
    "LRN": _local_response_norm,
    "LayerNormalization": _layer_norm,
    "LeakyRelu": _leaky_relu,
    "MatMul": _matmul,
    "PRelu": _prelu,
    "Pad": windows.pad,
    "Selu": _selu,
    "Slice": _slice,
    "Split": _split,
    "Transpose": _transpose,
}
"""The rule of each operation of ONNX that archc has an op for."""
