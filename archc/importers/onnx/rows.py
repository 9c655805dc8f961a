"""Products with a matrix of all rows of a value, as products of the value itself.

PyTorch makes one matrix of a batch's tokens, multiplies that and parts the rows again; so do the
convolutions of GPT-2, whose window is a single token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archc.importers.onnx.rules.movements import VIEWS
from archc.importers.onnx.terms import Term, Value
from archc.importers.onnx.values import Constant


def with_rows_parted(order: Sequence[Term]) -> dict[Term, Term]:
    """What stands for each term, of all terms, each after what it takes."""
    renewed: dict[Term, Term] = {}
    for term in order:
        inputs = tuple(
            renewed.get(one, one) if isinstance(one, Term) else one for one in term.inputs
        )
        is_same = all(one is other for one, other in zip(inputs, term.inputs, strict=True))
        own = term if is_same else replace(term, inputs=inputs)
        renewed[term] = _parted(own) or own
    return renewed


def _parted(term: Term) -> Term | None:
    """The product that a view parts into rows of rows, as one of such rows; None where there is
    none."""
    product = term.inputs[0] if term.op in VIEWS and term.inputs else None
    if not isinstance(product, Term) or len(term.shape or ()) != 3 or len(product.shape or ()) != 2:
        return None
    if product.op == "Add":
        for one, bias in (product.inputs, product.inputs[::-1]):
            rows = _rows(one, term)
            if isinstance(bias, Constant) and rows is not None and isinstance(one, Term):
                inner = replace(one, inputs=(rows, *one.inputs[1:]), shape=term.shape, value="")
                return replace(product, inputs=(inner, bias), shape=term.shape, value=term.value)
        return None
    rows = _rows(product, term)
    if rows is None:
        return None
    inputs = (rows, *product.inputs[1:])
    return replace(product, inputs=inputs, shape=term.shape, value=term.value)


def _rows(product: Value, term: Term) -> Term | None:
    """What a product has as rows of a matrix, with all axes but the last of a term."""
    if not isinstance(product, Term) or product.op not in ("Gemm", "MatMul"):
        return None
    flat, matrix = product.inputs[:2]
    assert term.shape is not None
    if not isinstance(flat, Term) or flat.op not in VIEWS or not isinstance(matrix, Constant):
        return None
    x = flat.inputs[0]
    if not isinstance(x, Term) or x.shape is None or flat.shape is None or product.shape is None:
        return None
    shape = (*term.shape[:-1], flat.shape[-1])
    if term.shape[-1] != product.shape[-1] or len(x.shape) < 3:
        return None
    if x.shape == shape:
        return x
    # The heads of an attention side by side.
    if x.op != "Transpose" or x.shape[0] != shape[0]:
        return None
    return replace(flat, op="Reshape", inputs=(x,), attributes={}, shape=shape, value="")
