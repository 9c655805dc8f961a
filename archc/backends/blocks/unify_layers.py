"""The layers that an op becomes in all instances of a block: joined as they are, the general way,
or as alternatives under a condition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from archc.backends.base import LoweredLayer, is_same_step
from archc.backends.blocks.conditions import assumed, condition_of_layer, condition_of_structure
from archc.backends.blocks.context import MismatchError, UnifyContext
from archc.backends.blocks.items import Alternative, LoweredLayers, LoweredOp
from archc.backends.blocks.symbols import same
from archc.backends.blocks.trees import (
    Owner,
    require_honoured,
    translations,
    unified,
    unified_call,
)
from archc.backends.blocks.widths import axis_symbols, symbol_in
from archc.backends.fusion import Rearrange
from archc.codegen.tree import Call, Expr, Lit
from archc.ir.graph import Graph, Node
from archc.ops.activation import Activation
from archc.ops.shape import Reshape

MOST_ALTERNATIVES = 3
"""Structures of one op that a definition distinguishes."""


class LayerUnifier:
    """Joins the layers of nodes. `lowered` has the layers of every node, `general` those of the
    same nodes lowered so that more of them are alike, `identity` is a layer that does nothing."""

    def __init__(
        self,
        graph: Graph,
        lowered: LoweredLayers,
        general: LoweredLayers,
        identity: Call,
        *,
        hands_in_classes: bool,
    ) -> None:
        self.graph = graph
        self.lowered = dict(lowered)
        self.general = general
        self.identity = identity
        self.hands_in_classes = hands_in_classes
        # The fields with expressions of the nodes that call the layer of another, by its index.
        self.callers: dict[int, set[str]] = {}
        for node in graph.nodes:
            if node.weights >= 0:
                self.callers.setdefault(node.weights, set()).update(node.expressions)

    def width(self, context: UnifyContext, index: int, axis: str) -> list[Expr]:
        """What an axis of a value may be in symbols."""
        return axis_symbols(self.graph, context, index, axis)

    def join(
        self,
        context: UnifyContext,
        node: Node,
        nodes: Mapping[int, Node],
        absent: Iterable[int] = (),
    ) -> LoweredOp:
        """What an op becomes in all instances: lowered as each asks for, or else the general way,
        or else as one or the other under a condition. In `absent` it does nothing. Raises
        MismatchError."""
        nothing = dict.fromkeys(absent, (LoweredLayer(self.identity, main=True),))
        columns = {index: self.lowered[one.index] for index, one in nodes.items()} | nothing
        general = {index: self.general[one.index] for index, one in nodes.items()} | nothing
        whole = tuple(one.index for one in nodes.values())
        try:
            with context.attempt():
                if any(one.weights in context.general for one in nodes.values()):
                    raise MismatchError  # it calls a layer that is lowered the general way
                self.require_fixed(context, node, nodes)
                return self.join_columns(context, node, columns)
        except MismatchError:
            context.general.update(whole)
        try:
            with context.attempt():
                return self.join_columns(context, node, general)
        except MismatchError:
            return self.join_alternatives(context, node, nodes, general)

    def require_fixed(self, context: UnifyContext, node: Node, nodes: Mapping[int, Node]) -> None:
        """Raise MismatchError where a field that the layers presume is a symbol, whose other values
        they would not suit: in the op itself, or in one that calls its layer."""
        presumed = {
            name
            for one in nodes.values()
            for layer in self.lowered[one.index]
            for name in layer.presumes
            if self.general[one.index] != self.lowered[one.index]
        }
        called = {name for one in nodes.values() for name in self.callers.get(one.index, ())}
        if presumed & (called - node.expressions.keys()):
            raise MismatchError
        for name in presumed & node.expressions.keys():
            values = [getattr(one.op, name) for one in nodes.values()]
            for symbol in translations(context, node.expressions[name], node.inputs[0], self.width):
                if not isinstance(symbol, Lit) and same(
                    context.evaluate(symbol, list(nodes)), values
                ):
                    raise MismatchError

    def join_columns(
        self,
        context: UnifyContext,
        node: Node,
        columns: Mapping[int, tuple[LoweredLayer, ...]],
    ) -> LoweredOp:
        """One layer for each that the instances have, under its own condition. Raises MismatchError
        where one lacks a layer."""
        longest = max(columns.values(), key=len)
        kept: dict[int, dict[int, LoweredLayer]] = {p: {} for p in range(len(longest))}
        for index, column in columns.items():
            position = 0
            for layer in column:
                while position < len(longest) and not is_same_step(longest[position], layer):
                    position += 1
                if position == len(longest):
                    raise MismatchError
                kept[position][index] = layer
                position += 1
        layers: list[LoweredLayer] = []
        conditions: list[Expr | None] = []
        for together in kept.values():
            if len(together) < len(columns):
                raise MismatchError
            joined = self.join_layer(context, node, list(together), list(together.values()))
            if joined.condition == Lit(False):
                continue
            conditions.append(condition_of_layer(context, joined.condition, list(together)))
            layers.append(joined)
        return LoweredOp(node, tuple(layers), tuple(conditions), None)

    def join_alternatives(
        self,
        context: UnifyContext,
        node: Node,
        nodes: Mapping[int, Node],
        columns: Mapping[int, tuple[LoweredLayer, ...]],
    ) -> LoweredOp:
        """Each structure that an op has, under its condition; the last suits what is left."""
        groups: dict[object, list[int]] = {}
        if not all(any(one.main for one in column) for column in columns.values()):
            raise MismatchError  # a padding that other nodes share is a step alone
        mains = {i: next(one for one in column if one.main) for i, column in columns.items()}
        for index, main in mains.items():
            groups.setdefault(main.layer and main.layer.function, []).append(index)
        if not 1 < len(groups) <= MOST_ALTERNATIVES:
            raise MismatchError
        everything = [layer for column in columns.values() for layer in column]
        if self.hands_in_classes and any(layer.layer is None for layer in everything):
            raise MismatchError  # a class constructs its alternatives: each is a layer
        several = sorted(groups.values(), key=lambda group: mains[group[0]].condition is None)
        source = node.inputs[0]
        if (
            symbol_in(self.graph, context, source, {i: one.inputs[0] for i, one in nodes.items()})
            is None
        ):
            raise MismatchError  # a condition on what comes in would not hold for all instances
        rest = list(columns)
        alternatives: list[Alternative] = []
        for group in several[:-1]:
            rest = [index for index in rest if index not in group]
            general = [mains[index].condition for index in group]
            owner = Owner(node.index, node.inputs, node.expressions, group, takes_classes=False)
            condition = unified(context, owner, general, self.width)
            if condition is None:
                raise MismatchError
            condition = condition_of_structure(context, condition, node, group, rest, self.width)
            op = self.join_columns(context, node, {i: columns[i] for i in group})
            alternatives.append(Alternative(condition, assuming(op, condition, holds=True)))
        last = self.join_columns(context, node, {i: columns[i] for i in several[-1]})
        for alternative in alternatives:
            last = assuming(last, alternative.condition, holds=False)
        return replace(last, alternatives=tuple(alternatives))

    def join_layer(
        self,
        context: UnifyContext,
        node: Node,
        present: Sequence[int],
        layers: Sequence[LoweredLayer],
    ) -> LoweredLayer:
        fused = isinstance(node.op, Activation) or not layers[0].main
        classes = self.hands_in_classes and fused and not any(one.weighted for one in layers)
        owner = Owner(node.index, node.inputs, node.expressions, present, classes)

        join = partial(unified, context, owner, width=self.width)
        join_calls = partial(unified_call, context, owner, width=self.width)
        layer = join_calls([one.layer for one in layers])
        expression = join([one.expression for one in layers])
        if isinstance(node.op, Reshape | Rearrange):
            require_honoured(context, node, (layer, expression))
        return replace(
            layers[0],
            layer=layer,
            expression=expression,
            initialize=join_calls([one.initialize for one in layers]),
            application=join_calls([one.application for one in layers]),
            condition=None if layers[0].main else join([one.condition for one in layers]),
        )


def assuming(op: LoweredOp, condition: Expr, *, holds: bool) -> LoweredOp:
    """An op where a condition is known to hold, or not to: nothing in it asks once more."""
    layers: list[LoweredLayer] = []
    for layer in op.layers:
        call = layer.layer and assumed(layer.layer, condition, holds=holds)
        assert call is None or isinstance(call, Call)
        layers.append(replace(layer, layer=call))
    return replace(op, layers=tuple(layers))
