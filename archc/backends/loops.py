"""Statements that stand in a row, written once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from archc.backends.blocks.series import FEWEST
from archc.codegen.rewrite import walk
from archc.codegen.tree import (
    Assign,
    Attribute,
    Call,
    Expr,
    For,
    If,
    Index,
    Lit,
    Ref,
    Return,
    Statement,
    TupleOf,
    call,
)


def once(statements: Sequence[Statement]) -> list[Statement]:
    """The statements with what stands there more than once in a row written once: one layer that is
    applied three times or more as a loop, the parts of one value as one assignment, and what stands
    under one condition together."""
    return _repeated(_under_one_condition(_unpacked(statements)))


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


def _unpacked(statements: Sequence[Statement]) -> list[Statement]:
    """The statements with `a = x.chunk(2)[0]` and `b = x.chunk(2)[1]` in a row as
    `a, b = x.chunk(2)`."""
    result: list[Statement] = []
    position = 0
    while position < len(statements):
        whole, count = _whole(statements[position])
        parts = [
            one
            for number, one in enumerate(statements[position : position + count])
            if isinstance(one, Assign) and one.value == Index(whole, (Lit(number),))
        ]
        targets = tuple(one.target for one in parts)
        if len(parts) < count or not set(targets[:-1]).isdisjoint(walk(whole)):
            result.append(statements[position])
            position += 1
        else:
            result.append(Assign(TupleOf(targets), whole, parts[0].comment))
            position += count
    return result


def _whole(statement: Statement) -> tuple[Expr, int]:
    """What a statement takes a part of, and how many parts there are; at least two."""
    if isinstance(statement, Assign) and isinstance(statement.value, Index):
        match statement.value.value:
            case Call(Attribute(name="chunk"), (Lit(int(parts)), *_)) as whole:
                return whole, max(2, parts)
    return Lit(None), 2


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
