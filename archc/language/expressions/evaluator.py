"""Evaluation of expressions, within limits on numbers, lists, text and work."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from archc.diagnostics import did_you_mean
from archc.language.expressions.functions import FUNCTIONS, NUMBERS, ArgumentError
from archc.language.expressions.tree import (
    DEEPEST,
    INTEGER_LIMIT,
    MOST_CHARACTERS,
    MOST_ITEMS,
    Binary,
    Call,
    Comparison,
    Conditional,
    Data,
    Display,
    Entry,
    Expression,
    ExpressionError,
    Incoming,
    Index,
    InputAxes,
    Literal,
    Logical,
    Name,
    Slice,
    Unary,
    check_bounds,
    error_at,
)

TOO_MANY_STEPS = "the evaluation takes too many steps"
FEWER_STEPS = "use shorter lists, or fewer of them"


class Budget:
    """The remaining work of evaluations: a step for each character of an expression and for each
    item of a list that it creates or iterates over. Several evaluations can share a budget."""

    __slots__ = ("steps",)

    def __init__(self, steps: int = 1_000_000) -> None:
        self.steps = steps

    def spend(self, steps: int, expression: Expression) -> None:
        """Subtract steps. Raises ExpressionError if there are not enough left."""
        self.steps -= steps
        if self.steps < 0:
            raise error_at(expression, TOO_MANY_STEPS, FEWER_STEPS)


class _Scope(NamedTuple):
    names: Mapping[str, Any]
    incoming: Mapping[str, int] | None
    budget: Budget


def evaluate(
    expression: Expression,
    names: Mapping[str, Any],
    incoming: Mapping[str, int] | None,
    budget: Budget | None = None,
) -> Data:
    """The value of an expression for values of names and sizes of the input's axes (None without an
    input). Raises ExpressionError."""
    scope = _Scope(names, incoming, Budget() if budget is None else budget)
    scope.budget.spend(expression.length, expression)
    value: Data = _evaluate(expression, scope)
    return value


def list_size(value: list[Any]) -> int:
    """The items of a list and of all nested lists, counted as often as they occur; MOST_ITEMS + 1
    for more than MOST_ITEMS or lists nested deeper than DEEPEST."""
    count, level = 0, [value]
    for _ in range(DEEPEST):
        count += sum(map(len, level))
        if count > MOST_ITEMS:
            break
        level = [item for outer in level for item in outer if type(item) is list]
        if not level:
            return count
    return MOST_ITEMS + 1


def _format(value: Any) -> str:
    """A value as printed in messages."""
    if value is None or type(value) is bool:
        return "null" if value is None else str(value).lower()
    if type(value) is str:
        return f'"{value}"' if len(value) <= 40 else f'"{value[:37]}..."'
    if type(value) is list:
        return f"a list of {len(value)}" if value else "an empty list"
    return repr(value) if type(value) in NUMBERS else "a mapping"


def _check_size(value: list[Any], expression: Expression, scope: _Scope) -> int:
    """The size of a list. Raises ExpressionError if it is too large."""
    size = list_size(value)
    scope.budget.spend(size, expression)
    if size > MOST_ITEMS:
        raise _too_large(expression)
    return size


def _too_large(expression: Expression) -> ExpressionError:
    message = f"the list has more than {MOST_ITEMS:,} items, or nests deeper than {DEEPEST}"
    return error_at(expression, message)


def _boolean(expression: Expression, scope: _Scope, what: str) -> bool:
    value = _evaluate(expression, scope)
    if value is True or value is False:
        return value
    hint = "compare it, for example `x != 0`" if type(value) in NUMBERS else None
    raise error_at(expression, f"{what} must be true or false, got {_format(value)}", hint)


def _evaluate(expression: Expression, scope: _Scope) -> Any:
    return _EVALUATORS[type(expression)](expression, scope)


def _literal(expression: Literal, scope: _Scope) -> Any:
    return expression.value


def _name(expression: Name, scope: _Scope) -> Any:
    name = expression.name
    if name in scope.names and not isinstance(scope.names[name], InputAxes):
        return check_bounds(scope.names[name], expression)
    known = sorted(key for key, value in scope.names.items() if not isinstance(value, InputAxes))
    if name in FUNCTIONS:
        hint: str | None = f"write {FUNCTIONS[name].usage}"
    else:
        hint = did_you_mean(name, known) or (f"known here: {', '.join(known)}" if known else None)
    raise error_at(expression, f"`{name[:40]}` is not defined here", hint)


def _incoming(expression: Incoming, scope: _Scope) -> int:
    hint = "the axes of the input are available in `layers`"
    return _axis("in", expression, scope.incoming, hint)


def _entry(expression: Entry, scope: _Scope) -> int:
    hint = "it stands for what comes into a block, or for the only input of a network"
    return _axis(expression.name, expression, scope.names.get(expression.name), hint)


def _axis(
    word: str, expression: Incoming | Entry, axes: Mapping[str, int] | None, hint: str
) -> int:
    axis = expression.axis
    if axes is None:
        raise error_at(expression, f"{word}.{axis}: there is no input here", hint)
    if axis not in axes:
        message = f"{word}.{axis}: the input has {', '.join(axes)}"
        raise error_at(
            expression,
            message,
            did_you_mean(axis, axes) or f"for example {word}.{next(iter(axes))}",
        )
    return axes[axis]


def _unary(expression: Unary, scope: _Scope) -> Any:
    sign, operand = expression.operator, expression.operand
    if sign == "not":
        return not _boolean(operand, scope, "the operand of `not`")
    value = _evaluate(operand, scope)
    if type(value) not in NUMBERS:
        raise error_at(operand, f"`{sign}` needs a number, got {_format(value)}")
    return -value if sign == "-" else value


_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}
_DIVISIONS = frozenset({"/", "//", "%"})


def _binary(expression: Binary, scope: _Scope) -> Any:
    sign = expression.operator
    left, right = _evaluate(expression.left, scope), _evaluate(expression.right, scope)
    if type(left) in NUMBERS and type(right) in NUMBERS:
        if right == 0 and sign in _DIVISIONS:
            message = f"`{sign}` divides by zero"
            raise error_at(expression.right, message, "test it before: `a / b if b != 0 else 1`")
        return check_bounds(_ARITHMETIC[sign](left, right), expression)
    if sign == "+":
        return _concatenate(expression, left, right, scope)
    operand, value = expression.left, left
    if type(left) in NUMBERS:
        operand, value = expression.right, right
    hint = "write the list out" if sign == "*" and type(value) is list else _number_for(value)
    raise error_at(operand, f"`{sign}` needs numbers, got {_format(value)}", hint)


def _number_for(value: Any) -> str | None:
    return "write `1 if condition else 0`" if type(value) is bool else None


def _concatenate(expression: Binary, left: Any, right: Any, scope: _Scope) -> Any:
    """`+` between lists or strings."""
    if type(left) is list and type(right) is list:
        size = _check_size(left, expression.left, scope) + _check_size(
            right, expression.right, scope
        )
        if size > MOST_ITEMS:
            raise _too_large(expression)
        return left + right
    if type(left) is str and type(right) is str:
        if len(left) + len(right) > MOST_CHARACTERS:
            message = f"the string is longer than {MOST_CHARACTERS:,} characters"
            raise error_at(expression, message)
        return left + right
    for operand, value in ((expression.left, left), (expression.right, right)):
        if type(value) not in (int, float, str, list):
            message = f"`+` needs numbers, strings or lists, got {_format(value)}"
            raise error_at(operand, message, _number_for(value))
    message = f"`+` joins values of one kind, got {_format(left)} and {_format(right)}"
    raise error_at(expression, message)


_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_KINDS = {int: 0, float: 0, bool: 1, str: 2, type(None): 3, list: 4}


def _comparison(expression: Comparison, scope: _Scope) -> bool:
    left_operand = expression.first
    left = _evaluate(left_operand, scope)
    for sign, right_operand in expression.rest:
        right = _evaluate(right_operand, scope)
        if sign in _ORDER:
            _check_order(sign, (left_operand, left), (right_operand, right))
            holds = _ORDER[sign](left, right)
        else:
            for operand, value in ((left_operand, left), (right_operand, right)):
                if type(value) is list:
                    _check_size(value, operand, scope)
                elif type(value) not in _KINDS:
                    raise error_at(operand, f"`{sign}` cannot compare a mapping")
            holds = _equal(left, right) is (sign == "==")
        if not holds:
            return False
        left_operand, left = right_operand, right
    return True


def _check_order(sign: str, left: tuple[Expression, Any], right: tuple[Expression, Any]) -> None:
    for operand, value in (left, right):
        if type(value) not in (int, float, str):
            raise error_at(operand, f"`{sign}` needs numbers or strings, got {_format(value)}")
    if _KINDS[type(left[1])] != _KINDS[type(right[1])]:
        start, end = left[0].offset, right[0].offset + right[0].length
        message = f"`{sign}` compares values of one kind, got {_format(left[1])} and "
        raise ExpressionError(message + _format(right[1]), start, end - start)


def _equal(left: Any, right: Any) -> bool:
    """Equality of values, kind by kind: 1 equals 1.0, not true. Lists nest DEEPEST at most."""
    if type(left) is list and type(right) is list:
        return len(left) == len(right) and all(map(_equal, left, right))
    kind = _KINDS.get(type(left))
    if kind is None:
        return left is right  # mappings, which are opaque to expressions
    return kind == _KINDS.get(type(right)) and bool(left == right)


def _logical(expression: Logical, scope: _Scope) -> bool:
    decisive = expression.operator == "or"
    for operand in expression.operands:
        if _boolean(operand, scope, f"an operand of `{expression.operator}`") is decisive:
            return decisive
    return not decisive


def _conditional(expression: Conditional, scope: _Scope) -> Any:
    holds = _boolean(expression.condition, scope, "the condition of `if`")
    return _evaluate(expression.then if holds else expression.otherwise, scope)


def _index(expression: Index, scope: _Scope) -> Any:
    value = _evaluate(expression.value, scope)
    position = _evaluate(expression.position, scope)
    if type(value) is not list and type(value) is not str:
        message = f"an index needs a list or a string before it, got {_format(value)}"
        raise error_at(expression.value, message)
    position = _whole(position, expression.position, "an index")
    if not -len(value) <= position < len(value):
        last = f"the last is {len(value) - 1}" if value else "there is nothing to index"
        message = f"index {position} is out of range: {last}"
        counts = "indices count from 0, or back from -1" if value else None
        raise error_at(expression.position, message, counts)
    return check_bounds(value[position], expression)


def _whole(value: Any, expression: Expression, what: str) -> int:
    """A whole number, or a float without a fraction as one."""
    if type(value) is float and value.is_integer() and abs(value) < INTEGER_LIMIT:
        return int(value)
    if type(value) is not int:
        hint = "`round(x)` or `//` gives one" if type(value) is float else None
        raise error_at(expression, f"{what} must be a whole number, got {_format(value)}", hint)
    return value


def _slice(expression: Slice, scope: _Scope) -> Any:
    value = _evaluate(expression.value, scope)
    if type(value) is not list and type(value) is not str:
        message = f"a slice needs a list or a string before it, got {_format(value)}"
        raise error_at(expression.value, message)
    bounds: list[int | None] = []
    for operand in (expression.start, expression.stop):
        if operand is None:
            bounds.append(None)
        else:
            bounds.append(_whole(_evaluate(operand, scope), operand, "a bound of a slice"))
    result = value[bounds[0] : bounds[1]]
    if type(result) is list:
        scope.budget.spend(len(result), expression)
    return result


def _display(expression: Display, scope: _Scope) -> list[Any]:
    items = [_evaluate(item, scope) for item in expression.items]
    _check_size(items, expression, scope)
    return items


def _call(expression: Call, scope: _Scope) -> Any:
    arguments = [_evaluate(argument, scope) for argument in expression.arguments]
    for operand, value in zip(expression.arguments, arguments, strict=True):
        if type(value) is list:
            scope.budget.spend(len(value), operand)
    try:
        result = FUNCTIONS[expression.function].implementation(arguments)
    except ArgumentError as error:
        value = _format(arguments[error.argument])
        message = f"`{expression.function}` needs {error.expected}, got {value}"
        raise error_at(expression.arguments[error.argument], message) from None
    if type(result) is list:
        scope.budget.spend(len(result), expression)
    return check_bounds(result, expression)


_EVALUATORS: Mapping[type, Callable[[Any, _Scope], Any]] = {
    Literal: _literal,
    Name: _name,
    Incoming: _incoming,
    Entry: _entry,
    Unary: _unary,
    Binary: _binary,
    Comparison: _comparison,
    Logical: _logical,
    Conditional: _conditional,
    Index: _index,
    Slice: _slice,
    Display: _display,
    Call: _call,
}
