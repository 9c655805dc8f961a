"""Statements of a constructor that give layers their initial weights, once the layers stand in
their attributes and sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from archc.backends.base import LoweredLayer, fill
from archc.backends.blocks.dataflow import is_empty
from archc.backends.blocks.items import Item, LoweredOp, LoweredScope
from archc.codegen.tree import (
    Attribute,
    Call,
    Expr,
    ExpressionStatement,
    For,
    If,
    Index,
    Lit,
    Ref,
    Statement,
    TupleOf,
)

IsSequential = Callable[[LoweredScope], bool]
"""Whether a section is written as an `nn.Sequential`; another has a class of its own, whose
constructor sets its initial weights."""


INDEX = Ref("index")
"""What no argument is called: the language keeps the name for repetitions."""
LEAST_ALIKE = 3
"""Layers of a sequence from which on a loop is shorter than a line each."""


def gathered(statements: Sequence[Statement]) -> Iterator[Statement]:
    """The same in fewer lines: a loop over the layers of a sequence that follow one another and
    get their weights alike."""
    for one, run in groupby(statements, lambda statement: _at(statement, INDEX)):
        alike = list(run)
        positions = [position for each in alike if (position := _position(each)) is not None]
        if one is None or len(alike) < LEAST_ALIKE:
            yield from alike
        else:
            yield For(INDEX, TupleOf(tuple(positions)), (one,))


def _position(statement: Statement) -> Lit | None:
    """Where in a sequence the layer stands whose weight a statement sets."""
    match statement:
        case ExpressionStatement(Call(arguments=(Attribute(Index(_, (Lit() as position,))), *_))):
            return position
    return None


def _at(statement: Statement, position: Ref) -> Statement | None:
    """The statement for the layer at another position."""
    match statement:
        case ExpressionStatement(
            Call(arguments=(Attribute(Index(sequence, (Lit(),)), name), *rest)) as call
        ):
            weight = Attribute(Index(sequence, (position,)), name)
            return ExpressionStatement(replace(call, arguments=(weight, *rest)))
    return None


def of_stage(layer: Expr, stage: LoweredLayer) -> Iterator[Statement]:
    """Those of one layer."""
    if stage.initialize is not None:
        statement = fill(stage.initialize, {"_0": layer})
        assert isinstance(statement, Call)
        yield ExpressionStatement(statement)


def of_sequence(
    sequence: Expr, items: Sequence[Item], is_sequential: IsSequential
) -> Iterator[Statement]:
    """Those of the layers of an `nn.Sequential`, found by their positions."""
    position = 0
    for item in items:
        if is_empty(item):
            continue
        place = Index(sequence, (Lit(position),))
        if isinstance(item, LoweredScope):
            yield from of_group(place, item, is_sequential)
            position += 1
        elif item.condition is not None:
            yield from of_optional(place, item)
            position += 1
        else:
            for stage in _with_layers(item):
                yield from of_stage(Index(sequence, (Lit(position),)), stage)
                position += 1


def of_group(
    section: Expr, group: LoweredScope, is_sequential: IsSequential
) -> Iterator[Statement]:
    """Those of a section; a block's instance sets its own."""
    if group.call is None and is_sequential(group):
        yield from _under(group.condition, tuple(of_sequence(section, group.items, is_sequential)))


def of_optional(layer: Expr, part: LoweredOp) -> Iterator[Statement]:
    """Those of an op that stands under a condition: of its one layer, or of its sequence."""
    stages = _with_layers(part)
    several = len(stages) > 1
    statements = tuple(
        statement
        for position, stage in enumerate(stages)
        for statement in of_stage(Index(layer, (Lit(position),)) if several else layer, stage)
    )
    yield from _under(part.condition, statements)


def _with_layers(part: LoweredOp) -> list[LoweredLayer]:
    return [stage for stage in part.stages if stage.layer is not None]


def _under(condition: Expr | None, statements: tuple[Statement, ...]) -> Iterator[Statement]:
    if condition is None or not statements:
        yield from statements
    else:
        yield If(condition, statements)
