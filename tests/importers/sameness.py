"""Whether a spec that comes back from an ONNX file is the network that was written there: its own
file has the same operations, on the same values. Padding with zeros before a convolution counts as
the convolution's own, which is what the importer makes of it.

Both files are opened (functions written out, arithmetic of constants done) and each value gets a
digest of the operation that computes it, with its attributes and shape, and of all that it takes.
Two files are the same network where as many different values have each digest, each array of
weights goes into the same operations, and the outputs agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from archc.importers.network import Array
from archc.importers.onnx.model import read_model
from archc.importers.onnx.terms import Term, Terms, Value, terms_of
from archc.importers.onnx.values import Constant

VIEWS = ("Flatten", "Reshape", "Squeeze", "Unsqueeze")
"""Operations whose result says all: the same elements, in another shape."""
ANY_ORDER = ("Add", "Max", "Mean", "Mul", "Sum")
STATED = ("Resize", "Sub")
"""Operations whose arrays are numbers that the file states, no weights."""
DEFAULTS: Mapping[str, Any] = {"group": 1, "count_include_pad": 0}


def operations(data: bytes) -> Counter[str]:
    """The digests of all values of a file, outputs marked, and those of its arrays by their use."""
    terms = terms_of(read_model(memoryview(data)))
    digests = {one: _hashed("input", place, one.shape) for place, one in enumerate(terms.inputs)}
    uses: dict[str, list[str]] = {}
    for term in _in_order(terms):
        digest = _digest(term, digests)
        digests[term] = digest
        if not _is_idle(term) and term.op not in STATED:
            for place, one in enumerate(term.inputs):
                if isinstance(one, Constant):
                    for name in one.array.sources():
                        uses.setdefault(name, []).append(f"{place} of {digest}")
    padding = {_padding(term) for term in digests}
    named = [
        digests[term]
        for term in digests
        if not _is_idle(term) and not _is_view(term) and term not in padding
    ]
    ends = [f"output {digests[one]}" for one in terms.outputs if isinstance(one, Term)]
    return Counter([*named, *ends, *(f"array {sorted(one)}" for one in uses.values())])


def _in_order(terms: Terms) -> Iterator[Term]:
    """All terms that the outputs depend on, each after what it takes."""
    done: set[Term] = set(terms.inputs)
    waiting: list[tuple[Value, bool]] = [(one, False) for one in reversed(terms.outputs)]
    while waiting:
        term, ready = waiting.pop()
        if not isinstance(term, Term) or term in done:
            continue
        if ready:
            done.add(term)
            yield term
        else:
            waiting.append((term, True))
            waiting += [(one, False) for one in reversed(term.inputs)]


def _padding(term: Term) -> Term | None:
    """The padding with zeros before a convolution."""
    before = term.inputs[0] if term.op == "Conv" else None
    if not isinstance(before, Term) or before.op != "Pad" or before.attributes:
        return None
    return before if len(before.inputs) == 2 else None


def _is_idle(term: Term) -> bool:
    """Whether an operation gives what it takes, as the importer passes it by."""
    x = term.inputs[0] if term.inputs else None
    if not isinstance(x, Term) or x.shape != term.shape:
        return False
    if term.op == "Gather":
        return _values(term.inputs[1]) == list(range(x.shape[term.attributes["axis"]]))
    if term.op == "Dropout":
        return _values(term.inputs[1]) == [0.0]
    return term.op in ("Identity", "Slice") or _is_view(term)


def _is_view(term: Term) -> bool:
    """Whether the elements keep their order: of a transposition those axes that have several."""
    if term.op != "Transpose":
        return term.op in VIEWS
    x = term.inputs[0]
    order = [axis for axis in term.attributes["perm"] if x.shape[axis] > 1]
    return order == sorted(order)


def _digest(term: Term, digests: Mapping[Term, str]) -> str:
    inputs = [_of(one, digests) for one in term.inputs]
    if _is_view(term):
        x = term.inputs[0]
        while isinstance(x, Term) and (_is_view(x) or _is_idle(x)):
            x = x.inputs[0]
        same = isinstance(x, Term) and x.shape == term.shape
        return _of(x, digests) if same else _hashed("view", _of(x, digests), term.shape)
    if _is_idle(term):
        return inputs[0]
    attributes = {
        key: value
        for key, value in term.attributes.items()
        if value != DEFAULTS.get(key) and not (key in ("pads", "output_padding") and not any(value))
    }
    if "pads" not in attributes:
        attributes.pop("count_include_pad", None)
    before = _padding(term)
    if before is not None:
        own = attributes.pop("pads", None) or [0] * len(term.attributes["kernel_shape"]) * 2
        added, half = _values(before.inputs[1]), len(own) // 2
        both = [*added[2 : 2 + half], *added[4 + half :]]
        attributes["pads"] = [a + b for a, b in zip(own, both, strict=True)]
        inputs[0] = _of(before.inputs[0], digests)
    if term.op in STATED:
        numbers = [one.values for one in term.inputs if isinstance(one, Constant)]
        inputs = [*inputs[:1], repr(numbers)]
    ordered = sorted(inputs) if term.op in ANY_ORDER else inputs
    return _hashed(term.op, sorted(attributes.items()), term.shape, ordered)


def _values(value: Value) -> list[int]:
    assert isinstance(value, Constant)
    return list(value.values or ())


def _of(value: Value, digests: Mapping[Term, str]) -> str:
    if isinstance(value, Term):
        return digests[value]
    return "" if value is None else _hashed(value.dtype, _plain(value.array, value))


def _plain(array: Array, value: Constant | None = None) -> Any:
    """An array without the names of those of the file; by its values where the file states them."""
    if array.kind == "source":
        return "array", array.shape
    if value is not None and value.values is not None and "source" not in array.kinds():
        return "values", array.shape, value.values
    return array.kind, array.shape, [_plain(one) for one in array.operands], array.fields


def _hashed(*parts: Any) -> str:
    return sha256(repr(parts).encode()).hexdigest()[:32]
