"""Values of a spec under the names at hand: expressions are evaluated, the rest is taken as it is.

Code: ARC303 an expression that cannot be evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping

from archc.diagnostics import Diagnostic
from archc.language import expressions
from archc.language.expressions import Budget
from archc.language.syntax import Document
from archc.language.values import Value, at, scalars

Environment = Mapping[str, object]

WORK = 20_000_000
"""What all the expressions of a spec may take together, in the steps of `Budget`."""

INVALID = object()
"""The value of a name whose definition is at fault."""


class Fault(Exception):
    """One step cannot be carried out."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


class Unknown(Exception):
    """What a value depends on is at fault elsewhere, and told there."""


def evaluate(
    value: Value, names: Environment, incoming: Mapping[str, int] | None, budget: Budget
) -> object:
    """A value with every expression in it evaluated, as plain data, out of a budget of work.
    Raises Fault (ARC303), and Unknown where it uses a name that is INVALID."""
    data = value.data
    if isinstance(data, str):
        return _evaluate_text(value, data, names, incoming, budget) if data[:1] == "$" else data
    if isinstance(data, list):
        items = [evaluate(item, names, incoming, budget) for item in data]
        # A list may hold another by its name, many times over.
        if expressions.list_size(items) > expressions.MOST_ITEMS:
            message = f"the list has more than {expressions.MOST_ITEMS:,} items, or nests too deep"
            raise Fault(Diagnostic("ARC303", message, value.span))
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
    expression = expressions.parse(text)
    used = (name for name, _, _ in expressions.references(expression))
    if any(names.get(name, INVALID) is INVALID for name in used):
        raise Unknown
    try:
        return expressions.evaluate(expression, names, incoming, budget)
    except expressions.ExpressionError as error:
        span = at(value, error.offset, error.length)
        raise Fault(Diagnostic("ARC303", error.message, span, error.hint)) from None


def evaluate_params(
    document: Document, overrides: Mapping[str, object]
) -> tuple[dict[str, object], list[Diagnostic]]:
    """The parameters' values, in order, `overrides` taking the place of the spec's own, and what is
    wrong with them. A parameter at fault is INVALID."""
    values: dict[str, object] = {}
    found = []
    budget = Budget(WORK)
    for name, default in document.params.items():
        values[name] = INVALID
        if name in overrides:
            values[name] = overrides[name]
        elif name not in document.unsure:
            try:
                values[name] = evaluate(default, values, None, budget)
            except Fault as fault:
                found.append(fault.diagnostic)
            except Unknown:
                continue
    return values, found


def parsed(value: Value) -> list[expressions.Expression]:
    """The expressions in a value, in order."""
    return [
        expressions.parse(str(scalar.data))
        for scalar in scalars(value)
        if expressions.is_expression(scalar.data)
    ]


def asks_for_axes(value: Value) -> bool:
    """Whether an expression in `value` uses the incoming axes."""
    return any(expressions.axes(expression) for expression in parsed(value))


def written(fields: Mapping[str, Value]) -> dict[str, expressions.Expression]:
    """The fields that are one expression as a whole."""
    return {
        name: expressions.parse(str(value.data))
        for name, value in fields.items()
        if expressions.is_expression(value.data)
    }
