"""Statements of a constructor that give layers their initial weights, once the layers stand in
their attributes and sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from archc.backends.lowering import Stage, fill
from archc.backends.parts import Group, Item, Part
from archc.backends.uses import is_empty
from archc.emit import Call, Expr, ExpressionStatement, If, Index, Lit, Statement

IsSequential = Callable[[Group], bool]
"""Whether a section is written as an `nn.Sequential`; another has a class of its own, whose
constructor sets its initial weights."""


def of_stage(layer: Expr, stage: Stage) -> Iterator[Statement]:
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
        if isinstance(item, Group):
            yield from of_group(place, item, is_sequential)
            position += 1
        elif item.condition is not None:
            yield from of_optional(place, item)
            position += 1
        else:
            for stage in _with_layers(item):
                yield from of_stage(Index(sequence, (Lit(position),)), stage)
                position += 1


def of_group(section: Expr, group: Group, is_sequential: IsSequential) -> Iterator[Statement]:
    """Those of a section; a block's instance sets its own."""
    if group.call is None and is_sequential(group):
        yield from _under(group.condition, tuple(of_sequence(section, group.items, is_sequential)))


def of_optional(layer: Expr, part: Part) -> Iterator[Statement]:
    """Those of an op that stands under a condition: of its one layer, or of its sequence."""
    stages = _with_layers(part)
    several = len(stages) > 1
    statements = tuple(
        statement
        for position, stage in enumerate(stages)
        for statement in of_stage(Index(layer, (Lit(position),)) if several else layer, stage)
    )
    yield from _under(part.condition, statements)


def _with_layers(part: Part) -> list[Stage]:
    return [stage for stage in part.stages if stage.layer is not None]


def _under(condition: Expr | None, statements: tuple[Statement, ...]) -> Iterator[Statement]:
    if condition is None or not statements:
        yield from statements
    else:
        yield If(condition, statements)
