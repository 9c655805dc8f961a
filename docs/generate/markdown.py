"""Markdown of derived pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str, language: str = "text") -> str:
    """A block of code, in a fence longer than any in it."""
    longest = max(map(len, re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}\n"


def plain(text: str) -> str:
    """Text as Markdown that shows it as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|$~])", r"\\\1", text)


def prose(text: str) -> str:
    """Text of archc's own on one line, whose code is between backticks, as Markdown."""
    parts = " ".join(text.split()).split("`")
    return "`".join(part if number % 2 else plain(part) for number, part in enumerate(parts))


def folded(summary: str, body: str) -> str:
    """A part of a page that is opened by a click; the summary is HTML."""
    return f"<details>\n<summary>{summary}</summary>\n\n{body}\n</details>\n"


def drawing(path: str, text: str) -> str:
    """A drawing in its own size, in a box that scrolls."""
    return f":::{{container}} drawing\n```{{image}} {path}\n:alt: {text}\n```\n:::\n"
