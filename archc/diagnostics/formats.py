"""Diagnostics as the formats of `archc validate` tell them."""

from __future__ import annotations

from collections.abc import Sequence

from archc import diagnostics
from archc.diagnostics import Diagnostic, Span, visible
from archc.diagnostics.ansi import paint

USAGE = frozenset({"ARC001", "ARC411", "ARC414"})
"""What is wrong with the command line rather than with a spec: no such file, no such parameter, no
such revision."""


def exit_code(found: Sequence[Diagnostic]) -> int:
    """2 where a file cannot be read or an option is wrong, 1 for other findings, 0 for none."""
    if any(diagnostic.code in USAGE for diagnostic in found):
        return 2
    return 1 if found else 0


def full(found: Sequence[Diagnostic], color: bool = False) -> str:
    """Every diagnostic with its source line, notes and hint, a blank line between two."""
    return "\n\n".join(_painted(item) if color else diagnostics.full(item) for item in found)


def concise(found: Sequence[Diagnostic]) -> str:
    """Every diagnostic on one line."""
    return "\n".join(map(diagnostics.concise, found))


def _painted(diagnostic: Diagnostic) -> str:
    first, *rest = diagnostics.full(diagnostic).split("\n")
    message = f"{diagnostic.code} {visible(diagnostic.message)}"
    where = first.removesuffix(message)
    lines = [f"{paint(where, 'bold')}{paint(diagnostic.code, 'red')}{message[6:]}"]
    for line in rest:
        if line.strip() and not line.strip(" ^"):
            lines.append(paint(line, "red"))
        elif line.startswith(("  hint: ", "  note: ")):
            lines.append(paint(line[:8], "cyan") + line[8:])
        else:
            lines.append(line)
    return "\n".join(lines)


def as_json(found: Sequence[Diagnostic]) -> str:
    """All findings as one JSON document; places count from 1, ends are exclusive."""
    from json import dumps

    told = {
        "archc": 1,
        "valid": not found,
        "findings": [
            {
                "code": item.code,
                "message": item.message,
                "hint": item.hint,
                **_place(item.span),
                "notes": [{"message": note.message, **_place(note.span)} for note in item.notes],
            }
            for item in found
        ],
    }
    return dumps(told, indent=2) + "\n"


def _place(span: Span) -> dict[str, object]:
    return {
        "file": span.source.name,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def github(found: Sequence[Diagnostic]) -> str:
    """Workflow commands that GitHub Actions shows at the lines of a pull request."""
    return "".join(f"{_command(item)}\n" for item in found)


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
    told = ",".join(
        f"{key}={_escaped(visible(str(value))).replace(':', '%3A').replace(',', '%2C')}"
        for key, value in properties.items()
    )
    message = visible(diagnostic.message)
    if diagnostic.hint is not None:
        message += f"\nhint: {visible(diagnostic.hint)}"
    return f"::error {told}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def sarif(found: Sequence[Diagnostic], version: str) -> str:
    """SARIF 2.1.0, for code scanning; `version` is archc's."""
    from json import dumps

    from archc.diagnostics.codes import CODES

    codes = sorted({item.code for item in found})
    rules = [
        {
            "id": code,
            "shortDescription": {"text": CODES[code].title},
            "fullDescription": {"text": CODES[code].text},
        }
        for code in codes
    ]
    results = []
    for item in found:
        message = item.message if item.hint is None else f"{item.message} ({item.hint})"
        result: dict[str, object] = {
            "ruleId": item.code,
            "ruleIndex": codes.index(item.code),
            "level": "error",
            "message": {"text": message},
            "locations": [_location(item.span)],
        }
        if item.notes:
            result["relatedLocations"] = [
                {**_location(note.span), "message": {"text": note.message}} for note in item.notes
            ]
        results.append(result)
    driver = {"name": "archc", "version": version, "rules": rules}
    told = {
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
    return dumps(told, indent=2) + "\n"


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
