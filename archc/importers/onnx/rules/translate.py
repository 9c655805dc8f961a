"""Single operations of ONNX as ops of archc: one table, with a rule for each."""

from __future__ import annotations

from math import prod

from archc.importers.network import Array
from archc.importers.onnx.rules import movements, norms, selections, windows
from archc.importers.onnx.rules.drafts import (
    Context,
    Draft,
    RefusedError,
    Rule,
    channel_vector,
    check_attributes,
    close,
    constant,
    only_term,
    operand,
    scalar,
    shape_of,
    vector_of,
)
from archc.importers.onnx.terms import Term
from archc.importers.onnx.values import Constant, is_literal
from archc.ops import activation
from archc.ops.activation import Activation
from archc.ops.dense import Dense
from archc.ops.merge import OPS as MERGES
from archc.ops.parameter import PositionEmbedding, Scale
from archc.ops.regularization import Dropout

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
    array = channel_vector(slope, x, context)
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
    channels = context.width_axis(x)
    # Before version 13 all axes from this one on are one.
    rest = prod(shape[own + 1 :]) if context.opset < 13 else 1
    if own != channels or rest != 1:
        raise RefusedError(f"{term.op} of {list(shape)} along the axis {axis}")
    op = activation.Softmax if term.op == "Softmax" else activation.LogSoftmax
    return Draft(op(), (x,))


def _gemm(term: Term, context: Context) -> Draft:
    check_attributes(term, "transB", alpha=1.0, beta=1.0, transA=0, broadcast=1)
    x, matrix = only_term(term), constant(term, 1)
    return _dense(term, x, matrix, transposed=bool(term.attributes.get("transB", 0)))


def _dense(term: Term, x: Term, matrix: Constant, *, transposed: bool) -> Draft:
    shape = matrix.shape if transposed else matrix.shape[::-1]
    array = matrix.array
    if not transposed and array.kind == "transpose":
        (array,) = array.operands
    elif not transposed:
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


def table_of(value: Constant, shape: tuple[int, ...]) -> Array | None:
    """A constant of a shape, perhaps under a first axis of one element, as an array of weights."""
    if value.shape == shape:
        return value.array
    return Array("reshape", shape, (value.array,)) if value.shape == (1, *shape) else None


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
        array, factor = channel_vector(other, x, context), scalar(other)
        if array is not None and (factor is None or (other.shape and not is_literal(other))):
            return Draft(Scale(), (x,), {"weight": array})
        if factor is not None and len(other.shape) <= len(shape_of(x)):
            return Draft(Scale(initial=factor, learned=False), (x,))
    if term.op == "Add" and context.is_sequence(x):
        table = table_of(other, shape_of(x)[1:])
        if table is not None:
            return Draft(PositionEmbedding(), (x,), {"weight": table})
    raise RefusedError(f"{term.op} of {list(shape_of(x))} with a constant of {list(other.shape)}")


def _divide(term: Term, context: Context) -> Draft:
    check_attributes(term)
    x, divisor = operand(term, 0), scalar(operand(term, 1))
    if not isinstance(x, Term) or not divisor:
        raise RefusedError("Div by anything but a constant")
    return Draft(Scale(initial=1 / divisor, learned=False), (x,))


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
    return movements.view(term, context)


def _cast(term: Term, context: Context) -> Draft:
    check_attributes(term, "saturate", to=1)
    return Draft(None, (only_term(term),))


TABLE: dict[str, Rule] = {
    **dict.fromkeys(PLAIN, _plain),
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **dict.fromkeys(("LayerNormalization", "RMSNormalization"), norms.normalization),
    **dict.fromkeys(movements.VIEWS, movements.view),
    **dict.fromkeys(("Resize", "Upsample"), selections.resize),
    **dict.fromkeys(("Softmax", "LogSoftmax"), _softmax),
    **dict.fromkeys(("MaxPool", "AveragePool"), windows.pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), windows.global_pool),
    **dict.fromkeys(("ReduceMean", "ReduceMax"), windows.reduce),
    **dict.fromkeys(("InstanceNormalization", "GroupNormalization"), norms.group_normalization),
    "BatchNormalization": norms.batch_normalization,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": selections.concat,
    "Conv": windows.conv,
    "ConvTranspose": windows.conv_transpose,
    "DepthToSpace": movements.depth_to_space,
    "Div": _divide,
    "Dropout": _dropout,
    "Elu": _elu,
    "Gather": selections.gather,
    "Gelu": _gelu,
    "Gemm": _gemm,
    "HardSigmoid": _hard_sigmoid,
    "Identity": _identity,
    "LRN": norms.response_normalization,
    "LeakyRelu": _leaky_relu,
    "MatMul": _matmul,
    "PRelu": _prelu,
    "Pad": windows.pad,
    "Selu": _selu,
    "Slice": selections.slice_,
    "Split": selections.split,
    "Transpose": movements.transpose,
}
"""The rule of each operation of ONNX that archc has an op for."""
