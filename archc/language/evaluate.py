"""Evaluation of a spec's values: expressions are evaluated, other values are returned as they are.

Code: ARC303 an expression that cannot be evaluated.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, MutableMapping
from typing import cast

from archc.diagnostics import Diagnostic
from archc.diagnostics.collector import Collector
from archc.language import expressions
from archc.language.expressions import Budget
from archc.language.syntax import Document
from archc.language.values import Value, at, format_value, scalars
from archc.ops.fields import LARGEST

Environment = Mapping[str, object]

WORK = 20_000_000
"""The budget of all expressions of a spec together, in the steps of `Budget`."""

MOST_COPIED = 100
"""Names that are copied for a scope inside another one; more are looked up in both."""

INVALID = object()
"""The value of a name whose definition has an error."""


class EvaluationError(Exception):
    """A value or step that cannot be evaluated."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


class UnknownValueError(Exception):
    """A value depends on another one whose error is already reported."""


def extended(names: Environment, more: dict[str, object]) -> Environment:
    """Names with others before them."""
    if isinstance(names, ChainMap):
        return names.new_child(more)
    if len(names) + len(more) <= MOST_COPIED:
        return {**names, **more}
    return ChainMap(more, cast("MutableMapping[str, object]", names))


def evaluate(
    value: Value, names: Environment, incoming: Mapping[str, int] | None, budget: Budget
) -> object:
    """A value with all its expressions evaluated, as plain data, within a budget of work.
    Raises EvaluationError (ARC303), and UnknownValueError if it uses a name that is INVALID."""
    data = value.data
    if isinstance(data, str):
        return _evaluate_text(value, data, names, incoming, budget) if data[:1] == "$" else data
    if isinstance(data, list):
        budget.steps -= len(data)
        if budget.steps < 0:
            message, hint = expressions.TOO_MANY_STEPS, expressions.FEWER_STEPS
            raise EvaluationError(Diagnostic("ARC303", message, value.span, hint))
        items = [evaluate(item, names, incoming, budget) for item in data]
        # A list can contain another one many times, by its name.
        if expressions.list_size(items) > expressions.MOST_ITEMS:
            message = f"the list has more than {expressions.MOST_ITEMS:,} items, or nests too deep"
            raise EvaluationError(Diagnostic("ARC303", message, value.span))
        return items
    if isinstance(data, dict):
        return {key: evaluate(item, names, incoming, budget) for key, item in data.items()}
    return data


def _evaluate_text(
    value: Value,
    text: str,
    names: Environment,
    incoming: Mapping[str, int] | None,
    budget: Budget,
) -> object:
    return _evaluate_expression(value, expressions.parse(text), names, incoming, budget)


def evaluate_text(
    value: Value, names: Environment, incoming: Mapping[str, int] | None, budget: Budget
) -> object:
    """A name with the expressions in it evaluated. A list where the whole is an expression that
    gives one. Raises EvaluationError (ARC206, ARC303) and UnknownValueError."""
    parts = expressions.parse_text(str(value.data))
    evaluated = [
        part
        if isinstance(part, str)
        else _evaluate_expression(value, part, names, incoming, budget)
        for part in parts
    ]
    if len(parts) == 1 and isinstance(evaluated[0], list):
        return evaluated[0]
    return "".join(_as_text(part, value) for part in evaluated)


def _as_text(part: object, value: Value) -> str:
    if isinstance(part, float) and part.is_integer():
        part = int(part)
    if isinstance(part, bool) or not isinstance(part, str | int):
        message = f"a name is made of text and whole numbers, got {format_value(part)}"
        raise EvaluationError(Diagnostic("ARC206", message, value.span))
    return str(part)


def _evaluate_expression(
    value: Value,
    expression: expressions.Expression,
    names: Environment,
    incoming: Mapping[str, int] | None,
    budget: Budget,
) -> object:
    used = [name for name, _, _ in expressions.references(expression)]
    if any(names.get(entry.name) is INVALID for entry in expressions.entries(expression)):
        raise UnknownValueError
    if any(names.get(name, INVALID) is INVALID for name in used):
        raise UnknownValueError
    try:
        return _plain_number(expressions.evaluate(expression, names, incoming, budget))
    except expressions.ExpressionError as error:
        span = at(value, error.offset, error.length)
        raise EvaluationError(Diagnostic("ARC303", error.message, span, error.hint)) from None


def _plain_number(value: object) -> object:
    """What an expression comes to, whole numbers without a decimal point: `$(64 * 0.25)` is 16."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST:
        return int(value)
    return value


def evaluate_params(
    document: Document, overrides: Mapping[str, object]
) -> tuple[dict[str, object], list[Diagnostic]]:
    """The parameters' values, in order, with `overrides` in place of the spec's, and diagnostics. A
    parameter with an error is INVALID."""
    values: dict[str, object] = {}
    diagnostics = Collector()
    budget = Budget(WORK)
    for name, default in document.params.items():
        values[name] = INVALID
        if name in overrides:
            values[name] = overrides[name]
        elif name not in document.invalid_names:
            try:
                values[name] = evaluate(default, values, None, budget)
            except EvaluationError as error:
                diagnostics.report(error.diagnostic)
            except UnknownValueError:
                continue
    return values, diagnostics.diagnostics()


def parse_expressions(value: Value) -> list[expressions.Expression]:
    """The expressions in a value, in order."""
    return [
        expressions.parse(str(scalar.data))
        for scalar in scalars(value)
        if expressions.is_expression(scalar.data)
    ]


def uses_axes(value: Value) -> bool:
    """Whether an expression in `value` uses axes of the input (`in.channels`)."""
    return any(expressions.axes(expression) for expression in parse_expressions(value))


def parse_fields(fields: Mapping[str, Value]) -> dict[str, expressions.Expression]:
    """The fields that are a single expression, parsed."""
    return {
        name: expressions.parse(str(value.data))
        for name, value in fields.items()
        if expressions.is_expression(value.data)
    }
