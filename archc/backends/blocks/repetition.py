"""A repetition of a block as a loop: the values that it takes and gives, and its statements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from archc.backends.blocks.dataflow import Uses
from archc.backends.blocks.items import Item, LoweredOp, LoweredScope, Turns
from archc.backends.blocks.turns import gathering, run_in
from archc.backends.blocks.variables import Operation
from archc.codegen.tree import (
    Assign,
    Expr,
    ExpressionStatement,
    For,
    Index,
    ListOf,
    Lit,
    Ref,
    Starred,
    Statement,
    call,
)
from archc.language.names import variable_name

GATHERED = "outputs"
"""The variable that has the values of all turns."""

COUNTED = "_0123456789"
"""What the names of several steps of a kind end in."""


class ListedMerge(NamedTuple):
    """The inputs of a merge from `begin` to `end`, which the list `gathered` has."""

    begin: int
    end: int
    gathered: int

    def inputs(self, inputs: Sequence[int]) -> tuple[int, ...]:
        """The inputs with the list in place of its values."""
        return (*inputs[: self.begin], self.gathered, *inputs[self.end :])

    def operands(self, values: Sequence[Expr]) -> list[Expr]:
        """The operands of the merge: what the list has stands there starred."""
        return [
            Starred(value) if position == self.begin else value
            for position, value in enumerate(values)
        ]


class Repetition(NamedTuple):
    """The turns of a block that are as many as an argument says, from the value `source` on: each
    takes what the one before gives, and `others`. `output` is what the last one gives; where a
    merge takes the values of all, the list `gathered` has them. It has the `values` before those,
    where nothing else takes the output and `source` is the last of them."""

    turns: Turns
    scopes: Sequence[LoweredScope]
    source: int
    others: tuple[int, ...]
    output: int
    gathered: int | None
    values: tuple[int, ...]
    merges: Mapping[int, ListedMerge]

    @property
    def operation(self) -> Operation:
        """The loop, as far as names go."""
        first = self.scopes[0].region
        name = variable_name(first.name.rstrip(COUNTED)) if first.named else None
        if self.gathered is not None and self.values:
            taken = (*self.values, self.source, *self.others)
            operation = Operation(taken, (self.gathered,), (GATHERED,), names_result=True)
        elif self.gathered is not None:
            given = self.output, self.gathered
            operation = Operation((self.source, *self.others), given, (name, GATHERED))
        else:
            operation = Operation((self.source, *self.others), (self.output,), (name,))
        source = None if self.values else self.source
        return operation._replace(in_place_of=source, lasting=self.others)

    def statements(
        self,
        names: Mapping[int, str],
        variable: Ref,
        iterable: Expr,
        applied: Callable[[Expr, Sequence[Ref]], Expr],
    ) -> list[Statement]:
        """The loop of `variable` over `iterable`, where the values have the variables `names` and
        a turn is `applied` to what it takes."""
        others = [Ref(names[index]) for index in self.others]
        gathered = None if self.gathered is None else Ref(names[self.gathered])
        if gathered is not None and self.values:
            before = ListOf(tuple(Ref(names[index]) for index in self.values))
            result = applied(Index(gathered, (Lit(-1),)), others)
            return [Assign(gathered, before), For(variable, iterable, (_append(gathered, result),))]
        target, source = Ref(names[self.output]), Ref(names[self.source])
        statements: list[Statement] = [] if target == source else [Assign(target, source)]
        body: list[Statement] = [Assign(target, applied(target, others))]
        if gathered is not None:
            statements.append(Assign(gathered, ListOf()))
            body.append(_append(gathered, target))
        return [*statements, For(variable, iterable, tuple(body))]


def repetition(
    turns: Turns, together: Sequence[Item], items: Sequence[Item], uses: Uses
) -> Repetition:
    """The repetition that some of the items are the turns of."""
    scopes = [one for one in together if isinstance(one, LoweredScope)]
    source, *others = scopes[0].region.entering
    output = turns.outputs[-1]
    merges = gathering(items, turns)
    values = _listed_before(turns, merges, source, items, uses)
    gathered = -1 - output
    taken: dict[int, ListedMerge] = {}
    for merge in merges:
        start = run_in(merge.node.inputs, turns.outputs)
        assert start is not None
        taken[merge.node.index] = ListedMerge(
            start - len(values), start + len(turns.outputs), gathered
        )
    return Repetition(
        turns,
        scopes,
        source,
        tuple(others),
        output,
        gathered if merges else None,
        values,
        taken,
    )


def joined_operands(operands: Sequence[Expr]) -> Expr:
    """The operands of a merge as one list: a list that has all of them is that itself."""
    if len(operands) == 1 and isinstance(operands[0], Starred):
        return operands[0].value
    return ListOf(tuple(operands))


def _listed_before(
    turns: Turns,
    merges: Sequence[LoweredOp],
    source: int,
    items: Sequence[Item],
    uses: Uses,
) -> tuple[int, ...]:
    """The values before those of the turns in the one merge that takes them, where they are there
    before the loop, the first turn takes the last of them, and nothing else the loop's output."""
    if len(merges) != 1 or {*uses.users[turns.outputs[-1]]} != {merges[0].node.index}:
        return ()
    inputs = merges[0].node.inputs
    values = inputs[: run_in(inputs, turns.outputs)]
    outputs = [index for one in items for index in uses.outputs(one)]
    later = outputs[outputs.index(turns.outputs[0]) :]
    return values if values[-1:] == (source,) and set(values).isdisjoint(later) else ()


def _append(gathered: Ref, value: Expr) -> Statement:
    return ExpressionStatement(call(f"{gathered.name}.append", value))
