"""Lowered ops as nodes: each call of an expression one node, each constant another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import NamedTuple, TypeAlias

from archc.backends.base import placeholder
from archc.codegen.tree import Call, Expr, Index, Lit, Ref
from archc.onnx_format.messages import (
    ATTRIBUTE_FLOAT,
    ATTRIBUTE_FLOATS,
    ATTRIBUTE_INT,
    ATTRIBUTE_INTS,
    ATTRIBUTE_STRING,
    ATTRIBUTE_TENSOR,
    FLOAT,
    AttributeProto,
    NodeProto,
    StringStringEntryProto,
    TensorProto,
)
from archc.onnx_format.numbers import is_exact

FUNCTIONS = "blocks"
"""The domain of the functions of a file."""


class Parameter(NamedTuple):
    """An attribute whose value each call of a function gives, by its own `name`; `value` is that of
    one of them, which has the type."""

    name: str
    value: AttributeValue


AttributeValue: TypeAlias = "int | float | str | tuple[AttributeValue, ...] | Parameter"


class Step(NamedTuple):
    """A node: an operator of ONNX, or a call of one of the file's functions."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    name: str
    attributes: tuple[tuple[str, AttributeValue], ...] = ()
    is_function: bool = False


INPUTS: Mapping[str, Sequence[str]] = {
    "Clip": ("input", "min", "max"),
    "Dropout": ("data", "ratio"),
    "Expand": ("input", "shape"),
    "Gather": ("data", "indices"),
    "Pad": ("data", "pads", "value"),
    "Range": ("start", "limit", "step"),
    "ReduceL2": ("data", "axes"),
    "ReduceMax": ("data", "axes"),
    "ReduceMean": ("data", "axes"),
    "ReduceSumSquare": ("data", "axes"),
    "Reshape": ("data", "shape"),
    "Resize": ("X", "roi", "scales"),
    "Slice": ("data", "starts", "ends", "axes"),
    "Unsqueeze": ("data", "axes"),
}
"""What ONNX calls the inputs of operators that take constants, which are named so."""


class Names:
    """Names of values, each once."""

    def __init__(self, taken: set[str]) -> None:
        self.taken = taken

    def new(self, name: str) -> str:
        """A name, with a number behind it where it is taken."""
        numbered = (name if number == 1 else f"{name}_{number}" for number in count(1))
        free = next(one for one in numbered if one not in self.taken)
        self.taken.add(free)
        return free


def nodes_of(
    expression: Expr,
    inputs: Sequence[str],
    variables: Callable[[str], str],
    output: str,
    names: Names,
) -> list[Step]:
    """The nodes of an expression, whose last one gives the value `output`. Other values are named
    after it, and by the operator."""
    steps: list[Step] = []
    values = {placeholder(index).name: name for index, name in enumerate(inputs)}
    computed: dict[int, str] = {}  # by the identity of the call, which the expression keeps
    constants: dict[Lit, str] = {}

    def value(expr: Expr, role: str) -> str:
        if isinstance(expr, Ref):
            return values[expr.name] if expr.name in values else variables(expr.name)
        if isinstance(expr, Lit):
            if expr.value is None:
                return ""
            if expr not in constants:
                constants[expr] = names.new(f"{output}.{role}")
                steps.append(_constant(expr, constants[expr]))
            return constants[expr]
        if id(expr) not in computed:
            computed[id(expr)] = node(expr, None)
        return computed[id(expr)]

    def node(expr: Expr, name: str | None) -> str:
        call, before = expr, 0
        if isinstance(expr, Index):
            (key,) = expr.keys
            assert isinstance(key, Lit)
            assert isinstance(key.value, int)
            call, before = expr.value, key.value
        assert isinstance(call, Call)
        assert isinstance(call.function, Ref)
        operator = call.function.name
        roles = INPUTS.get(operator, ())
        arguments = tuple(
            value(one, roles[position] if position < len(roles) else "constant")
            for position, one in enumerate(call.arguments)
        )
        name = name or names.new(f"{output}.{operator.lower()}")
        attributes = tuple((one.name, _value_of(one.value)) for one in call.keywords)
        steps.append(Step(operator, arguments, ("",) * before + (name,), name, attributes))
        return name

    if isinstance(expression, Call | Index):
        node(expression, output)
    else:
        steps.append(Step("Identity", (value(expression, "constant"),), (output,), output))
    return steps


def _value_of(expr: Expr) -> AttributeValue:
    assert isinstance(expr, Lit)
    value = expr.value
    assert isinstance(value, int | float | str | tuple)
    return value  # type: ignore[return-value] # a tuple of such values


def _constant(literal: Lit, name: str) -> Step:
    value = _value_of(literal)
    if not isinstance(value, tuple):
        kind = "value_float" if isinstance(value, float) else "value_int"
    elif any(isinstance(one, tuple) for one in value):
        kind = "value"
    else:
        kind = "value_floats" if any(isinstance(one, float) for one in value) else "value_ints"
    return Step("Constant", (), (name,), name, ((kind, value),))


def is_whole(value: AttributeValue) -> bool:
    """Whether an attribute is a whole number, or several: what differs in them alone is the same
    function, which takes it as a parameter. Numbers of float32 stay where their exact values stand.
    """
    if isinstance(value, tuple) and not isinstance(value, Parameter):
        return all(isinstance(one, int) for one in value)
    return isinstance(value, int)


def node_proto(step: Step) -> NodeProto:
    """A node as it is written."""
    return NodeProto(
        input=step.inputs,
        output=step.outputs,
        name=step.name,
        op_type=step.operator,
        attribute=tuple(_attribute(name, value) for name, value in step.attributes),
        domain=FUNCTIONS if step.is_function else None,
        metadata_props=tuple(_exact(step)),
    )


def _exact(step: Step) -> list[StringStringEntryProto]:
    """The numbers that float32 rounds, as they are."""
    return [
        StringStringEntryProto(key=name, value=repr(value))
        for name, value in step.attributes
        if isinstance(value, float) and not is_exact(value)
    ]


def _attribute(name: str, value: AttributeValue) -> AttributeProto:
    match value:
        case Parameter(parameter, one):
            return AttributeProto(
                name=name, type=_attribute(name, one).type, ref_attr_name=parameter
            )
        case str():
            return AttributeProto(name=name, s=value.encode("utf-8"), type=ATTRIBUTE_STRING)
        case int():
            return AttributeProto(name=name, i=value, type=ATTRIBUTE_INT)
        case float():
            return AttributeProto(name=name, f=value, type=ATTRIBUTE_FLOAT)
        case tuple() if name == "value":
            return AttributeProto(name=name, t=_tensor(value), type=ATTRIBUTE_TENSOR)
        case tuple() if is_whole(value):
            return AttributeProto(name=name, ints=_ints(value), type=ATTRIBUTE_INTS)
    return AttributeProto(name=name, floats=_floats(value), type=ATTRIBUTE_FLOATS)


def _ints(values: tuple[AttributeValue, ...]) -> tuple[int, ...]:
    return tuple(one for one in values if isinstance(one, int))


def _floats(values: tuple[AttributeValue, ...]) -> tuple[float, ...]:
    return tuple(float(one) for one in values if isinstance(one, int | float))


def _tensor(rows: tuple[AttributeValue, ...]) -> TensorProto:
    """Rows of numbers as an array of float32."""
    flat = tuple(one for row in rows if isinstance(row, tuple) for one in _floats(row))
    return TensorProto(dims=(len(rows), len(flat) // len(rows)), data_type=FLOAT, float_data=flat)
