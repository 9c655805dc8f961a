"""Heads of attention, followed through the operations that only move elements or take some of them:
which features of a projection each head has, and how heads are side by side again."""

from __future__ import annotations

from typing import Any, NamedTuple

from archc.importers.arrangement import Arrangement, ArrangementError, Digit, identity
from archc.importers.network import Array, rows_of
from archc.importers.onnx.folding import slice_bounds
from archc.importers.onnx.rules.drafts import Context, Draft, operand, scalar, shape_of, sides
from archc.importers.onnx.rules.movements import VIEWS
from archc.importers.onnx.terms import Term
from archc.importers.onnx.values import Constant, FoldError
from archc.ops.dense import Dense

SAME = (*VIEWS, "Cast", "Dropout", "Identity")
"""Operations that keep the order of elements."""
FEATURES = 2
"""The axis of a projection's features."""
LONGEST = 32
"""Operations between a projection and a product of heads, at most."""


class Heads(NamedTuple):
    """A projection of `x` whose features are in heads of some size, and its arrays; `factor` is
    what it is multiplied with."""

    x: Term
    weight: Array
    bias: Array | None
    heads: int
    size: int
    factor: float


def heads_of(value: Any, *, turned: bool, context: Context) -> Heads | None:
    """The projection of which a value has the heads, as (batch, heads, tokens, features), the first
    two perhaps one axis, the last two in the other order where it is `turned`; None where it has
    not."""
    chain: list[Term] = []
    draft: Draft | None = None
    factor = 1.0
    while isinstance(value, Term) and len(chain) < LONGEST:
        draft = context.drafts.get(value)
        if draft is not None and isinstance(draft.op, Dense):
            break
        chain.append(value)
        value, own = _followed(value)
        factor *= own
    if not isinstance(value, Term) or draft is None or not isinstance(draft.op, Dense):
        return None
    if draft.op.activation is not None or len(shape_of(value)) != 3:
        return None
    arranged = _arranged(value, chain, context)
    if arranged is None:
        return None
    (whole, begin), (batch, tokens, _) = arranged, shape_of(value)
    if len(whole.dims) == 3:
        together, rows, columns = whole.shape
        try:
            whole = whole.reshaped((batch, together // batch, rows, columns))
        except ArrangementError:
            return None
    if len(whole.dims) != 4:
        return None
    if turned:
        whole = whole.permuted((0, 1, 3, 2))
    _, heads, _, size = whole.shape
    digits = (Digit(0, 1, batch), Digit(2, size, heads), Digit(1, 1, tokens), Digit(2, 1, size))
    if not whole.agrees(*((one,) for one in digits)):
        return None
    weight, bias = draft.weights["weight"], draft.weights.get("bias")
    end = begin + heads * size
    own_bias = None if bias is None else rows_of(bias, begin, end)
    return Heads(
        source_of(draft.inputs[0], context),
        rows_of(weight, begin, end),
        own_bias,
        heads,
        size,
        factor,
    )


def source_of(term: Term, context: Context) -> Term:
    """What a term is, where it is nothing but another one."""
    draft = context.drafts.get(term)
    while draft is not None and draft.op is None:
        (term,) = draft.inputs
        draft = context.drafts.get(term)
    return term


def _followed(term: Term) -> tuple[Any, float]:
    """What a term has the elements of, and a factor of them all; None for anything else."""
    if term.op in (*SAME, "Transpose", "Gather", "Slice", "Split"):
        return operand(term, 0), 1.0
    return without_factor(term) if term.op in ("Mul", "Div") else (None, 1.0)


def without_factor(term: Any) -> tuple[Any, float]:
    """A value without the number that it is multiplied with or divided by, and that as a factor;
    the value itself where there is none."""
    if isinstance(term, Term) and term.op == "Div":
        divisor = scalar(operand(term, 1))
        return (operand(term, 0), 1 / divisor) if divisor else (term, 1.0)
    for x, factor in sides(term) if isinstance(term, Term) and term.op == "Mul" else ():
        number = scalar(factor)
        if number is not None and isinstance(x, Term):
            return x, number
    return term, 1.0


def _arranged(source: Term, chain: list[Term], context: Context) -> tuple[Arrangement, int] | None:
    """How elements of a source, from some feature on, are arranged after some operations, the last
    one first; None where they are not features of all tokens."""
    arrangement, begin = identity(shape_of(source)), 0
    for term in reversed(chain):
        try:
            if term.op == "Transpose":
                rank = len(arrangement.dims)
                arrangement = arrangement.permuted(
                    term.attributes.get("perm", list(range(rank))[::-1])
                )
            elif term.op in ("Gather", "Slice", "Split"):
                part = _part(term, context)
                if part is None:
                    return None
                arrangement, axis, offset = arrangement.chosen(*part)
                if axis != FEATURES:
                    return None
                begin += offset
            if term.op not in ("Transpose", "Mul", "Div"):
                arrangement = arrangement.reshaped(shape_of(term))
        except (ArrangementError, FoldError):
            return None
    return arrangement, begin


def _part(term: Term, context: Context) -> tuple[int, int, int] | None:
    """The axis along which an operation takes neighbours, the first of them and their number; None
    where it takes others."""
    x = operand(term, 0)
    before, after = shape_of(x), shape_of(term)
    if term.op == "Gather":
        axis, index = term.attributes.get("axis", 0) % len(before), operand(term, 1)
        if not isinstance(index, Constant) or index.shape not in ((), (1,)) or not index.values:
            return None
        return axis, index.values[0] % before[axis], 1
    if term.op == "Split":
        axis = term.attributes.get("axis", 0) % len(before)
        place, sizes = term.attributes.get("output", 0), term.attributes.get("split")
        if isinstance(operand(term, 1), Constant):
            sizes = operand(term, 1).values
        begin = sum(sizes[:place]) if sizes else place * after[axis]
        return axis, begin, after[axis]
    bounds = slice_bounds(term.inputs, term.attributes, context.opset)
    if len(bounds) != 1:
        return None
    ((axis, (start, end, step)),) = bounds.items()
    taken = range(before[axis])[start:end:step]
    return (axis % len(before), taken.start, len(taken)) if taken.step == 1 else None


def merged_heads(value: Any) -> Term | None:
    """The product of which a value (batch, tokens, features) has the heads side by side; None where
    there is none."""
    chain: list[Term] = []
    while isinstance(value, Term) and value.op in (*SAME, "Transpose") and len(chain) < LONGEST:
        chain.append(value)
        value = operand(value, 0)
    if not chain or not isinstance(value, Term) or len(value.shape or ()) not in (3, 4):
        return None
    own, shape = shape_of(value), shape_of(chain[0])
    arrangement = identity(own)
    try:
        for term in reversed(chain):
            arrangement = (
                arrangement.permuted(term.attributes.get("perm", range(len(own))[::-1]))
                if term.op == "Transpose"
                else arrangement.reshaped(shape_of(term))
            )
    except ArrangementError:
        return None
    if len(shape) != 3 or own[0] % shape[0]:
        return None
    if len(own) == 4:
        digits = ((Digit(0, 1, own[0]),), (Digit(2, 1, own[2]),), (Digit(1, 1, own[1]),))
    else:
        heads = own[0] // shape[0]
        digits = ((Digit(0, heads, shape[0]),), (Digit(1, 1, own[1]),), (Digit(0, 1, heads),))
    batch, tokens, heads_ = digits
    size = (Digit(len(own) - 1, 1, own[-1]),)
    return value if arrangement.agrees(batch, tokens, (*heads_, *size)) else None
