"""Repetitions of a block that run as often as an argument says: a list of modules, and a loop over
it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from archc.backends.blocks.repetition import ListedMerge, Repetition, joined_operands
from archc.backends.torch.repeats import INDEX, Entry
from archc.codegen.rewrite import transform
from archc.codegen.tree import (
    Binary,
    Call,
    Expr,
    FString,
    Generator,
    ListOf,
    Lit,
    Ref,
    Starred,
    Statement,
    TupleOf,
    call,
)

DROPPED = Ref("_dropped")
"""Stands for an operand that a list before it has."""

Build = Callable[[Sequence[Expr]], Expr]
"""A step on expressions for what it takes."""


def collapsed(entries: Sequence[Entry], *, named: bool) -> Iterator[Entry]:
    """The layers of a sequence, which has them by name or by position, with a repetition that runs
    as often as an argument says as one: what makes its turns."""
    for turns, together in groupby(entries, lambda entry: entry.turns):
        if turns is None:
            yield from together
            continue
        first = next(together)
        element, count = first.layer, turns.count
        each = made_by_name(first.name, element, count) if named else made(element, count)
        yield first._replace(layer=Starred(each), turns=None)


def made(element: Expr, count: Expr) -> Generator:
    """The turns of a repetition: `element for _ in range(count)`."""
    return Generator(element, "_", call("range", count))


def made_by_name(first: str, element: Expr, count: Expr) -> Generator:
    """The same as pairs with names that count on from `first`."""
    stem = first.rstrip("0123456789")
    number = int(first[len(stem) :])
    name: Expr = INDEX if number == 0 else Binary("+", INDEX, Lit(number))
    return Generator(TupleOf((FString((stem, name)), element)), INDEX.name, call("range", count))


class Loop(NamedTuple):
    """A loop over `modules`, the turns of a repetition."""

    repetition: Repetition
    modules: Expr
    variable: Ref

    def statements(self, names: Mapping[int, str]) -> list[Statement]:
        """The loop, where the values have the variables `names`."""
        variable = Ref("module") if self.variable.name in names.values() else self.variable
        return self.repetition.statements(
            names, variable, self.modules, lambda value, others: Call(variable, (value, *others))
        )


def spread(build: Build, merge: ListedMerge) -> Build:
    """A merge, a list of whose operands has some of them."""

    def plain(node: Expr) -> Expr:
        if not isinstance(node, ListOf):
            return node
        return joined_operands([item for item in node.items if item != DROPPED])

    def spreading(values: Sequence[Expr]) -> Expr:
        operands = merge.operands(values)
        dropped = [DROPPED] * (merge.end - merge.begin - 1)
        whole = [*operands[: merge.begin + 1], *dropped, *operands[merge.begin + 1 :]]
        return transform(build(whole), plain)

    return spreading
