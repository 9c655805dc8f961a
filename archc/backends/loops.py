"""Statements that stand in a row, written once."""

from __future__ import annotations

from collections.abc import Sequence

from archc.backends.blocks.series import FEWEST
from archc.codegen.tree import Assign, For, Ref, Return, Statement, call


def once(statements: Sequence[Statement]) -> list[Statement]:
    """The statements with an assignment that stands there three times or more in a row as a loop:
    one layer that is applied again and again."""
    result: list[Statement] = []
    position = 0
    while position < len(statements):
        first = statements[position]
        end = position + 1
        while isinstance(first, Assign) and end < len(statements) and statements[end] == first:
            end += 1
        last = statements[end] if end < len(statements) else None
        returned = isinstance(first, Assign) and last == Return(first.value)
        count = end - position + returned
        if not isinstance(first, Assign) or count < FEWEST:
            result += statements[position:end]
        else:
            result.append(For(Ref("_"), call("range", count), (first,)))
            if returned:
                result.append(Return(first.target))
                end += 1
        position = end
    return result
