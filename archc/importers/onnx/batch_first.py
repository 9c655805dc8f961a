"""Sequences that have their tokens before the batch, as PyTorch's modules take them by default, as
ones with the batch first.

A change of the two axes begins such values, and so does what an attention or a recurrence gives.
What computes each token by itself gives them on: it is taken of the value with the batch first.
Whatever else takes one gets the axes changed back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archc.importers.onnx.folding import axes_of
from archc.importers.onnx.terms import Term, Value
from archc.importers.onnx.values import Constant, FoldError, of_integers, reshaped

SWAP = [1, 0, 2]
ALONE = frozenset(
    {
        *("Add", "Cast", "Clip", "Div", "Dropout", "Elu", "Erf", "Gelu", "Gemm", "HardSigmoid"),
        *("HardSwish", "Identity", "LeakyRelu", "MatMul", "Max", "Mean", "Min", "Mul", "Pow"),
        *("Relu", "Selu", "Sigmoid", "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Tanh"),
        *("LayerNormalization", "RMSNormalization", "LogSoftmax", "Softmax", "Concat", "Split"),
    }
)
"""Operations that compute each token by itself, those along an axis where that is the features."""


def with_batch_first(order: Sequence[Term]) -> dict[Term, Term]:
    """What stands for each term, of all terms, each after what it takes."""
    rewriting = _Rewriting(_batch(order))
    for term in order:
        rewriting.add(term)
    return {term: rewriting.as_it_is(term) for term in order}


def _batch(order: Sequence[Term]) -> int | None:
    inputs = (one for term in order for one in term.inputs if isinstance(one, Term))
    return next((one.shape[0] for one in inputs if one.op == "Input" and one.shape), None)


class _Rewriting:
    """What stands for terms: for each of those that have their tokens first, the same with the
    batch first, `swapped`; for the others, the same axes."""

    def __init__(self, batch: int | None) -> None:
        self._batch = batch
        self._renewed: dict[Term, Term] = {}
        self._swapped: dict[Term, Term] = {}

    def add(self, term: Term) -> None:
        """Note what stands for a term, whose inputs are known."""
        swapped = self._with_batch_first(term)
        if swapped is not None:
            self._swapped[term] = swapped
        elif term not in self._renewed:
            self._renewed[term] = self._along_tokens(term) or self._again(term)

    def as_it_is(self, term: Term) -> Term:
        """What has the axes of a term."""
        if term not in self._renewed and term in self._swapped:
            x = self._swapped[term]
            self._renewed[term] = replace(
                term, op="Transpose", inputs=(x,), attributes={"perm": SWAP}, error=None
            )
        return self._renewed.get(term, term)

    def _again(self, term: Term) -> Term:
        inputs = tuple(self.as_it_is(one) if isinstance(one, Term) else one for one in term.inputs)
        is_same = all(one is other for one, other in zip(inputs, term.inputs, strict=True))
        return term if is_same else replace(term, inputs=inputs)

    def _with_batch_first(self, term: Term) -> Term | None:
        """The same with the batch first; None where a term has not its tokens first."""
        if len(term.shape or ()) != 3 or not term.inputs:
            return None
        x = term.inputs[0]
        if term.op == "Transpose" and term.attributes.get("perm") == SWAP:
            if not isinstance(x, Term) or x.shape is None:
                return None
            if x in self._swapped:
                self._renewed[term] = self._swapped[x]
                return None
            return self.as_it_is(x) if x.shape[0] == self._batch else None
        if term.op == "Reshape" and isinstance(x, Term) and x.op == "Transpose":
            return self._side_by_side(term, x)
        return self._of_tokens(term) if term.op in ALONE else None

    def _of_tokens(self, term: Term) -> Term | None:
        """An operation on values that have their tokens first, of the same with the batch first."""
        if not any(isinstance(one, Term) and one in self._swapped for one in term.inputs):
            return None
        if not _is_along_features(term):
            return None
        inputs = []
        for place, one in enumerate(term.inputs):
            is_matrix = term.op in ("Gemm", "MatMul") and place == 1
            own = one if is_matrix else self._operand(one)
            if (one is not None and own is None) or (is_matrix and not isinstance(one, Constant)):
                return None
            inputs.append(own)
        return self._swap(term, inputs=tuple(inputs))

    def _operand(self, value: Value) -> Value:
        """What an operation takes with the batch first in the place of a value; None for one that
        has not its tokens first."""
        if isinstance(value, Term):
            return self._swapped.get(value)
        if value is None or len(value.shape) < 2 or set(value.shape[:-1]) == {1}:
            return value
        if len(value.shape) == 3 and value.shape[1] == 1:
            return reshaped(value, (1, value.shape[0], value.shape[2]))
        return None

    def _swap(self, term: Term, inputs: tuple[Value, ...]) -> Term:
        assert term.shape is not None
        tokens, batch, width = term.shape
        return replace(term, inputs=inputs, shape=(batch, tokens, width), tokens_first=True)

    def _side_by_side(self, term: Term, turned: Term) -> Term | None:
        """The heads of an attention side by side, tokens first: of a product of two values, as
        (batch, heads, tokens, features), the first two perhaps one axis."""
        product = turned.inputs[0]
        assert term.shape is not None
        tokens, batch, width = term.shape
        if not isinstance(product, Term) or product.shape is None or not _is_product(product):
            return None
        order = {3: SWAP, 4: [2, 0, 1, 3]}.get(len(product.shape))
        if turned.attributes.get("perm") != order or product.shape[-2] != tokens:
            return None
        size = product.shape[-1]
        shape = (batch, width // size, tokens, size)
        if batch != self._batch or product.shape not in (shape, (batch * shape[1], *shape[2:])):
            return None
        heads = self.as_it_is(product)
        if product.shape != shape:
            heads = replace(heads, op="Reshape", inputs=(heads,), attributes={}, shape=shape)
        apart = replace(
            turned,
            inputs=(heads,),
            attributes={"perm": [0, 2, 1, 3]},
            shape=(batch, tokens, *shape[1::2]),
        )
        return self._swap(term, inputs=(apart, *term.inputs[1:]))

    def _along_tokens(self, term: Term) -> Term | None:
        """A single token, or what all of them are together, of values that have their tokens
        first; None for anything else."""
        x = term.inputs[0] if term.inputs else None
        if not isinstance(x, Term) or x not in self._swapped or len(term.shape or ()) != 2:
            return None
        inputs = (self._swapped[x], *term.inputs[1:])
        if term.op == "Gather" and term.attributes.get("axis", 0) == 0:
            if not isinstance(term.inputs[1], Constant):
                return None
            return replace(term, inputs=inputs, attributes={"axis": 1})
        if term.op in ("ReduceMean", "ReduceMax"):
            try:
                axes = term.attributes.get("axes") or axes_of(term.inputs, {}, 18, 18)
            except FoldError:
                return None
            if axes == [0]:
                others = {**term.attributes, "axes": [1]} if "axes" in term.attributes else None
                if others is not None:
                    return replace(term, inputs=inputs, attributes=others)
                return replace(term, inputs=(inputs[0], of_integers([1])))
        return None


def _is_product(term: Term) -> bool:
    """Whether a term is what an attention gives for its heads."""
    of_terms = term.op == "MatMul" and all(isinstance(one, Term) for one in term.inputs)
    return of_terms or term.op == "Attention"


def _is_along_features(term: Term) -> bool:
    """Whether what an operation of three axes does along an axis is along the last."""
    default = {"Concat": 1, "Split": 0}.get(term.op, -1)
    return term.attributes.get("axis", default) in (-1, 2)
