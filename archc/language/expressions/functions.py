"""The functions of expressions."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, NamedTuple

from archc.language.expressions.tree import INTEGER_LIMIT, MOST_ITEMS, Data


class ArgumentError(Exception):
    """An invalid argument of a function."""

    def __init__(self, argument: int, expected: str) -> None:
        super().__init__(expected)
        self.argument = argument
        self.expected = expected


class Function(NamedTuple):
    """One function. `most_arguments` is None without a limit; the implementation gets the evaluated
    arguments and raises ArgumentError."""

    usage: str
    doc: str
    least_arguments: int
    most_arguments: int | None
    implementation: Callable[[list[Any]], Data]


NUMBERS = frozenset({int, float})


def _number(arguments: list[Any], index: int = 0) -> Any:
    if type(arguments[index]) not in NUMBERS:
        raise ArgumentError(index, "a number")
    return arguments[index]


def _extreme(choose: Callable[[list[Any]], Data]) -> Callable[[list[Any]], Data]:
    def function(arguments: list[Any]) -> Data:
        if len(arguments) > 1:
            for index, value in enumerate(arguments):
                if type(value) not in NUMBERS:
                    raise ArgumentError(index, "numbers")
            return choose(arguments)
        (values,) = arguments
        if type(values) is not list:
            raise ArgumentError(0, "two numbers or more, or one list of numbers")
        if not values or not all(type(value) in NUMBERS for value in values):
            raise ArgumentError(0, "a list of at least one number, and only numbers")
        return choose(values)

    return function


def _sum(arguments: list[Any]) -> Data:
    (values,) = arguments
    if type(values) is not list or not all(type(value) in NUMBERS for value in values):
        raise ArgumentError(0, "a list of numbers")
    # From left to right: the built-in `sum` compensates rounding from Python 3.12 on.
    return reduce(operator.add, values, 0)


def _text(arguments: list[Any]) -> str:
    if type(arguments[0]) is not int:
        raise ArgumentError(0, "a whole number")
    return str(arguments[0])


def _length(arguments: list[Any]) -> int:
    if type(arguments[0]) not in (list, str):
        raise ArgumentError(0, "a list or a string")
    return len(arguments[0])


def _whole(arguments: list[Any], index: int) -> int:
    value = arguments[index]
    if type(value) is float and value.is_integer() and abs(value) < INTEGER_LIMIT:
        return int(value)
    if type(value) is not int:
        raise ArgumentError(index, "a whole number")
    return value


def _range(arguments: list[Any]) -> Data:
    bounds = [_whole(arguments, index) for index in range(len(arguments))]
    if len(bounds) == 3 and bounds[2] == 0:
        raise ArgumentError(2, "a step other than 0")
    numbers = range(*bounds)
    if len(numbers) > MOST_ITEMS:
        raise ArgumentError(min(len(arguments) - 1, 1), f"a range of at most {MOST_ITEMS:,} items")
    return list(numbers)


def _round_to(arguments: list[Any]) -> int:
    x, multiple = _number(arguments), _whole(arguments, 1)
    if multiple < 1:
        raise ArgumentError(1, "a whole number from 1")
    rounded: int = max(multiple, int(x + multiple / 2) // multiple * multiple)
    return rounded + multiple if rounded < 0.9 * x else rounded


FUNCTIONS: Mapping[str, Function] = {
    "min": Function(
        "min(a, b, ...) or min(list)", "the smallest of some numbers", 1, None, _extreme(min)
    ),
    "max": Function(
        "max(a, b, ...) or max(list)", "the largest of some numbers", 1, None, _extreme(max)
    ),
    "round": Function(
        "round(x)",
        "the nearest whole number; ties go to the even one: round(2.5) is 2",
        1,
        1,
        lambda arguments: round(_number(arguments)),
    ),
    "ceil": Function(
        "ceil(x)", "x rounded up", 1, 1, lambda arguments: math.ceil(_number(arguments))
    ),
    "floor": Function(
        "floor(x)", "x rounded down", 1, 1, lambda arguments: math.floor(_number(arguments))
    ),
    "sum": Function("sum(list)", "the sum of the numbers in a list", 1, 1, _sum),
    "str": Function("str(n)", "a whole number as text, for computed names", 1, 1, _text),
    "len": Function("len(x)", "the items of a list, or the characters of a string", 1, 1, _length),
    "range": Function(
        "range(stop), range(start, stop) or range(start, stop, step)",
        "whole numbers from start (0) up to stop, excluding stop, as a list",
        1,
        3,
        _range,
    ),
    "round_to": Function(
        "round_to(x, multiple)",
        "the nearest multiple, at least one of them and never below 90 % of x: the usual rounding "
        "of channels",
        2,
        2,
        _round_to,
    ),
}
