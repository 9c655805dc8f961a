"""Checks of names and expressions in a spec that need no evaluation.

Codes: ARC205 an invalid name, ARC301 a malformed expression, ARC302 an unknown name in an
expression.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set

from archc.diagnostics import Diagnostic, Span, names_hint
from archc.diagnostics.collector import Collector, Unknown
from archc.language import expressions
from archc.language.names import step_error, suggested_name
from archc.language.schema.findings import Findings
from archc.language.values import Value, at, mapping, parts, scalars

ANY = "*"
"""Among known names: there may be others, since their definitions have errors."""
INPUTS_HINT = (
    "`in.AXIS` is of the step's input, `input.AXIS` of the block's; others are `inputs` of it"
)


class Checker:
    """Checks values and collects diagnostics. `invalid` are the values with errors, `misspelt` has
    the known keys that the unknown ones of a mapping resemble."""

    def __init__(self, findings: Findings) -> None:
        self.diagnostics = Collector()
        self.invalid = set(findings.invalid)
        self.misspelt = findings.misspelt
        # What comes into the block whose values are checked, by name.
        self.inputs_here: frozenset[str] = frozenset({expressions.INPUT})

    def error(
        self,
        code: str,
        message: str,
        span: Span,
        hint: str | None = None,
        unknown: Unknown | None = None,
    ) -> None:
        self.diagnostics.report(Diagnostic(code, message, span, hint), unknown=unknown)

    def is_valid(self, value: Value) -> bool:
        """Whether a value has no errors."""
        return not self.invalid or not any(part in self.invalid for part in parts(value))

    def is_unknown(self, value: Value, key: str) -> bool:
        """Whether the value of `key` is unknown because it is invalid or its key is misspelt."""
        fields = mapping(value)
        if key in fields:
            return fields[key] in self.invalid
        return key in self.misspelt.get(value, ())

    def check_name(self, value: Value, check: Callable[[str], str | None]) -> None:
        error = None if value in self.invalid else check(str(value.data))
        if error is not None:
            hint = suggested_name(str(value.data), check)
            self.error("ARC205", f"the name `{value.data}` {error}", value.span, hint)

    def check_step_name(self, value: Value, known: frozenset[str]) -> bool:
        """Whether a step's name is text without a malformed expression. One that is invalid
        otherwise is reported, and still the name of its step."""
        if value in self.invalid:
            return False
        if expressions.has_expressions(value.data):
            return self.check_names(value, known)
        self.check_name(value, step_error)
        return True

    def check_names(self, value: Value, known: frozenset[str]) -> bool:
        """As `check_values`, for names of steps, which may have several expressions each."""
        return self.check_scalars(value, expressions.parse_text, known)

    def check_keys(self, entries: Mapping[str, Value], check: Callable[[str], str | None]) -> None:
        for key, value in entries.items():
            error = check(key)
            if error is not None:
                span = value.key_span or value.span
                hint = suggested_name(key, check)
                self.error("ARC205", f"the name `{key}` {error}", span, hint)

    def check_values(self, value: Value, known: Set[str], hint: str | None = None) -> bool:
        """Report malformed expressions and unknown names in `value`. Returns whether it has no
        errors, including those of the schema."""
        return self.check_scalars(value, _whole_expression, known, hint)

    def check_scalars(
        self,
        value: Value,
        parse: Callable[[str], tuple[str | expressions.Expression, ...]],
        known: Set[str],
        hint: str | None = None,
    ) -> bool:
        before = len(self.diagnostics)
        for scalar in scalars(value):
            if scalar not in self.invalid and isinstance(scalar.data, str) and "$" in scalar.data:
                try:
                    parts = parse(scalar.data)
                except expressions.ExpressionError as error:
                    span = at(scalar, error.offset, error.length)
                    self.error("ARC301", error.message, span, error.hint)
                    self.invalid.add(scalar)
                else:
                    for part in parts:
                        if not isinstance(part, str):
                            self.check_references(scalar, part, known, hint)
        return len(self.diagnostics) == before and self.is_valid(value)

    def check_references(
        self,
        scalar: Value,
        expression: expressions.Expression,
        known: Set[str],
        hint: str | None,
    ) -> None:
        for entry in expressions.entries(expression):
            if entry.name not in self.inputs_here and ANY not in self.inputs_here:
                self.invalid.add(scalar)
                message = f"nothing that comes in here is called `{entry.name}`"
                span = at(scalar, entry.offset, len(entry.name))
                self.error("ARC302", message, span, INPUTS_HINT)
        if ANY in known:
            return
        for name, offset, length in expressions.references(expression):
            if name not in known:
                self.invalid.add(scalar)
                message, span = f"unknown name `{name}`", at(scalar, offset, length)
                own = f"write an axis of it, for example {name}.channels"
                if name in self.inputs_here:
                    self.error("ARC302", message, span, own)
                    continue
                unknown = Unknown(name, lambda: known, lambda: hint or _known_names(known))
                self.error("ARC302", message, span, unknown=unknown)


def _whole_expression(scalar: str) -> tuple[expressions.Expression, ...]:
    return (expressions.parse(scalar),) if expressions.is_expression(scalar) else ()


def _known_names(known: Set[str]) -> str | None:
    if not known:
        return "no names are defined here: define them under `params` of the spec or of the block"
    return names_hint("known here:", sorted(known))
