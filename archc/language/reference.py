"""The reference of what in a spec is no op: its keys, those of steps, the functions and names of
expressions. All of it is derived from the schema and from the tables of the expressions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from archc.language.expressions.functions import FUNCTIONS
from archc.language.schema.derive import derive, step_keys


class Term(NamedTuple):
    """A word of the language: how it is written, what it means, and its values (empty where the
    form tells them)."""

    form: str
    doc: str
    expected: str


def terms() -> Mapping[str, Term]:
    """All words, by name. What is a key of steps as well as of specs is explained as the former."""
    found: dict[str, Term] = {}
    for before, keys in (("", derive()["properties"]), ("- ", step_keys())):
        for name, schema in keys.items():
            found[name] = Term(
                f"{before}{name}: ...", schema["description"], schema.get("x-expected", "")
            )
    for name, function in FUNCTIONS.items():
        found[name] = Term(f"$({function.usage})", function.doc, "")
    return found
