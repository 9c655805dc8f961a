"""The errors of a document that does not conform to the schema: one diagnostic for each, at the
invalid value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from operator import getitem
from typing import Any

from archc.diagnostics import (
    Diagnostic,
    Span,
    SpecError,
    did_you_mean,
    in_file_order,
    omitted,
)
from archc.language.module_names import network_error
from archc.language.names import class_error, name_error, step_error, suggested_name
from archc.language.schema import schema
from archc.language.schema.conformance import Conformance
from archc.language.schema.findings import Findings
from archc.language.schema.violations import Violation, violations_of
from archc.language.syntax import STEP_KEYS
from archc.language.terms import key_hint, op_hint
from archc.language.values import Value, format_value, mapping
from archc.ops import MERGES, OPS
from archc.ops.base import Op
from archc.ops.fields import fields_of

_NOT_CHECKED = "correct those above first: the rest of the spec is not checked"


def diagnose(document: Value, conformance: Conformance) -> Findings:
    """The errors of a document, as `validate` raises or returns them."""
    findings = Findings([], set(), {})
    violations, more = violations_of(document, schema(), conformance)
    for violation in violations:
        if violation.keyword == "additionalProperties":
            value = _walk(document, violation.path)
            known = _schema_at(violation).get("properties", {})
            similar = (_similar_key(key, known) for key in violation.keys)
            findings.misspelt[value] = [key for key in similar if key]
    for violation in violations:
        value = _walk(document, violation.path)
        node = _schema_at(violation)
        if violation.keyword == "additionalProperties":
            for key in violation.keys:
                cut = _cut_expression(value, key)
                if cut is None:
                    findings.diagnostics.append(
                        _unknown(value, key, node["properties"], violation.path)
                    )
                else:
                    findings.diagnostics.append(_truncated_expression(cut, key))
                    findings.invalid.add(cut)
            # Without an unknown key the rest is valid, unless that is a misspelt known one.
            if findings.misspelt[value] or not _can_be_dropped(violation.path):
                findings.invalid.add(value)
            continue
        findings.invalid.add(value)
        if not _is_reported(violation, findings.misspelt.get(value, ())):
            findings.diagnostics.append(_diagnose(document, value, node, violation))
    if more:
        last = in_file_order(findings.diagnostics)[-1]
        raise SpecError([*findings.diagnostics, omitted(more, last.span, _NOT_CHECKED)])
    return findings


def _is_reported(violation: Violation, similar: Sequence[str]) -> bool:
    """Whether a key is missing because it is misspelt, which is reported already."""
    if violation.keyword == "anyOf" and not violation.path:
        return "layers" in similar or "extends" in similar
    return violation.keyword == "required" and violation.missing in similar


def _schema_at(violation: Violation) -> Any:
    """The part of the schema that is violated."""
    *_, part = _schemas(violation.schema_path[:-1])
    return part


def _schemas(path: Iterable[str | int]) -> Iterator[Any]:
    """The parts of the schema along a path, from the whole on, with references followed."""
    part = schema()
    yield part
    for key in path:
        part = part[key]
        if isinstance(part, dict) and "$ref" in part:
            names = part["$ref"].removeprefix("#/").split("/")
            part = reduce(getitem, names, schema())
        yield part


def _walk(document: Value, path: list[str | int]) -> Value:
    for part in path:
        if isinstance(part, str):
            assert isinstance(document.data, dict)
            document = document.data[part]
        else:
            assert isinstance(document.data, list)
            document = document.data[part]
    return document


def _expected(path: Iterable[str | int]) -> str:
    """The `x-expected` of the innermost part of the schema on the path that has one."""
    parts = [part for part in _schemas(path) if isinstance(part, dict)]
    words = [part["x-expected"] for part in parts if "x-expected" in part]
    return words[-1] if words else "something else"


def _can_be_dropped(path: list[str | int]) -> bool:
    """Whether the rest of a mapping is valid without an unknown key: in the spec itself, a step, an
    op, a block."""
    if not path or isinstance(path[-1], int):
        return True
    if path[0] == "blocks" and len(path) == 2:
        return True
    return len(path) > 1 and isinstance(path[-2], int) and path[-1] in OPS


def _cut_expression(value: Value, key: str) -> Value | None:
    """The expression before an unknown key that YAML truncated at a comma, if there is one."""
    before: Value | None = None
    assert isinstance(value.data, dict)
    for other, child in value.data.items():
        if other == key:
            break
        before = child
    if before is None or not isinstance(before.data, str) or before.quoted:
        return None
    text = before.data
    return before if text[:1] == "$" and text.count("(") > text.count(")") else None


def _truncated_expression(cut: Value, key: str) -> Diagnostic:
    message = f"a comma ends the expression `{str(cut.data)[:64]}` here"
    hint = f'put it in quotes: "{cut.data}, {key}"' if len(key) <= 64 else "put it in quotes"
    return Diagnostic("ARC301", message, cut.span, hint)


def _diagnose(document: Value, value: Value, node: Any, violation: Violation) -> Diagnostic:
    path = violation.path
    if violation.keyword == "required":
        missing = violation.missing
        message = f"{_owner(path)} has no `{missing}`"
        return Diagnostic("ARC202", message, _head(value), _missing_hint(node, missing))
    if violation.keyword == "anyOf" and not path:
        message = "the spec has neither `layers` nor `extends`"
        return Diagnostic("ARC202", message, _head(value), "list the steps under `layers`")
    if violation.schema_path[-2:] == ["then", "enum"] and isinstance(value.data, str):
        return _unknown_step(value, value.data)
    subject = _subject(path)
    expected = _expected(violation.schema_path[:-1])
    op = _bare_op(document, path)
    if op is not None:
        fields = {field.name: field for field in fields_of(op)}
        if not fields:
            message = f"{op.name} takes no fields, got {format_value(value.plain())}"
            return Diagnostic("ARC203", message, value.span, f"write `- {op.name}`")
        if op.shorthand is not None:
            subject = f"`{op.shorthand}` of {op.name}"
            expected = f"{fields[op.shorthand].kind.expected}, or an expression"
    if len(path) > 1 and path[-2] in MERGES:
        subject, expected = f"a branch of {path[-2]}", "a list of steps"
    if value.data is None and value.span.column == value.span.end_column:
        span = value.key_span or value.span
        return Diagnostic("ARC203", f"{subject} has no value", span, f"expected {expected}")
    if value.data == [] or value.data == {}:
        return Diagnostic("ARC203", f"{subject} is empty", value.span, f"expected {expected}")
    message = f"{subject} must be {expected}, got {format_value(value.plain())}"
    return Diagnostic("ARC203", message, value.span, _wrong_hint(path, value, node, expected))


def _head(value: Value) -> Span:
    """The span for a missing key: the key of the mapping, or the mapping's start."""
    span = value.key_span or value.span
    if span.end_line == span.line:
        return span
    return span._replace(end_line=span.line, end_column=span.column + 1)


def _unknown(value: Value, key: str, known: dict[str, Any], path: list[str | int]) -> Diagnostic:
    assert isinstance(value.data, dict)
    span = value.data[key].key_span or value.data[key].span
    if "conv" in known:
        here = [other for other in value.data if other in known and other not in STEP_KEYS]
        if here:
            hint = key_hint(key, STEP_KEYS) or f"known: {', '.join(sorted(STEP_KEYS))}"
            if here[0] in OPS and key in (field.name for field in fields_of(OPS[here[0]])):
                hint = f"indent it further: it is a field of {here[0]}"
            return Diagnostic("ARC204", f"unknown step key `{key[:64]}`", span, hint)
        hint = op_hint(key, known)
        return Diagnostic("ARC204", f"unknown op or step key `{key[:64]}`", span, hint)
    if path[-1:] == ["activation"]:
        return _unknown_activation(key, span)
    if path and path[-1] in OPS and not known:
        message = f"{path[-1]} takes no fields, got `{key[:64]}`"
        return Diagnostic("ARC201", message, span, f"write `- {path[-1]}`")
    hint = key_hint(key, known) or f"known: {', '.join(known)}"
    return Diagnostic("ARC201", f"{_owner(path)} has no key `{key[:64]}`", span, hint)


def _unknown_activation(name: str, span: Span) -> Diagnostic:
    from archc.ops.activation import OPS as ACTIVATIONS

    if name in OPS and OPS[name] in ACTIVATIONS:
        hint = f"write `activation: {name}`"
        return Diagnostic("ARC201", f"{name} takes no fields", span, hint)
    hint = op_hint(name, [op.name for op in ACTIVATIONS])
    return Diagnostic("ARC204", f"unknown activation `{name[:64]}`", span, hint)


def _similar_key(key: str, known: dict[str, Any]) -> str:
    """The known key that an unknown one resembles most; empty if there is none."""
    hint = key_hint(key, known)
    return hint.split('"')[1] if hint else ""


def _unknown_step(value: Value, name: str) -> Diagnostic:
    if name in MERGES:
        hint = "add branches, or `from: [a, b]`"
        return Diagnostic("ARC402", f"`{name}` has nothing to merge", value.span, hint)
    if name in OPS:
        needed = " and ".join(f"`{field.name}`" for field in fields_of(OPS[name]) if field.required)
        hint = f"`archc ops {name}` shows its fields"
        return Diagnostic("ARC202", f"{name} needs {needed}", value.span, hint)
    hint = op_hint(name, OPS)
    return Diagnostic("ARC204", f"unknown op `{name[:64]}`", value.span, hint)


def _missing_hint(node: Any, missing: str) -> str | None:
    doc = node.get("properties", {}).get(missing, {}).get("description")
    return f"`{missing}`: {doc}" if doc else None


def _bare_op(document: Value, path: list[str | int]) -> type[Op] | None:
    """The op that a path leads into, if its value is not a mapping of fields."""
    for end in range(len(path), 1, -1):
        name = path[end - 1]
        if isinstance(name, str) and name in OPS and isinstance(path[end - 2], int):
            bare = not isinstance(_walk(document, path[:end]).data, dict)
            return OPS[name] if bare and name not in MERGES else None
    return None


_FLAGS = {"yes": "true", "on": "true", "no": "false", "off": "false"}


def _wrong_hint(path: list[str | int], value: Value, node: Any, expected: str) -> str | None:
    if path == ["archc"]:
        return "this archc reads version 1 of the language"
    if expected.startswith("a list of steps") and isinstance(value.data, dict):
        return "start each step with `- `"
    op = OPS.get(str(path[-1])) if len(path) > 1 and isinstance(path[-2], int) else None
    if op is not None and op.shorthand is None and not isinstance(value.data, str):
        fields = ", ".join(f"{field.name}: ..." for field in fields_of(op) if field.required)
        return f"write `{op.name}: {{{fields}}}`"
    chosen = _words(path)[-2:]
    if chosen in (["select", "tokens"], ["select", "channels"]):
        return f"the last one is `$(in.{chosen[1]} - 1)`" if _is_negative(value) else None
    if expected.startswith("a list of step names"):
        return _outputs_hint(value)
    if not isinstance(value.data, str):
        return None
    if expected.startswith("true or false") and value.data.lower() in _FLAGS:
        return f"write `{_FLAGS[value.data.lower()]}`"
    if value.data[:1] == "(" and "list" in expected:
        return "write a list in [ ], or an expression in `$( )`"
    if "$" in value.data[1:] or value.data[:1] == "(":
        return "an expression is the whole value: `$name` or `$( ... )`"
    alternatives = [node, *node.get("anyOf", ())]
    if "pattern" in node or any("[a-z]" in part.get("pattern", "") for part in alternatives):
        checks = {"class": class_error, "name": step_error, "section": step_error}
        check = network_error if path == ["name"] else checks.get(str(path[-1]), name_error)
        return suggested_name(value.data, check)
    words = [word for part in alternatives for word in part.get("enum", ())]
    if path[-1:] == ["activation"]:
        return op_hint(value.data, words)
    return did_you_mean(value.data, words)


def _outputs_hint(value: Value) -> str:
    """A list of steps in place of what is none."""
    if isinstance(value.data, str):
        return f"write `[{value.data[:64]}]`"
    names = [
        f"{{{name}: training}}" if one.data == "training" else name
        for name, one in list(mapping(value).items())[:8]
    ]
    return f"write `[{', '.join(names) or 'NAME'}]`"


def _is_negative(value: Value) -> bool:
    return isinstance(value.data, int | float) and value.data < 0


def _words(path: list[str | int]) -> list[str]:
    return [part for part in path if isinstance(part, str)]


def _subject(path: list[str | int]) -> str:
    """A description of a path: its last key, and the op it belongs to."""
    words = _words(path)
    if not words:
        return "the spec"
    if words[-1] == "layers" and isinstance(path[-1], int):
        return "a step"
    if len(words) > 1 and words[-2] in OPS:
        return f"`{words[-1]}` of {words[-2]}"
    if len(words) > 1 and words[-2] == "for":
        return f"`{words[-1]}` of `for`"
    return f"`{words[-1]}`"


def _owner(path: list[str | int]) -> str:
    words = _words(path)
    if not words:
        return "the spec"
    if words[-1] in OPS:
        return words[-1]
    return "a step" if isinstance(path[-1], int) else f"`{words[-1]}`"
