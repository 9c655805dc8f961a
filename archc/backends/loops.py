"""Statements that stand in a row, written once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from archc.backends.blocks.series import FEWEST
from archc.codegen.rewrite import walk
from archc.codegen.tree import (
    Assign,
    Expr,
    For,
    If,
    Ref,
    Return,
    Statement,
    call,
)


def once(statements: Sequence[Statement]) -> list[Statement]:
    """The statements with what stands there more than once in a row written once: one layer that is
    applied three times or more as a loop, and what stands under one condition together."""
    return _repeated(_under_one_condition(statements))


def _repeated(statements: Sequence[Statement]) -> list[Statement]:
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


def _under_one_condition(statements: Sequence[Statement]) -> list[Statement]:
    """The statements with those of one condition in a row together, where the first of them do not
    change what it asks."""
    result: list[Statement] = []
    for one in statements:
        last = result[-1] if result else None
        if (
            isinstance(one, If)
            and isinstance(last, If)
            and one.condition == last.condition
            and not (one.orelse or last.orelse)
            and not _asks(one.condition, _assigned(last.body))
        ):
            result[-1] = If(one.condition, (*last.body, *one.body))
        else:
            result.append(one)
    return result


def _asks(condition: Expr, variables: Iterable[Expr]) -> bool:
    """Whether a condition asks one of some variables, or what belongs to one: `x.shape` to `x`."""
    asked = {Ref(one.name.partition(".")[0]) for one in walk(condition) if isinstance(one, Ref)}
    return not asked.isdisjoint(variables)


def _assigned(statements: Iterable[Statement]) -> Iterator[Expr]:
    """The variables that statements assign to."""
    for one in statements:
        if isinstance(one, Assign):
            yield from walk(one.target)
        elif isinstance(one, If | For):
            yield from _assigned(one.body)
            yield from _assigned(one.orelse if isinstance(one, If) else ())
