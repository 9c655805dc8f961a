"""Names of steps: given, computed or counted, and what a name under `from` refers to.

Codes: ARC205 an invalid computed name, ARC206 a value that is no name, ARC402 a list of no names,
ARC407 an unknown or duplicate name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from archc.diagnostics import Diagnostic, Note
from archc.diagnostics.collector import Unknown
from archc.ir.graph import Node, Region
from archc.ir.scope import UNKNOWN, Scope
from archc.language.evaluate import EvaluationError, UnknownValueError
from archc.language.expressions import INPUT, has_expressions
from archc.language.names import step_error, suggested_name
from archc.language.syntax import Step
from archc.language.values import Value, format_value

Evaluate = Callable[[Value], object]
"""Evaluates a name with expressions in it. Raises EvaluationError, UnknownValueError."""

Report = Callable[[Diagnostic, Unknown | None], None]

NAME_HINT = "a step can use the steps above it"
WEIGHTS_HINT = "a step can use the variables of steps above it, in the same block or network"
OUTPUT_HINT = "an output of a block is the name of one of its own steps"


def add_name(step: Step, kind: str, scope: Scope, evaluate: Evaluate, report: Report) -> str:
    """The step's name, added to the scope: its own, or a counted one. A computed name is whole as
    it is, others get the indices of their repetitions. Raises EvaluationError and
    UnknownValueError."""
    if step.name is None:
        name = scope.next_name(kind)
        scope.add(name, step.span)
        return name
    own_name = str(step.name.data)
    if has_expressions(own_name):
        own_name = name = _computed_name(step.name, evaluate)
    else:
        name = scope.with_indices(own_name)
    other = scope.alike(name)
    if other is not None and step_error(own_name) is None:
        note = Note("first defined here", scope.spans[other])
        message = f"duplicate step name `{scope.join(name)}`"
        hint = "choose another name"
        if other != name:
            hint = f"`{other}` differs from it by `-` or capitals alone: {hint}"
        report(Diagnostic("ARC407", message, step.name.span, hint, (note,)), None)
    scope.add(name, step.name.span)
    scope.latest[own_name] = name
    return name


def _computed_name(value: Value, evaluate: Evaluate) -> str:
    name = evaluate(value)
    if not isinstance(name, str):
        message = f"a step has one name, got {format_value(name)}"
        raise EvaluationError(Diagnostic("ARC206", message, value.span))
    error = step_error(name)
    if error is not None:
        hint = suggested_name(name, step_error)
        message = f"the name {format_value(name)} {error}"
        raise EvaluationError(Diagnostic("ARC205", message, value.span, hint))
    return name


def find_nodes(
    value: Value, scope: Scope, evaluate: Evaluate, report: Report, hint: str = NAME_HINT
) -> list[int]:
    """The nodes that a name refers to, UNKNOWN where an error is reported: in the scope, then in
    the enclosing ones. `skip_*` are all steps called `skip`, and a list names one after the
    other."""
    try:
        evaluated = evaluate(value)
    except EvaluationError as error:
        report(error.diagnostic, None)
        return [UNKNOWN]
    except UnknownValueError:
        return [UNKNOWN]
    nodes: list[int] = []
    paths = evaluated if isinstance(evaluated, list) else [evaluated]
    if not paths:
        hint = "name one, or leave it out"
        report(Diagnostic("ARC402", "the list of steps is empty", value.span, hint), None)
        return [UNKNOWN]
    for path in paths:
        if not isinstance(path, str):
            message = f"`from` takes names of steps, got {format_value(path)}"
            report(Diagnostic("ARC206", message, value.span), None)
            return [UNKNOWN]
        found = scope.find_all(path)
        if not found:
            _report_unknown(path, value, scope, report, hint)
        nodes += found or [UNKNOWN]
    return nodes


def find_owner(
    value: Value, scope: Scope, evaluate: Evaluate, report: Report
) -> Node | Region | None:
    """The step that `weights` names. None where an error is reported: there is no such step above,
    or it stands in another block. Raises EvaluationError and UnknownValueError."""
    path = evaluate(value)
    if not isinstance(path, str):
        message = f"`weights` takes the name of a step, got {format_value(path)}"
        raise EvaluationError(Diagnostic("ARC206", message, value.span))
    owner = scope.find_step(path)
    if owner is not None:
        return owner
    if scope.hidden_in(path) is not None or scope.find(path) is not None:
        message = f"`{path[:64]}` is no step whose variables another one can use here"
        hint = "name a step of the same block, or a whole instance of a block"
        if scope.find(path) != UNKNOWN:
            report(Diagnostic("ARC415", message, value.span, hint), None)
        return None
    _report_unknown(path, value, scope, report, WEIGHTS_HINT)
    return None


def block_outputs(
    values: Iterable[Value], scope: Scope, evaluate: Evaluate, report: Report
) -> dict[str, int]:
    """The steps of a block's instance, whose scope is `scope`, that `outputs` of the block names:
    the nodes by the names that the steps around the instance use. Errors are reported."""
    outputs: dict[str, int] = {}
    for value in values:
        try:
            evaluated = evaluate(value)
        except EvaluationError as error:
            report(error.diagnostic, None)
            continue
        except UnknownValueError:
            continue
        for name in map(str, evaluated if isinstance(evaluated, list) else [evaluated]):
            if name.endswith("*"):
                own = {one: one for one in scope.numbered.get(name[:-1], ())}
            else:
                own = {name: name if name in scope.outputs else scope.latest.get(name, name)}
            for exposed, step in own.items():
                if step in scope.outputs and step not in scope.inputs:
                    outputs[exposed] = scope.outputs[step]
                else:
                    _report_unknown(exposed, value, scope, report, OUTPUT_HINT)
            if not own:
                _report_unknown(name, value, scope, report, OUTPUT_HINT)
    return outputs


def _report_unknown(path: str, value: Value, scope: Scope, report: Report, hint: str) -> None:
    if scope.may_hold(path):
        return
    diagnostic = Diagnostic("ARC407", f"unknown step `{path[:64]}`", value.span, hint)
    block = scope.hidden_in(path)
    if block is not None:
        hint = f"list it under `outputs` of block `{block}`"
        report(diagnostic._replace(hint=hint), None)
    elif path == INPUT:
        report(diagnostic, None)
    else:
        report(diagnostic, Unknown(path, scope.known, lambda: hint))
