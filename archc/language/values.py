"""Values of a spec with their spans in its text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from archc.diagnostics import Span

Scalar = str | int | float | bool | None

_LONGEST = 40


@dataclass(slots=True, eq=False)
class Value:
    """One value of a spec and its span. Compared by identity, immutable once parsed.

    `quoted` is true of a scalar in quotes or in block style: inside `'...'` and `"..."` the text
    starts one column after the span. The span of a block collection ends with its last item,
    before any comments and blank lines; that of an omitted value is empty, at the end of its key.
    """

    data: Scalar | list[Value] | dict[str, Value]
    span: Span
    key_span: Span | None = None
    quoted: bool = False

    def plain(self) -> object:
        """The value as plain JSON types, without spans."""
        if isinstance(self.data, dict):
            return {key: value.plain() for key, value in self.data.items()}
        if isinstance(self.data, list):
            return [value.plain() for value in self.data]
        return self.data


def mapping(value: Value | None) -> dict[str, Value]:
    """The entries of a mapping; empty for anything else."""
    return value.data if value is not None and isinstance(value.data, dict) else {}


def sequence(value: Value | None) -> list[Value]:
    """The items of a list; empty for anything else."""
    return value.data if value is not None and isinstance(value.data, list) else []


def text(value: Value | None) -> str:
    """The text of a scalar; empty without one."""
    return "" if value is None else str(value.data)


def texts(value: Value | None) -> tuple[str, ...]:
    """The texts of a list of scalars, or of one alone."""
    if value is None:
        return ()
    if isinstance(value.data, list):
        return tuple(str(item.data) for item in value.data)
    return (str(value.data),)


def at(scalar: Value, offset: int, length: int) -> Span:
    """The span of a part of an expression within its scalar."""
    return scalar.span.within(offset + scalar.quoted, length)


def parts(value: Value) -> Iterator[Value]:
    """A value and all values nested in it, in order."""
    stack = [value]
    while stack:
        top = stack.pop()
        yield top
        if isinstance(top.data, dict):
            stack += reversed(top.data.values())
        elif isinstance(top.data, list):
            stack += reversed(top.data)


def scalars(value: Value) -> Iterator[Value]:
    """All scalars nested in a value, in order."""
    return (part for part in parts(value) if not isinstance(part.data, dict | list))


def format_value(value: object) -> str:
    """A value as printed in error messages, truncated if it is long."""
    printed = json.dumps(value, ensure_ascii=False)
    return printed if len(printed) <= _LONGEST else printed[: _LONGEST - 3] + "..."
