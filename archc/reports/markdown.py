"""The report as a Markdown document."""

from __future__ import annotations

import re
from itertools import pairwise

from archc.diagnostics.characters import has_command, printable
from archc.ir.costs import Costs, Memory
from archc.reports.rows import COLUMNS, axes_line, figures, human, totals


def document(costs: Costs) -> str:
    """The report as a file, with the header as a comment."""
    line = costs.graph.about.header.replace("&", "&amp;").replace(">", "&gt;")
    return f"<!-- {line} -->\n\n{report(costs)}"


def report(costs: Costs, memory: Memory | None = None, depth: int | None = None) -> str:
    """Heading, axes, the table of all layers by path (with a `depth`, of whole sections and block
    instances there), and the totals."""
    about = costs.graph.about
    lines = [f"# {escape(about.title or about.name)}", ""]
    changed = ", ".join(f"{name}={value!r}" for name, value in about.overrides.items())
    for note in (about.description, *about.references, changed):
        if note:
            lines += [escape(note), ""]
    lines += [escape(axes_line(costs)), ""]
    lines.append(_line([column.title for column in COLUMNS]))
    lines.append(_line(["---:" if column.right else ":---" for column in COLUMNS]))
    for row in figures(costs, depth):
        lines.append(_line([escape(human(column.value(row))) for column in COLUMNS]))
    lines.append("")
    lines += [f"- {escape(name)}: {escape(value)}" for name, value in totals(costs, memory)]
    return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


_SPECIAL = re.compile(r"[\\`*\[\]|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_BLOCK = re.compile(r"([-+=#]|\d+(?=[.)](?:\s|$)))")


_SEPARATOR = "<!-- -->"
_LINKED = re.compile(
    r"@(?=\w)"  # a mention, an e-mail address, a commit of a user
    r"|#(?=\d)"  # an issue, also as OWNER/NAME#1
    r"|\b(?:gh|ghsa)(?=-\w)"  # GH-1, and a security advisory
    r"|:(?=//)|\bwww(?=\.)|\b(?:mailto|xmpp)(?=:)"  # a bare link
    r"|:(?=[\w+-]+:)",  # an emoji's short name
    re.IGNORECASE,
)
"""After each of these a comment keeps GitHub, and other renderers of its dialect, from making a
link of what follows: a backslash, or an entity, does not."""
_COMMIT = re.compile(r"(?<![^\W_])[0-9a-f]{7,40}(?![^\W_])", re.IGNORECASE)
_NO_COMMIT = 6
"""Digits in a row that GitHub takes for no commit."""


def escape(text: str) -> str:
    """Text on one line, escaped for Markdown and HTML: as it reads, without links, mentions or
    references of GitHub, and no command to a CI runner."""
    text = printable(" ".join(text.split()))
    ends = {match.end() for match in _LINKED.finditer(text)}
    for match in _COMMIT.finditer(text):
        ends.update(range(match.start() + _NO_COMMIT, match.end(), _NO_COMMIT))
    bounds = [0, *sorted(ends), len(text)]
    escaped = _SEPARATOR.join(_plain(text[start:end]) for start, end in pairwise(bounds))
    # At the start of a line these would be a heading, a list or a rule; or a command in a log.
    block = _BLOCK.match(escaped)
    if block is None:
        return escaped.replace(":", "&#58;", 1) if has_command(escaped) else escaped
    at = block.end() if block[0].isdigit() else 0
    return f"{escaped[:at]}\\{escaped[at:]}"


def _plain(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\g<0>", text)
