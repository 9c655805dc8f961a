"""The syntax tree of expressions, and the limits on them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

MOST_CHARACTERS = 4096
"""The longest expression, and the longest string value."""
MOST_ITEMS = 100_000
"""Items of a list, nested lists included."""
DEEPEST = 64
"""The limit on nested brackets, operations and lists."""
INTEGER_LIMIT = 1 << 53
"""Whole numbers must be smaller in magnitude: up to here floats are exact."""

INPUT = "input"
"""The name of what comes into a block: its value is the axes, which only `input.axis` uses."""


class InputAxes(dict[str, int]):
    """The axes of what comes into a block: the value of the input's name."""


Data = int | float | bool | str | None | list["Data"] | dict[str, "Data"]
"""The value of an expression. A mapping can only be passed on by its name."""


class ExpressionError(Exception):
    """An expression that cannot be parsed or evaluated, with the location of the error in it."""

    def __init__(self, message: str, offset: int, length: int, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.length = length
        self.hint = hint


class Literal(NamedTuple):
    """A number, a string, `true`, `false` or `null`."""

    value: int | float | bool | str | None
    offset: int
    length: int


class Name(NamedTuple):
    """A parameter or a variable of a repetition."""

    name: str
    offset: int
    length: int


class Incoming(NamedTuple):
    """`in.axis`: the size of an incoming axis."""

    axis: str
    offset: int
    length: int


class Entry(NamedTuple):
    """`input.axis`: the size of an axis of what comes into the block, or into the network; or the
    same of a further input that the block declares, by its `name`."""

    axis: str
    offset: int
    length: int
    name: str = INPUT


class Unary(NamedTuple):
    """`-`, `+` or `not` before its operand."""

    operator: str
    operand: Expression
    offset: int
    length: int


class Binary(NamedTuple):
    """`left operator right` with an arithmetic operator."""

    operator: str
    left: Expression
    right: Expression
    offset: int
    length: int


class Comparison(NamedTuple):
    """`first operator operand ...`, each compared to the one before it."""

    first: Expression
    rest: tuple[tuple[str, Expression], ...]
    offset: int
    length: int


class Logical(NamedTuple):
    """Two or more operands joined by `and`, or by `or`."""

    operator: str
    operands: tuple[Expression, ...]
    offset: int
    length: int


class Conditional(NamedTuple):
    """`then if condition else otherwise`."""

    condition: Expression
    then: Expression
    otherwise: Expression
    offset: int
    length: int


class Index(NamedTuple):
    """`value[position]`."""

    value: Expression
    position: Expression
    offset: int
    length: int


class Slice(NamedTuple):
    """`value[start:stop]`; a bound that is left out is None."""

    value: Expression
    start: Expression | None
    stop: Expression | None
    offset: int
    length: int


class Display(NamedTuple):
    """A list display: `[a, b]`."""

    items: tuple[Expression, ...]
    offset: int
    length: int


class Call(NamedTuple):
    """A function of FUNCTIONS and its arguments, as many as it takes."""

    function: str
    arguments: tuple[Expression, ...]
    offset: int
    length: int


Expression = (
    Literal
    | Name
    | Incoming
    | Entry
    | Unary
    | Binary
    | Comparison
    | Logical
    | Conditional
    | Index
    | Slice
    | Display
    | Call
)


def children(expression: Expression) -> tuple[Expression, ...]:
    """The direct subexpressions, in the order of the text except for a conditional's."""
    match expression:
        case Unary(_, operand):
            return (operand,)
        case Binary(_, left, right) | Index(left, right):
            return left, right
        case Slice(value, start, stop):
            return value, *(bound for bound in (start, stop) if bound is not None)
        case Comparison(first, rest):
            return first, *(operand for _, operand in rest)
        case Conditional(condition, then, otherwise):
            return condition, then, otherwise
        case Logical(_, parts) | Display(parts) | Call(_, parts):
            return parts
        case _:
            return ()


def walk(expression: Expression) -> Iterator[Expression]:
    """The expression and all its subexpressions."""
    stack = [expression]
    while stack:
        top = stack.pop()
        yield top
        stack += reversed(children(top))


def names(expression: Expression) -> frozenset[str]:
    """The names used in an expression."""
    return frozenset(node.name for node in walk(expression) if isinstance(node, Name))


def axes(expression: Expression) -> frozenset[str]:
    """The axes of the input used in an expression."""
    return frozenset(node.axis for node in walk(expression) if isinstance(node, Incoming))


def entries(expression: Expression) -> list[Entry]:
    """The axes of the block's inputs used in an expression, in the order of the text."""
    nodes = [node for node in walk(expression) if isinstance(node, Entry)]
    return sorted(nodes, key=lambda node: node.offset)


def references(expression: Expression) -> list[tuple[str, int, int]]:
    """Each mention of a name with its offset and length, in the order of the text."""
    nodes = [node for node in walk(expression) if isinstance(node, Name)]
    nodes.sort(key=lambda node: node.offset)
    return [(node.name, node.offset, node.length) for node in nodes]


def error_at(expression: Expression, message: str, hint: str | None = None) -> ExpressionError:
    """An error located at a node."""
    return ExpressionError(message, expression.offset, expression.length, hint)


def check_bounds(value: Any, expression: Expression) -> Any:
    """The value. Raises ExpressionError for a number that is too large."""
    if type(value) is int:
        if not -INTEGER_LIMIT < value < INTEGER_LIMIT:
            raise error_at(
                expression, "the number is too large", "whole numbers stay below 2 ** 53"
            )
    elif type(value) is float and not math.isfinite(value):
        raise error_at(expression, "the number is too large")
    return value
