"""Calls of one function that differ in literals, as a table and one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from archc.codegen.tree import Call, Expr, Lit, Ref, TupleOf


class Table(NamedTuple):
    """The call with a name in place of each argument that differs, these names, and their values
    in each call: a tuple of them, or the value of a single one."""

    call: Call
    names: tuple[str, ...]
    rows: tuple[Expr, ...]


def table_of(calls: Sequence[Call]) -> Table | None:
    """The table of some calls, each argument called by the field that it came from; None where
    arguments differ that are no literals or have no name of their own."""
    first = calls[0]
    names: list[str] = []
    columns: list[tuple[Lit, ...]] = []

    def joined(column: Sequence[Expr], name: str | None) -> Expr | None:
        """What stands in the joined call for an argument of all calls."""
        if all(value == column[0] for value in column):
            return column[0]
        literals = tuple(value for value in column if isinstance(value, Lit))
        own = name or (literals[0].field if literals else None)
        if len(literals) < len(column) or own is None or not own.isidentifier() or own in names:
            return None
        names.append(own)
        columns.append(literals)
        return Ref(own)

    if any(len(call.arguments) != len(first.arguments) for call in calls):
        return None
    words = [word.name for word in first.keywords]
    if any([word.name for word in call.keywords] != words for call in calls):
        return None
    arguments = [
        joined(column, None) for column in zip(*(call.arguments for call in calls), strict=True)
    ]
    values = [
        joined([word.value for word in column], column[0].name)
        for column in zip(*(call.keywords for call in calls), strict=True)
    ]
    positional = tuple(value for value in arguments if value is not None)
    if len(positional) < len(arguments) or None in values or not names:
        return None
    keywords = tuple(
        word if value is None else replace(word, value=value)
        for word, value in zip(first.keywords, values, strict=True)
    )
    rows = tuple(row[0] if len(row) == 1 else TupleOf(row) for row in zip(*columns, strict=True))
    return Table(replace(first, arguments=positional, keywords=keywords), tuple(names), rows)
