"""Evaluation of the values of steps, each with the axes of the step's input."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from archc.diagnostics import Diagnostic, Note
from archc.language import expressions
from archc.language.evaluate import (
    WORK,
    Environment,
    EvaluationError,
    UnknownValueError,
    evaluate,
    evaluate_text,
    parse_expressions,
    uses_axes,
)
from archc.language.values import Value, format_value
from archc.ops.axes import Axes


class Evaluation:
    """Evaluates values within one budget of work. `params` are the spec's parameters as they are
    written, `values` what they come to."""

    def __init__(self, params: Mapping[str, Value], values: Environment) -> None:
        self.params = params
        self.values = values
        self.budget = expressions.Budget(WORK)
        # Lists without expressions, one object for all executions of a step; and those with some.
        self._constants: dict[Value, object] = {}
        self._variable: set[Value] = set()
        self._rejected: set[tuple[str, int]] = set()  # names whose value an op rejected

    def value(self, value: Value, axes: Axes | None, names: Environment) -> object:
        """A value where `axes` come in, None if they are unknown. Raises EvaluationError, and
        UnknownValueError if it depends on an error that is reported already."""
        if value in self._constants:
            return self._constants[value]
        if isinstance(value.data, list) and value not in self._variable:
            if not parse_expressions(value):
                return self._constants.setdefault(value, evaluate(value, names, None, self.budget))
            self._variable.add(value)
        return self._evaluated(evaluate, value, axes, names)

    def text(self, value: Value, axes: Axes | None, names: Environment) -> object:
        """A name with expressions in it. Raises EvaluationError and UnknownValueError."""
        return self._evaluated(evaluate_text, value, axes, names)

    def condition(
        self, value: Value, axes: Axes | None, names: Environment, key: str = "when"
    ) -> bool:
        """The condition under a key of a step. Raises EvaluationError and UnknownValueError."""
        result = self.value(value, axes, names)
        if not isinstance(result, bool):
            message = f"`{key}` must be true or false, got {format_value(result)}"
            raise EvaluationError(Diagnostic("ARC206", message, value.span))
        return result

    def reject(self, value: Value, names: Environment) -> tuple[Note, ...]:
        """Remember a name whose value is rejected. Returns notes on the spec's parameters that the
        expression uses."""
        if expressions.is_expression(value.data):
            expression = expressions.parse(str(value.data))
            if isinstance(expression, expressions.Name):
                self._rejected.add((expression.name, id(names[expression.name])))
        used = dict.fromkeys(
            name
            for expression in parse_expressions(value)
            for name, _, _ in expressions.references(expression)
            if name in self.params and names[name] is self.values[name]
        )
        values = {name: format_value(self.values[name]) for name in used}
        return tuple(Note(f"`{name}` is {values[name]}", self.params[name].span) for name in used)

    def _evaluated(
        self,
        evaluator: Callable[..., object],
        value: Value,
        axes: Axes | None,
        names: Environment,
    ) -> object:
        if self._rejected and any(
            (name, id(names.get(name))) in self._rejected
            for expression in parse_expressions(value)
            for name in expressions.names(expression)
        ):
            raise UnknownValueError
        if axes is not None:
            return evaluator(value, names, axes.as_dict(), self.budget)
        if uses_axes(value):
            raise UnknownValueError
        return evaluator(value, names, None, self.budget)
