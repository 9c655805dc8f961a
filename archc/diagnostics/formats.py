"""The output formats of `archc validate`: text, JSON, GitHub and SARIF."""

from __future__ import annotations

from collections.abc import Sequence

from archc.diagnostics import Diagnostic, Span, label, visible
from archc.diagnostics import concise as one_line
from archc.diagnostics import full as excerpt
from archc.diagnostics.ansi import paint
from archc.diagnostics.characters import inert_json

USAGE = frozenset({"ARC001", "ARC411", "ARC414", "ARC605"})
"""Codes of errors in the command line rather than a spec: no such file, parameter, revision or
part."""

OPTION = "--set "
"""How the name of a value's source begins that was set by an option."""


def exit_code(diagnostics: Sequence[Diagnostic]) -> int:
    """2 where a file cannot be read or an option is invalid, 1 for other errors, 0 for none but
    warnings."""
    if any(one.code in USAGE or one.span.source.name.startswith(OPTION) for one in diagnostics):
        return 2
    return 0 if all(one.is_warning for one in diagnostics) else 1


def full(diagnostics: Sequence[Diagnostic], color: bool = False) -> str:
    """Every diagnostic with its source line, notes and hint, separated by blank lines."""
    return "\n\n".join(_colorize(item) if color else excerpt(item) for item in diagnostics)


def concise(diagnostics: Sequence[Diagnostic]) -> str:
    """Every diagnostic on one line."""
    return "\n".join(map(one_line, diagnostics))


def _colorize(diagnostic: Diagnostic) -> str:
    first, *rest = excerpt(diagnostic).split("\n")
    message = f" {visible(diagnostic.text)}"
    code, style = label(diagnostic), "yellow" if diagnostic.is_warning else "red"
    where = first.removesuffix(code + message)
    lines = [f"{paint(where, 'bold')}{paint(code, style)}{message}"]
    for line in rest:
        if line.strip() and not line.strip(" ^"):
            lines.append(paint(line, style))
        elif line.startswith(("  hint: ", "  note: ")):
            lines.append(paint(line[:8], "cyan") + line[8:])
        else:
            lines.append(line)
    return "\n".join(lines)


def as_json(diagnostics: Sequence[Diagnostic]) -> str:
    """All diagnostics as one JSON document. Lines and columns count from 1, ends are exclusive."""
    from json import dumps

    document = {
        "archc": 1,
        "valid": all(item.is_warning for item in diagnostics),
        "findings": [
            {
                "code": item.code,
                "severity": "warning" if item.is_warning else "error",
                "message": item.message,
                "hint": item.hint,
                "times": item.times,
                **_span_fields(item.span),
                "notes": [
                    {"message": note.message, **_span_fields(note.span)} for note in item.notes
                ],
            }
            for item in diagnostics
        ],
    }
    return inert_json(dumps(document, indent=2)) + "\n"


def _span_fields(span: Span) -> dict[str, object]:
    return {
        "file": span.source.name,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def github(diagnostics: Sequence[Diagnostic]) -> str:
    """Workflow commands that GitHub Actions shows at the lines of a pull request."""
    return "".join(f"{_command(item)}\n" for item in diagnostics)


def _command(diagnostic: Diagnostic) -> str:
    span = diagnostic.span
    properties = {
        "file": span.source.name,
        "line": span.line,
        "endLine": span.end_line,
        "col": span.column,
        "endColumn": span.end_column,
        "title": diagnostic.code,
    }
    fields = ",".join(
        f"{key}={_escape(visible(str(value))).replace(':', '%3A').replace(',', '%2C')}"
        for key, value in properties.items()
    )
    message = visible(diagnostic.text)
    if diagnostic.hint is not None:
        message += f"\nhint: {visible(diagnostic.hint)}"
    command = "warning" if diagnostic.is_warning else "error"
    return f"::{command} {fields}::{_escape(message)}"


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def sarif(diagnostics: Sequence[Diagnostic], version: str) -> str:
    """SARIF 2.1.0, for code scanning; `version` is archc's."""
    from json import dumps

    from archc.diagnostics.codes import CODES

    codes = sorted({item.code for item in diagnostics})
    rules = [
        {
            "id": code,
            "shortDescription": {"text": CODES[code].title},
            "fullDescription": {"text": CODES[code].text},
        }
        for code in codes
    ]
    results = []
    for item in diagnostics:
        message = item.text if item.hint is None else f"{item.text} ({item.hint})"
        result: dict[str, object] = {
            "ruleId": item.code,
            "ruleIndex": codes.index(item.code),
            "level": "warning" if item.is_warning else "error",
            "message": {"text": message},
            "locations": [_location(item.span)],
        }
        if item.notes:
            result["relatedLocations"] = [
                {**_location(note.span), "message": {"text": note.message}} for note in item.notes
            ]
        results.append(result)
    driver = {"name": "archc", "version": version, "rules": rules}
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }
    return inert_json(dumps(document, indent=2)) + "\n"


def _location(span: Span) -> dict[str, object]:
    from urllib.parse import quote

    region = {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(span.source.name)},
            "region": region,
        }
    }
