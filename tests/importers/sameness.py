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
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from archc.importers.network import Array
from archc.importers.onnx.model import read_model
from archc.importers.onnx.terms import Term, Terms, Value, terms_of
from archc.importers.onnx.values import Constant

VIEWS = ("Flatten", "Reshape", "Squeeze", "Unsqueeze")
"""Operations whose result says all: the same elements, in another shape."""
ANY_ORDER = ("Add", "Max", "Mean", "Mul", "Sum")
STATED = ("Div", "Resize", "Sub")
"""Operations whose arrays are numbers that the file states, no weights."""
HARD_SIGMOID = {"alpha": 0.16666667, "beta": 0.5}
"""ONNX defines HardSwish as x times HardSigmoid of x with these."""
DEFAULTS: Mapping[str, Any] = {"group": 1, "count_include_pad": 0}


def operations(data: bytes) -> Counter[str]:
    """The digests of all values of a file, outputs marked, and those of its arrays by their use."""
    terms = terms_of(read_model(memoryview(data)))
    digests, uses = _digests(terms)
    padding = {_padding(term) for term in digests}
    named = [
        digests[term]
        for term in digests
        if not _is_idle(term) and not _is_view(term) and term not in padding
    ]
    ends = [f"output {digests[one]}" for one in terms.outputs if isinstance(one, Term)]
    return Counter([*named, *ends, *(f"array {sorted(one)}" for one in uses.values())])


def has_operations(data: bytes) -> bool:
    """Whether a file computes anything of its inputs."""
    terms = terms_of(read_model(memoryview(data)))
    digests, _ = _digests(terms)
    inputs = {digests[one] for one in terms.inputs}
    return not all(isinstance(one, Term) and digests[one] in inputs for one in terms.outputs)


def _digests(terms: Terms) -> tuple[dict[Term, str], dict[str, list[str]]]:
    """The digest of each term, and how each array of weights is used."""
    digests = {one: _hashed("input", place, one.shape) for place, one in enumerate(terms.inputs)}
    uses: dict[str, list[str]] = {}
    order = list(_in_order(terms))
    sums = _sums(order)
    for term in order:
        is_stated = term.op in STATED or term in sums
        digests[term] = _digest(term, digests, is_stated)
        if not _is_idle(term) and not is_stated:
            for place, one in enumerate(term.inputs):
                if isinstance(one, Constant):
                    for name in one.array.sources():
                        uses.setdefault(name, []).append(f"{place} of {digests[term]}")
    return digests, uses


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
            waiting += [(one, False) for one in reversed(_taken(term))]


def _taken(term: Term) -> tuple[Value, ...]:
    """What a term depends on, where the importer sees one operation in several."""
    x = _swished(term) or _turned_back(term)
    return term.inputs if x is None else (x,)


def _swished(term: Term) -> Term | None:
    """The x of a product of x and HardSigmoid of x."""
    for x, gate in (term.inputs, term.inputs[::-1]) if term.op == "Mul" else ():
        if isinstance(gate, Term) and gate.op == "HardSigmoid" and gate.inputs[0] is x:
            return gate.inputs[0] if gate.attributes == HARD_SIGMOID else None
    return None


def _turned_back(term: Term) -> Term | None:
    """What a transposition has the axes of again, after another one."""
    if term.op != "Transpose" or _is_view(term):
        return None
    before = term.inputs[0]
    while isinstance(before, Term) and (_is_view(before) or _is_idle(before)):
        before = _taken(before)[0]
    if not isinstance(before, Term) or before.op != "Transpose":
        return None
    x, order = before.inputs[0], before.attributes["perm"]
    is_back = before.shape == term.inputs[0].shape and [
        order[axis] for axis in term.attributes["perm"]
    ] == sorted(order)
    return x if is_back and isinstance(x, Term) else None


def _padding(term: Term) -> Term | None:
    """The padding with zeros before a convolution."""
    before = term.inputs[0] if term.op == "Conv" else None
    if not isinstance(before, Term) or before.op != "Pad" or before.attributes:
        return None
    return before if len(before.inputs) == 2 else None


def _is_idle(term: Term) -> bool:
    """Whether an operation gives what it takes, as the importer passes it by."""
    if _turned_back(term) is not None:
        return True
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


def _digest(term: Term, digests: Mapping[Term, str], is_stated: bool) -> str:
    inputs = [_of(one, digests) for one in _taken(term)]
    if _is_view(term):
        x = term.inputs[0]
        while isinstance(x, Term) and (_is_view(x) or _is_idle(x)):
            x = _taken(x)[0]
        same = isinstance(x, Term) and x.shape == term.shape
        return _of(x, digests) if same else _hashed("view", _of(x, digests), term.shape)
    if _is_idle(term):
        return inputs[0]
    if _swished(term) is not None:
        return _hashed("HardSwish", [], term.shape, inputs)
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
    if is_stated:
        numbers = [one.values for one in term.inputs if isinstance(one, Constant)]
        inputs = [*inputs[:1], repr(numbers)]
    ordered = sorted(inputs) if term.op in ANY_ORDER else inputs
    return _hashed(term.op, sorted(attributes.items()), term.shape, ordered)


def _sums(order: Iterable[Term]) -> set[Value]:
    """Products that are divided by numbers: sums of some elements of each row, for their means."""
    return {
        one.inputs[0]
        for one in order
        if one.op == "Div" and isinstance(one.inputs[1], Constant) and one.inputs[1].shape
    }


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
