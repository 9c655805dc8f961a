"""Attention as exporters write it: projections, heads side by side, products with keys and values,
and a projection back, as one op of archc."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from archc.importers.network import Array, rows_of
from archc.importers.onnx.drafts import (
    Context,
    Draft,
    close,
    is_op,
    operand,
    scalar,
    shape_of,
    sides,
    vector_of,
)
from archc.importers.onnx.terms import Term
from archc.importers.onnx.values import Constant
from archc.ops.attention import Attention
from archc.ops.dense import Dense
from archc.ops.shape import Split

HEADS_FIRST = [0, 2, 1, 3]
KEYS_LAST = [0, 2, 3, 1]
TURNED = [0, 1, 3, 2]
MASKED = -1e4
"""What is added to the score of a token that another one does not see is less."""


class Projection(NamedTuple):
    """A product with a matrix: of what, and its arrays."""

    x: Term
    weight: Array
    bias: Array | None


class Scores(NamedTuple):
    """Values weighed by the softmax of queries times keys: each of these with an axis of heads,
    keys with their features before the tokens where they are `turned`."""

    query: Any
    key: Any
    value: Any
    factor: float
    causal: bool = False
    turned: bool = False


def attention(term: Term, context: Context) -> Draft | None:
    """The attention that ends in the projection of its heads, and the bias of that."""
    last = _last(term)
    if last is None:
        return None
    merged, weight, bias = last
    scores = _scores(_before_merging(merged))
    if scores is None:
        return None
    key, order = _turned_back(scores.key) if scores.turned else (scores.key, HEADS_FIRST)
    query = _projection(scores.query, HEADS_FIRST, context)
    keys = _projection(key, order, context)
    value = _projection(scores.value, HEADS_FIRST, context)
    if query is None or keys is None or value is None or keys.x is not value.x:
        return None
    heads, size = shape_of(scores.query)[1], shape_of(scores.query)[3]
    key_heads = shape_of(scores.value)[1]
    whole = scores.factor * math.sqrt(size)
    if not close(whole, 1.0) or (query.bias is None) != (value.bias is None) or heads != key_heads:
        return None
    has_bias = query.bias is not None
    width = shape_of(query.x)[-1]
    op = Attention(
        heads=heads,
        head_size=None if heads * size == width else size,
        bias=has_bias,
        key_bias=None if (keys.bias is not None) == has_bias else not has_bias,
        output_bias=None if (bias is not None) == has_bias else not has_bias,
        causal=scores.causal,
    )
    arrays = {"query": query, "key": keys, "value": value, "output": Projection(term, weight, bias)}
    weights = {f"{name}_weight": one.weight for name, one in arrays.items()}
    weights |= {f"{name}_bias": one.bias for name, one in arrays.items() if one.bias is not None}
    return Draft(op, (query.x,) if query.x is keys.x else (query.x, keys.x), weights)


def _last(term: Term) -> tuple[Any, Array, Array | None] | None:
    """What the last projection takes, its matrix (out, in) and its bias."""
    pairs = ((term, None),) if term.op == "MatMul" else sides(term)
    for product, offset in pairs:
        matrix = operand(product, 1) if is_op(product, "MatMul") else None
        if not isinstance(matrix, Constant) or len(matrix.shape) != 2 or product is None:
            continue
        bias = None
        if offset is not None:
            bias = vector_of(offset, matrix.shape[1]) if isinstance(offset, Constant) else None
            if bias is None:
                continue
        return operand(product, 0), _transposed(matrix), bias
    return None


def _transposed(matrix: Constant) -> Array:
    if matrix.array.kind == "transpose":
        return matrix.array.operands[0]
    return Array("transpose", matrix.shape[::-1], (matrix.array,), (1, 0))


def _before_merging(term: Any) -> Any:
    """Heads as an axis, before they are side by side."""
    turned = operand(term, 0) if is_op(term, "Reshape") else None
    if not is_op(turned, "Transpose") or turned.attributes.get("perm") != HEADS_FIRST:
        return None
    batch, tokens, heads, size = shape_of(turned)
    return operand(turned, 0) if shape_of(term) == (batch, tokens, heads * size) else None


def _scores(term: Any) -> Scores | None:
    """The attention that gives a value of heads."""
    if is_op(term, "Attention") and len(shape_of(term)) == 4 and len(term.inputs) == 3:
        known = {"is_causal", "scale"}
        factor = term.attributes.get("scale", 1 / math.sqrt(shape_of(term)[3]))
        if term.attributes.keys() <= known:
            return Scores(*term.inputs, factor, bool(term.attributes.get("is_causal", 0)))
        return None
    softmax = operand(term, 0) if is_op(term, "MatMul") else None
    if not is_op(softmax, "Softmax") or len(shape_of(softmax)) != 4:
        return None
    if softmax.attributes.get("axis", -1) not in (-1, 3):
        return None
    scores, causal = _without_mask(operand(softmax, 0))
    product, factor = _without_factor(scores)
    if not is_op(product, "MatMul"):
        return None
    query, first = _without_factor(operand(product, 0))
    key, second = _without_factor(operand(product, 1))
    value = operand(term, 1)
    if not all(isinstance(one, Term) and len(shape_of(one)) == 4 for one in (query, key, value)):
        return None
    return Scores(query, key, value, factor * first * second, causal, turned=True)


def _without_factor(term: Any) -> tuple[Any, float]:
    """A value without the number that it is multiplied with or divided by, and that as a factor."""
    if is_op(term, "Div"):
        divisor = scalar(operand(term, 1))
        return (operand(term, 0), 1 / divisor) if divisor else (term, 1.0)
    for x, factor in sides(term) if is_op(term, "Mul") else ():
        number = scalar(factor)
        if number is not None:
            return x, number
    return term, 1.0


def _without_mask(term: Any) -> tuple[Any, bool]:
    """Scores without what hides later tokens, and whether that is there."""
    for scores, mask in sides(term) if is_op(term, "Add") else ():
        if isinstance(mask, Constant) and mask.values and len(mask.shape) >= 2:
            tokens = mask.shape[-1]
            is_causal = len(mask.values) == tokens**2 and all(
                value <= MASKED if place % tokens > place // tokens else value == 0
                for place, value in enumerate(mask.values)
            )
            return (scores, True) if is_causal else (term, False)
    return term, False


def _turned_back(term: Any) -> tuple[Any, list[int]]:
    """Keys whose features are before their tokens: what was turned so, and how the axes of that
    were made from tokens, heads and features."""
    if is_op(term, "Transpose") and term.attributes.get("perm") == TURNED:
        return operand(term, 0), HEADS_FIRST
    return term, KEYS_LAST


def _projection(term: Any, order: list[int], context: Context) -> Projection | None:
    """The product with a matrix whose features are split into heads."""
    if not is_op(term, "Transpose") or term.attributes.get("perm") != order:
        return None
    parted = operand(term, 0)
    if not is_op(parted, "Reshape"):
        return None
    flat = operand(parted, 0)
    batch, tokens, heads, size = shape_of(parted)
    if not isinstance(flat, Term) or shape_of(flat) != (batch, tokens, heads * size):
        return None
    draft = context.drafts.get(flat)
    begin = 0
    if draft is not None and isinstance(draft.op, Split):
        begin = draft.op.index * heads * size
        draft = context.drafts.get(draft.inputs[0])
    if draft is None or not isinstance(draft.op, Dense) or draft.op.activation is not None:
        return None
    end = begin + heads * size
    weight, bias = draft.weights["weight"], draft.weights.get("bias")
    own = None if bias is None else rows_of(bias, begin, end)
    return Projection(draft.inputs[0], rows_of(weight, begin, end), own)
