"""The errors: what each code means, from the text of `archc explain`, and what archc prints, from
the specs of the tests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from archc.diagnostics.codes import CODES, Explanation
from docs.generate.markdown import code, prose

MESSAGES = Path(__file__).parents[2] / "tests/diagnostics/errors"
"""Specs with errors, each beside what archc prints."""


def errors() -> str:
    """A section for each code."""
    return "\n".join(_section(key, explanation) for key, explanation in CODES.items())


def _section(key: str, explanation: Explanation) -> str:
    lines = [
        f"({key.lower()})=\n## {key}: {prose(explanation.title)}\n",
        f"{prose(explanation.text)}\n",
        "The error, and below it the mend:\n",
        code(explanation.example),
    ]
    shown = _shown().get(key)
    if shown is not None:
        spec, message = shown
        # Errors of the reader are of texts that are no YAML.
        language = "text" if key.startswith("ARC0") else "yaml"
        shown_spec = code(spec, language)
        lines += ["A spec that has it, and what archc prints:\n", shown_spec, code(message)]
    return "\n".join(lines)


@cache
def _shown() -> Mapping[str, tuple[str, str]]:
    """For each code the shortest spec of the tests that has one error, with this code."""
    shortest: dict[str, tuple[str, str]] = {}
    for path in sorted(MESSAGES.glob("*.txt")):
        message = path.read_text("utf-8")
        codes = re.findall(r"^\S+:\d+:\d+: (ARC\d{3}) ", message, re.MULTILINE)
        spec = path.with_suffix(".yaml")
        if len(codes) != 1 or not spec.is_file():
            continue
        try:
            text = spec.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        if not text.replace("\n", "").isprintable() or "extends" in text:
            continue
        known = shortest.get(codes[0])
        if known is None or len(text) < len(known[0]):
            shortest[codes[0]] = (text, message)
    return shortest
