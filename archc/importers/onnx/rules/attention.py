"""Attention as exporters write it: projections, heads side by side, products with keys and values,
and a projection back, as one op of archc."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from archc.importers.network import Array
from archc.importers.onnx.rules.drafts import (
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
from archc.importers.onnx.rules.heads import SAME, heads_of, merged_heads, without_factor
from archc.importers.onnx.terms import Term
from archc.importers.onnx.values import Constant
from archc.ops.attention import Attention

MASKED = -1e4
"""What is added to the score of a token that another one does not see is less."""


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
    scores = _scores(merged_heads(merged))
    if scores is None:
        return None
    query = heads_of(scores.query, turned=False, context=context)
    key = heads_of(scores.key, turned=scores.turned, context=context)
    value = heads_of(scores.value, turned=False, context=context)
    if query is None or key is None or value is None or key.x is not value.x:
        return None
    heads, size = query.heads, query.size
    if {(key.heads, key.size), (value.heads, value.size)} != {(heads, size)}:
        return None
    whole = scores.factor * query.factor * key.factor * math.sqrt(size)
    if not close(whole, 1.0) or value.factor != 1 or (query.bias is None) != (value.bias is None):
        return None
    has_bias = query.bias is not None
    width = shape_of(query.x)[-1]
    op = Attention(
        heads=heads,
        head_size=None if heads * size == width else size,
        bias=has_bias,
        key_bias=None if (key.bias is not None) == has_bias else not has_bias,
        output_bias=None if (bias is not None) == has_bias else not has_bias,
        causal=scores.causal,
    )
    arrays = {
        "query": (query.weight, query.bias),
        "key": (key.weight, key.bias),
        "value": (value.weight, value.bias),
        "output": (weight, bias),
    }
    weights = {f"{name}_weight": matrix for name, (matrix, _) in arrays.items()}
    weights |= {f"{name}_bias": own for name, (_, own) in arrays.items() if own is not None}
    return Draft(op, (query.x,) if query.x is key.x else (query.x, key.x), weights)


def _last(term: Term) -> tuple[Any, Array, Array | None] | None:
    """What the last projection takes, its matrix (out, in) and its bias."""
    pairs = ((term, operand(term, 2)),) if term.op == "Gemm" else sides(term)
    pairs = ((term, None),) if term.op == "MatMul" else pairs
    for product, offset in pairs:
        matrix = operand(product, 1) if is_op(product, "MatMul", "Gemm") else None
        if not isinstance(matrix, Constant) or len(matrix.shape) != 2 or product is None:
            continue
        is_transposed = bool(product.attributes.get("transB", 0))
        bias = None
        if offset is not None:
            units = matrix.shape[0 if is_transposed else 1]
            bias = vector_of(offset, units) if isinstance(offset, Constant) else None
            if bias is None:
                continue
        weight = matrix.array if is_transposed else _transposed(matrix)
        return operand(product, 0), weight, bias
    return None


def _transposed(matrix: Constant) -> Array:
    if matrix.array.kind == "transpose":
        return matrix.array.operands[0]
    return Array("transpose", matrix.shape[::-1], (matrix.array,), (1, 0))


def _scores(term: Term | None) -> Scores | None:
    """The attention that gives a value of heads."""
    if is_op(term, "Attention") and len(shape_of(term)) == 4 and len(term.inputs) == 3:
        known = {"is_causal", "scale"}
        factor = term.attributes.get("scale", 1 / math.sqrt(shape_of(term)[3]))
        if term.attributes.keys() <= known:
            return Scores(*term.inputs, factor, bool(term.attributes.get("is_causal", 0)))
        return None
    softmax = _unchanged(operand(term, 0)) if is_op(term, "MatMul") else None
    if not is_op(softmax, "Softmax") or term is None:
        return None
    if softmax.attributes.get("axis", -1) not in (-1, len(shape_of(softmax)) - 1):
        return None
    causal, factor, scores = False, 1.0, operand(softmax, 0)
    while not is_op(scores, "MatMul"):
        before = scores
        scores, own = without_factor(_unchanged(scores))
        scores, hides = _without_mask(scores)
        factor, causal = factor * own, causal or hides
        if scores is before:
            return None
    query, key, value = operand(scores, 0), operand(scores, 1), operand(term, 1)
    if not all(isinstance(one, Term) for one in (query, key, value)):
        return None
    return Scores(query, key, value, factor, causal, turned=True)


def _unchanged(term: Any) -> Any:
    """A value of two last axes before the operations that leave these as they are."""
    while isinstance(term, Term) and term.op in SAME:
        x = operand(term, 0)
        if not isinstance(x, Term) or shape_of(x)[-2:] != shape_of(term)[-2:]:
            return term
        term = x
    return term


def _without_mask(term: Any) -> tuple[Any, bool]:
    """Scores without what hides later tokens, and whether that is there."""
    if is_op(term, "Where"):
        condition, one, other = term.inputs
        hidden = _hidden(condition, term)
        if hidden == (False, True) and _is_low(one):
            return other, True
        if hidden == (True, False) and _is_low(other):
            return one, True
    for scores, mask in sides(term) if is_op(term, "Add") else ():
        hidden = _hidden(mask, term)
        if hidden == (0, 0):
            return scores, False
        if hidden is not None and hidden[0] == 0 and hidden[1] <= MASKED:
            return scores, True
    return term, False


def _hidden(mask: Any, scores: Term) -> tuple[Any, Any] | None:
    """The values of a constant for earlier tokens and for later ones; None where it has others."""
    if not isinstance(mask, Constant) or mask.halves is None or len(mask.shape) > 4:
        return None
    low, high = mask.halves
    is_square = mask.shape[-2:] == shape_of(scores)[-2:] and math.prod(mask.shape[:-2]) == 1
    return (low, high) if is_square or low == high else None


def _is_low(value: Any) -> bool:
    number = scalar(value)
    return number is not None and number <= MASKED
