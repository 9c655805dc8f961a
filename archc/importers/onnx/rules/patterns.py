"""Several operations of ONNX that are one op of archc, each recognised by its last operation."""

from __future__ import annotations

import math
from typing import Any

from archc.importers.network import Array
from archc.importers.onnx.rules import norms
from archc.importers.onnx.rules.attention import attention
from archc.importers.onnx.rules.drafts import (
    Context,
    Draft,
    Rule,
    channel_vector,
    close,
    is_op,
    operand,
    scalar,
    shape_of,
    sides,
    vector_of,
)
from archc.importers.onnx.rules.movements import moved
from archc.importers.onnx.rules.own import own_op
from archc.importers.onnx.rules.recurrences import last_state, recurrence
from archc.importers.onnx.rules.translate import TABLE, clip_bounds
from archc.importers.onnx.terms import Term
from archc.importers.onnx.values import Constant
from archc.ops import activation
from archc.ops.base import Op
from archc.ops.convolution import Conv, DepthwiseConv
from archc.ops.dense import Dense
from archc.ops.parameter import Scale
from archc.records import replace

MERGED_SCALE = "Each batch_norm is merged with the scale and offset that follow it in the file."


def _scaled_batch_norm(term: Term, context: Context) -> Draft | None:
    """BatchNormalization, Mul and Add: Caffe's two layers, whose coefficients are one. In a file of
    archc's own they are the two ops that the spec has."""
    if context.is_own:
        return None
    for product, offset in sides(term):
        if not is_op(product, "Mul") or not context.private(product):
            continue
        for norm, factor in sides(product):
            if not is_op(norm, "BatchNormalization") or not context.private(norm):
                continue
            weight, bias = (
                channel_vector(factor, norm, context),
                channel_vector(offset, norm, context),
            )
            if weight is None or bias is None:
                continue
            draft = TABLE["BatchNormalization"](norm, context)
            assert draft is not None
            own = draft.weights
            shape = weight.shape
            scaled = Array("multiply", shape, (own["weight"], weight))
            moved = Array("multiply", shape, (own["bias"], weight))
            merged = {**own, "weight": scaled, "bias": Array("add", shape, (moved, bias))}
            return Draft(draft.op, draft.inputs, merged, MERGED_SCALE)
    return None


def _biased(term: Term, context: Context) -> Draft | None:
    """A convolution or a product with a matrix, and the Add of its bias."""
    for product, offset in sides(term):
        if not is_op(product, "Conv", "MatMul") or not context.private(product):
            continue
        if product.op == "MatMul":
            shape = shape_of(product)
            fits = isinstance(offset, Constant) and offset.shape[-1:] == shape[-1:]
            bias = vector_of(offset, shape[-1]) if fits else None
        else:
            bias = channel_vector(offset, product, context)
        if bias is None:
            continue
        draft = TABLE[product.op](product, context)
        assert draft is not None
        op = draft.op
        if isinstance(op, Conv | DepthwiseConv | Dense) and not op.bias:
            return Draft(replace(op, bias=True), draft.inputs, {**draft.weights, "bias": bias})
    return None


def _scaled(term: Term, context: Context) -> Draft | None:
    """A factor and an offset for each channel."""
    for product, offset in sides(term):
        if not is_op(product, "Mul") or not context.private(product):
            continue
        for x, factor in sides(product):
            if not isinstance(x, Term):
                continue
            weight, bias = channel_vector(factor, x, context), channel_vector(offset, x, context)
            if weight is not None and bias is not None:
                return Draft(Scale(bias=True), (x,), {"weight": weight, "bias": bias})
    return None


def _silu(term: Term, context: Context) -> Draft | None:
    """x * sigmoid(x), and x * relu6(x + 3) / 6."""
    for x, gate in sides(term):
        gates: dict[str, type[Op]] = {
            "Sigmoid": activation.Silu,
            "HardSigmoid": activation.HardSwish,
        }
        if isinstance(gate, Term) and gate.op in gates and operand(gate, 0) is x:
            draft = TABLE[gate.op](gate, context)  # which refuses another HardSigmoid
            assert draft is not None
            return Draft(gates[gate.op](), draft.inputs)
        if isinstance(gate, Term) and _hard_gate(gate) is x and x is not None:
            return Draft(activation.HardSwish(), (x,))
    return None


def _hard_gate(term: Any) -> Any:
    """The x of relu6(x + 3) / 6; None for anything else."""
    inner = _scaled_by(term, 1 / 6)
    if not is_op(inner, "Clip") or clip_bounds(inner) != (0, 6):
        return None
    shifted = operand(inner, 0)
    if not is_op(shifted, "Add"):
        return None
    return next((x for x, offset in sides(shifted) if close(scalar(offset), 3)), None)


def _scaled_by(term: Any, factor: float) -> Any:
    """The x of x * factor, or of x / (1 / factor); None for anything else."""
    if is_op(term, "Div") and close(scalar(operand(term, 1)), 1 / factor):
        return operand(term, 0)
    if is_op(term, "Mul"):
        return next((x for x, other in sides(term) if close(scalar(other), factor)), None)
    return None


def _hard_sigmoid(term: Term, context: Context) -> Draft | None:
    x = _hard_gate(term)
    return Draft(activation.HardSigmoid(), (x,)) if isinstance(x, Term) else None


def _divided_swish(term: Term, context: Context) -> Draft | None:
    """x * relu6(x + 3), divided by 6."""
    product = _scaled_by(term, 1 / 6)
    if not is_op(product, "Mul"):
        return None
    for x, gate in sides(product):
        shifted = operand(gate, 0) if is_op(gate, "Clip") and clip_bounds(gate) == (0, 6) else None
        if is_op(shifted, "Add"):
            for inner, offset in sides(shifted):
                if inner is x and close(scalar(offset), 3) and isinstance(x, Term):
                    return Draft(activation.HardSwish(), (x,))
    return None


def _gelu(term: Term, context: Context) -> Draft | None:
    """x * (1 + erf(x / sqrt(2))) * 0.5, its factors in any order."""
    factors = _factors(term)
    half = [one for one in factors if close(scalar(one), 0.5)]
    sums = [one for one in factors if is_op(one, "Add")]
    rest = [one for one in factors if one not in half and one not in sums]
    if len(factors) != 3 or len(half) != 1 or len(sums) != 1 or len(rest) != 1:
        return None
    (x,), (inner,) = rest, sums
    for erf, one in sides(inner):
        if not close(scalar(one), 1) or not isinstance(x, Term):
            continue
        if is_op(erf, "Erf") and _scaled_by(operand(erf, 0), math.sqrt(0.5)) is x:
            return Draft(activation.Gelu(), (x,))
        if is_op(erf, "Tanh") and _tanh_argument(operand(erf, 0)) is x:
            return Draft(activation.Gelu(approximate="tanh"), (x,))
    return None


def _factors(term: Any, depth: int = 3) -> list[Any]:
    """The factors of a product of products."""
    if depth and is_op(term, "Mul"):
        return [factor for one in term.inputs for factor in _factors(one, depth - 1)]
    return [term]


def _tanh_argument(term: Any) -> Any:
    """The x of sqrt(2 / pi) * (x + 0.044715 x^3); None for anything else."""
    inner = _scaled_by(term, math.sqrt(2 / math.pi))
    if not is_op(inner, "Add"):
        return None
    for x, cubic in sides(inner):
        power = _scaled_by(cubic, 0.044715)
        if is_op(power, "Pow") and operand(power, 0) is x and scalar(operand(power, 1)) == 3:
            return x
    return None


def _scaled_tanh(term: Term, context: Context) -> Draft | None:
    """1.7159 tanh(2 / 3 x)."""
    for tanh, factor in sides(term):
        if is_op(tanh, "Tanh") and close(scalar(factor), 1.7159):
            x = _scaled_by(operand(tanh, 0), 2 / 3)
            if isinstance(x, Term):
                return Draft(activation.ScaledTanh(), (x,))
    return None


PATTERNS: dict[str, tuple[Rule, ...]] = {
    "Add": (_scaled_batch_norm, norms.layer_norm, attention, own_op, _biased, _scaled),
    "Concat": (last_state,),
    "Div": (_hard_sigmoid, _divided_swish, norms.plain_layer_norm, own_op),
    "Flatten": (moved,),
    "Gather": (last_state,),
    "Gemm": (attention,),
    "MatMul": (attention, own_op),
    "Mul": (_silu, _gelu, _hard_sigmoid, _divided_swish, _scaled_tanh, norms.rms_norm),
    "ReduceSumSquare": (own_op,),
    "Reshape": (recurrence, own_op, moved),
    "Squeeze": (recurrence, moved),
    "Transpose": (recurrence, own_op, norms.channels_first, moved),
    "Unsqueeze": (moved,),
}
"""The patterns that end in an operation, tried in this order before its own rule."""
