"""The report as a Markdown document."""

from __future__ import annotations

import re

from archc.diagnostics import visible
from archc.ir.costs import Costs, Memory
from archc.reports.rows import COLUMNS, axes_line, human, totals


def document(costs: Costs) -> str:
    """The report as a file, with the header as a comment."""
    line = costs.graph.about.header.replace("&", "&amp;").replace(">", "&gt;")
    return f"<!-- {line} -->\n\n{report(costs)}"


def report(costs: Costs, memory: Memory | None = None) -> str:
    """Heading, axes, the table of all layers by path, and the totals."""
    about = costs.graph.about
    lines = [f"# {escape(about.title or about.name)}", ""]
    changed = ", ".join(f"{name}={value!r}" for name, value in about.overrides.items())
    for note in (about.description, *about.references, changed):
        if note:
            lines += [escape(note), ""]
    lines += [escape(axes_line(costs)), ""]
    lines.append(_line([column.title for column in COLUMNS]))
    lines.append(_line(["---:" if column.right else ":---" for column in COLUMNS]))
    for layer in costs.layers:
        lines.append(_line([escape(human(column.value(layer))) for column in COLUMNS]))
    lines.append("")
    lines += [f"- {escape(name)}: {escape(value)}" for name, value in totals(costs, memory)]
    return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


_SPECIAL = re.compile(r"[\\`*\[\]|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_BLOCK = re.compile(r"([-+=#]|\d+(?=[.)](?:\s|$)))")


def escape(text: str) -> str:
    """Text on one line, escaped for Markdown and HTML."""
    text = visible(" ".join(text.split()))
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = _SPECIAL.sub(r"\\\g<0>", text)
    # At the start of a line these would be a heading, a list or a rule.
    match = _BLOCK.match(text)
    if match is None:
        return text
    at = match.end() if match[0].isdigit() else 0
    return f"{text[:at]}\\{text[at:]}"
