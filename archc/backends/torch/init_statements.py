"""Statements of a constructor that give layers their initial weights, once the layers stand in
their attributes and sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from archc.backends.base import LoweredLayer, fill
from archc.backends.blocks.dataflow import is_empty
from archc.backends.blocks.items import (
    Item,
    LoweredLayers,
    LoweredOp,
    LoweredScope,
)
from archc.backends.blocks.names import steps_in
from archc.codegen.tree import (
    Binary,
    Call,
    Expr,
    ExpressionStatement,
    For,
    If,
    Index,
    Lit,
    Ref,
    Statement,
    call,
)

IsSequential = Callable[[LoweredScope], bool]
"""Whether a section is written as an `nn.Sequential`; another has a class of its own, whose
constructor sets its initial weights."""

FEWEST_ALIKE = 2
"""Layers of a kind from which on they get their weights in a loop."""

MODULE = Ref("module")


class Initial:
    """How a network's layers get their initial weights: those of a kind that are all alike in one
    loop over its modules, others by a statement each."""

    def __init__(self, lowered: LoweredLayers) -> None:
        kinds: dict[Expr, list[Call | None]] = {}
        for layers in lowered.values():
            for layer in layers:
                if layer.layer is not None and layer.weighted:
                    kinds.setdefault(layer.layer.function, []).append(layer.initialize)
        self.alike: dict[Expr, Call] = {}
        for kind, calls in kinds.items():
            first = calls[0]
            if first is not None and len(calls) >= FEWEST_ALIKE and set(calls) == {first}:
                self.alike[kind] = first

    def loop(self) -> tuple[Statement, ...]:
        """The loop over a network's modules, if there is anything to do in it."""
        together: dict[Call, list[Expr]] = {}
        for kind, initialize in self.alike.items():
            together.setdefault(initialize, []).append(kind)
        body: list[Statement] = []
        for initialize, kinds in together.items():
            union = kinds[0]
            for kind in kinds[1:]:
                union = Binary("|", union, kind)
            statement = fill(initialize, {"_0": MODULE})
            assert isinstance(statement, Call)
            condition = call("isinstance", MODULE, union)
            body.append(If(condition, (ExpressionStatement(statement),)))
        return (For(MODULE, call("self.modules"), tuple(body)),) if body else ()

    def of_layer(self, module: Expr, layer: LoweredLayer) -> Iterator[Statement]:
        """The statement for one layer."""
        if layer.initialize is None or layer.layer is None or layer.layer.function in self.alike:
            return
        statement = fill(layer.initialize, {"_0": module})
        assert isinstance(statement, Call)
        yield ExpressionStatement(statement)

    def of_sequence(
        self, sequence: Expr, items: Sequence[Item], is_sequential: IsSequential
    ) -> Iterator[Statement]:
        """Those of the layers of an `nn.Sequential`, by their positions."""
        position = 0
        for item in steps_in(items):
            if is_empty(item):
                continue
            module = Index(sequence, (Lit(position),))
            if isinstance(item, LoweredScope):
                yield from self.of_scope(module, item, is_sequential)
                position += 1
            elif item.condition is not None:
                yield from self.of_optional(module, item)
                position += 1
            else:
                for layer, condition in zip(item.layers, item.conditions, strict=True):
                    module = Index(sequence, (Lit(position),))
                    yield from under_condition(condition, tuple(self.of_layer(module, layer)))
                    position += 1

    def of_scope(
        self, section: Expr, scope: LoweredScope, is_sequential: IsSequential
    ) -> Iterator[Statement]:
        """Those of a section; a block's instance sets its own."""
        if scope.call is None and is_sequential(scope):
            statements = tuple(self.of_sequence(section, scope.items, is_sequential))
            yield from under_condition(scope.condition, statements)

    def of_optional(self, module: Expr, op: LoweredOp) -> Iterator[Statement]:
        """Those of an op that stands under a condition: of its one layer, or of its sequence."""
        several = len(op.layers) > 1
        statements = tuple(
            statement
            for position, layer in enumerate(op.layers)
            for statement in self.of_layer(
                Index(module, (Lit(position),)) if several else module, layer
            )
        )
        yield from under_condition(op.condition, statements)


def under_condition(
    condition: Expr | None, statements: tuple[Statement, ...]
) -> Iterator[Statement]:
    """Statements that are carried out under a condition, if there is one."""
    if condition is None or not statements:
        yield from statements
    else:
        yield If(condition, statements)
