"""An ONNX graph as terms: each value is a constant, or an operation on other values with a known
shape. Local functions are opened; what depends on no input is folded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, TypeAlias

from archc.importers.network import Array, sized
from archc.importers.onnx.folding import FOLDED, fold, split
from archc.importers.onnx.shapes import RULES, shape_of
from archc.importers.onnx.values import PREDICATES, Constant, FoldError, repeated

MOST_TERMS = 200_000
MOST_STEPS = 300
"""Operations by which one array is computed, each counted as often as its result is used: what asks
of an array calls itself for each."""
DEEPEST_CALL = 32


@dataclass(frozen=True, eq=False)
class Term:
    """An operation on values. `shape` has the batch as its first axis, None where the operation is
    not known; `value` is the name of its output, `place` where it stands in the file. Where it is
    `tokens_first`, that value has the tokens before the batch, the term has not."""

    op: str
    inputs: tuple[Value, ...]
    attributes: Mapping[str, Any]
    shape: tuple[int, ...] | None
    value: str
    place: str
    scope: tuple[str, ...] = ()
    error: str | None = None
    tokens_first: bool = False


Value: TypeAlias = "Term | Constant | None"


@dataclass(frozen=True)
class Terms:
    """All values of a graph: its inputs as terms without inputs, and its outputs; `batch` is its
    number of samples where it is fixed, `uniform` are the arrays of the file that have one value
    everywhere, and `producer` is what the file is made by."""

    inputs: tuple[Term, ...]
    outputs: tuple[Value, ...]
    outputs_names: tuple[str, ...]
    opset: int
    batch: int | None
    uniform: frozenset[str] = frozenset()
    producer: str = ""


def in_order(outputs: Sequence[Value]) -> list[Term]:
    """All terms but the inputs that outputs depend on, each after what it takes."""
    order: list[Term] = []
    done: set[Term] = set()
    waiting: list[tuple[Value, bool]] = [(one, False) for one in reversed(outputs)]
    while waiting:
        term, ready = waiting.pop()
        if not isinstance(term, Term) or term in done or term.op == "Input":
            continue
        if ready:
            done.add(term)
            order.append(term)
        else:
            waiting.append((term, True))
            waiting += [(one, False) for one in reversed(term.inputs)]
    return order


class ModelError(Exception):
    """A model that is no network archc could read, whatever its operations."""


@dataclass
class _Frame:
    """The values of a graph or of a function that is opened, by name. Outside of it they are called
    by `prefix` and their name, its outputs as the call names them."""

    values: dict[str, Value] = field(default_factory=dict)
    prefix: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)

    def full_name(self, name: str) -> str:
        """The name of a value in the graph with all functions written out."""
        return self.outputs.get(name, f"{self.prefix}{name}") if name else ""


def terms_of(model: Mapping[str, Any], open_sizes: Sequence[int] = ()) -> Terms:
    """The terms of a model as `model.py` writes it, with sizes of axes that its inputs leave open.
    Raises ModelError."""
    graph = model["graph"]
    opset = model["opsets"].get("", 0)
    if not 1 <= opset <= 1000:
        raise ModelError("it names no version of ONNX's operators")
    constants = {name: _constant(array) for name, array in graph["constants"].items()}
    values: dict[str, Value] = dict(constants)
    inputs = []
    for info in graph["inputs"]:
        if info["name"] in constants:
            continue  # weights may be listed among the inputs
        term = _input(info, open_sizes)
        values[info["name"]] = term
        inputs.append(term)
    used = {name for node in graph["nodes"] for name in node["inputs"]}
    used |= {info["name"] for info in graph["outputs"]}
    inputs = [term for term in inputs if term.value in used]
    if not inputs:
        raise ModelError("it has no input")
    batches = {term.attributes["batch"] for term in inputs}
    if len(batches) != 1:
        raise ModelError("its inputs are batches of different sizes")
    builder = _Builder(model, opset)
    builder.run(graph["nodes"], _Frame(values), (), 0)
    missing = [info["name"] for info in graph["outputs"] if info["name"] not in values]
    if missing:
        raise ModelError(f"nothing computes its output `{missing[0]}`")
    names = tuple(info["name"] for info in graph["outputs"])
    outputs = tuple(values[name] for name in names)
    uniform = frozenset(
        name for name, one in constants.items() if one.values and len(set(one.values)) == 1
    )
    producer = model["producer"]
    return Terms(tuple(inputs), outputs, names, opset, batches.pop(), uniform, producer)


def _constant(array: Mapping[str, Any]) -> Constant:
    values = array["values"]
    shape = tuple(array["shape"])
    halves = array.get("halves")
    source = Array("source", shape, (), (array["name"],))
    known = None if values is None else tuple(values)
    return Constant(array["dtype"], source, known, None if halves is None else tuple(halves))


def _input(info: Mapping[str, Any], open_sizes: Sequence[int]) -> Term:
    shape = info["shape"]
    name = info["name"]
    if not shape or len(shape) < 2:
        raise ModelError(f"its input `{name}` states no shape with a batch and other axes")
    shape = [shape[0], *sized(shape[1:], open_sizes)]
    if None in shape[1:]:
        raise ModelError(f"its input `{name}` has axes of unknown size: give them by --size")
    if 0 in shape:
        raise ModelError(f"its input `{name}` has no elements")
    sizes = (shape[0] or 1, *shape[1:])
    attributes = {"dtype": info["dtype"], "batch": shape[0]}
    return Term("Input", (), attributes, sizes, name, f"input `{name}`")


class _Builder:
    """Opens nodes one by one, in the order of the file."""

    def __init__(self, model: Mapping[str, Any], opset: int) -> None:
        self.opset = opset
        self.functions = {
            (one["domain"], one["name"], one["overload"]): one for one in model["functions"]
        }
        self.count = 0
        # The array, which keeps its identity alive, and by how many operations it is computed.
        self.steps: dict[int, tuple[Array, int]] = {}

    def run(
        self, nodes: Sequence[Mapping[str, Any]], frame: _Frame, scope: tuple[str, ...], depth: int
    ) -> None:
        """Compute the values of nodes. Raises ModelError."""
        for node in nodes:
            self.count += 1
            if self.count > MOST_TERMS:
                raise ModelError(f"its functions open to more than {MOST_TERMS:,} operations")
            inputs = [self._input(name, frame, node) for name in node["inputs"]]
            for name in node["outputs"]:
                if name and name in frame.values:
                    raise ModelError(f"the value `{name}` is computed twice")
            key = (node["domain"], node["op"], node.get("overload", ""))
            if key in self.functions:
                outputs = self._call(self.functions[key], node, inputs, frame, scope, depth)
            else:
                outputs = self._apply(node, inputs, frame, scope)
            for name, value in zip(node["outputs"], outputs, strict=False):
                if name:
                    frame.values[name] = value

    def _input(self, name: str, frame: _Frame, node: Mapping[str, Any]) -> Value:
        if not name:
            return None
        if name not in frame.values:
            raise ModelError(
                f"{_place(node, frame)} uses `{name}`, which nothing before it computes: a cycle, "
                "or nodes that are out of order"
            )
        return frame.values[name]

    def _call(
        self,
        function: Mapping[str, Any],
        node: Mapping[str, Any],
        inputs: list[Value],
        outer: _Frame,
        scope: tuple[str, ...],
        depth: int,
    ) -> list[Value]:
        """The outputs of a function that is opened."""
        if depth >= DEEPEST_CALL:
            raise ModelError(f"its functions call one another more than {DEEPEST_CALL} deep")
        names = function["inputs"]
        padded = [*inputs, *[None] * (len(names) - len(inputs))]
        called = map(outer.full_name, node["outputs"])
        results = dict(zip(function["outputs"], called, strict=False))
        label = node["name"] or next(filter(None, node["outputs"]), "")
        prefix = f"{outer.full_name(label)}."
        frame = _Frame(dict(zip(names, padded, strict=False)), prefix, results)
        own = (*scope, node["name"] or function["name"])
        attributes = node["attributes"]
        body = [
            {**one, "attributes": _resolved(one["attributes"], attributes)}
            for one in function["nodes"]
        ]
        self.run(body, frame, own, depth + 1)
        missing = [name for name in function["outputs"] if name not in frame.values]
        if missing:
            raise ModelError(f"nothing computes `{missing[0]}` in `{function['name']}`")
        return [frame.values[name] for name in function["outputs"]]

    def _apply(
        self, node: Mapping[str, Any], inputs: list[Value], frame: _Frame, scope: tuple[str, ...]
    ) -> list[Value]:
        """The outputs of one operation."""
        op, attributes = node["op"], node["attributes"]
        if node["domain"]:
            op = f"{node['domain']}.{op}"
        place = _place(node, frame)
        own = (*scope, *node["scope"][:-1])
        count = max(len(node["outputs"]), 1)
        try:
            folded = self._folded(op, inputs, attributes)
        except FoldError as error:
            return [self._unknown(op, inputs, attributes, place, own, str(error))] * count
        if folded is not None:
            return [folded if scope else _named(op, node, folded)]
        if any(isinstance(one, Term) and one.shape is None for one in inputs):
            reason = None if op in RULES or op in FOLDED else f"the operation {op}"
            return [self._unknown(op, inputs, attributes, place, own, reason)] * count
        outputs: list[Value] = []
        try:
            shapes = shape_of(op, inputs, attributes, self.opset, count)
        except FoldError as error:
            return [self._unknown(op, inputs, attributes, place, own, f"{op} of {error}")] * count
        if shapes is None:
            reason = f"the operation {op}"
            return [self._unknown(op, inputs, attributes, place, own, reason)] * count
        if op == "Split" and isinstance(inputs[0], Constant):
            axis = attributes.get("axis", 0)
            return [*split(inputs[0], axis, [shape[axis] for shape in shapes])]
        for position, shape in enumerate(shapes):
            name = node["outputs"][position] if position < len(node["outputs"]) else ""
            numbered = attributes if not position else {**attributes, "output": position}
            full = frame.full_name(name)
            outputs.append(Term(op, tuple(inputs), numbered, shape, full, place, own))
        return outputs

    def _folded(
        self, op: str, inputs: list[Value], attributes: Mapping[str, Any]
    ) -> Constant | None:
        """What an operation computes that depends on no input; None where it depends on one, or is
        not known. Raises FoldError."""
        operands = [one for one in inputs if isinstance(one, Constant)]
        try:
            value = fold(op, inputs, attributes, self.opset) if op in FOLDED else None
            if value is None:
                value = self._expression(op, inputs, attributes)
        except FoldError:
            value = self._expression(op, inputs, attributes)
            if value is None:
                raise
        if value is not None:
            steps = 1 + sum(self.steps.get(id(one.array), (None, 1))[1] for one in operands)
            if steps > MOST_STEPS:
                raise FoldError(f"an array that is computed in more than {MOST_STEPS:,} steps")
            self.steps.setdefault(id(value.array), (value.array, steps))
        return value

    def _expression(
        self, op: str, inputs: list[Value], attributes: Mapping[str, Any]
    ) -> Constant | None:
        """An operation on constants alone as one whose values are not known."""
        if not inputs or op not in RULES or any(isinstance(one, Term) for one in inputs):
            return None
        shapes = shape_of(op, inputs, attributes, self.opset, 1)
        operands = [one for one in inputs if isinstance(one, Constant)]
        if shapes is None or not operands:
            return None
        fields = tuple(
            (key, tuple(value) if isinstance(value, list) else value)
            for key, value in sorted(attributes.items())
        )
        array = Array(op, shapes[0], tuple(one.array for one in operands), fields)
        if op == "Slice":
            return Constant(operands[0].dtype, array, repeated(operands[0], shapes[0]))
        dtype = "bool" if op in PREDICATES else operands[-1].dtype
        return Constant(dtype, array)

    def _unknown(
        self,
        op: str,
        inputs: list[Value],
        attributes: Mapping[str, Any],
        place: str,
        scope: tuple[str, ...],
        reason: str | None,
    ) -> Term:
        return Term(op, tuple(inputs), attributes, None, "", place, scope, reason)


def _named(op: str, node: Mapping[str, Any], value: Constant) -> Constant:
    """A constant that a node of the graph makes; one of numbers that may be weights is known by its
    name, as an array of the file is."""
    is_number = value.dtype.startswith("float") and value.shape
    if op == "Constant" and prod(value.shape) == 1:
        return value  # a factor, or what a mask is made of
    if op not in ("Constant", "ConstantOfShape") or not is_number:
        return value
    return Constant(
        value.dtype, Array("source", value.shape, (), (node["outputs"][0],)), value.values
    )


def _resolved(own: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of a node in a function, with those that refer to the call's."""
    resolved = {}
    for name, value in own.items():
        if isinstance(value, dict) and "reference" in value:
            if value["reference"] in given:
                resolved[name] = given[value["reference"]]
            continue
        resolved[name] = value
    return resolved


def _place(node: Mapping[str, Any], frame: _Frame) -> str:
    """Where a node stands: its name, or the first value that it computes."""
    name = node["name"] or next(filter(None, node["outputs"]), "")
    return f"`{frame.full_name(name)}`" if name else f"a node {node['op']}"


def terms_of_nodes(
    nodes: Sequence[Mapping[str, Any]], values: Mapping[str, Value], opset: int
) -> dict[str, Value]:
    """All values that nodes compute from others, by name. Raises ModelError."""
    frame = _Frame(dict(values))
    _Builder({"functions": []}, opset).run(nodes, frame, ("",), 0)
    return frame.values
