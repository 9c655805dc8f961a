"""What the validation of a document finds."""

from __future__ import annotations

from typing import NamedTuple

from archc.diagnostics import Diagnostic
from archc.language.values import Value


class Findings(NamedTuple):
    """The diagnostics of a document in no particular order, the invalid values, and for mappings
    with unknown keys the known keys that resemble them."""

    diagnostics: list[Diagnostic]
    invalid: set[Value]
    misspelt: dict[Value, list[str]]
