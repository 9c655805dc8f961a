"""The items of all instances of a block laid beside each other and joined: what is equal is kept,
literals that differ become symbols, and what some instances lack stands under a condition.

Every joined tree is proven: with an instance's own values it is that instance's tree again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from archc.backends.base import LoweredLayer, is_same_step
from archc.backends.blocks.align import Row, aligned, condition_of, replace_merge
from archc.backends.blocks.conditions import (
    assumed,
    condition_for,
    condition_of_layer,
    condition_of_structure,
)
from archc.backends.blocks.context import MismatchError, UnifyContext
from archc.backends.blocks.dataflow import Uses
from archc.backends.blocks.flow import (
    Flow,
    joined_value,
    moved,
    rewired_node,
    rewired_region,
)
from archc.backends.blocks.instances import alignment_key, entry_of, fullest
from archc.backends.blocks.items import (
    Alternative,
    Definition,
    Item,
    LoweredLayers,
    LoweredOp,
    LoweredOptional,
    LoweredScope,
    instance_call,
    layers_in,
    parts_of,
)
from archc.backends.blocks.symbols import ratio, same
from archc.backends.blocks.trees import Owner, require_honoured, translations, unified, unified_call
from archc.backends.blocks.widths import width_candidates, width_of_call
from archc.backends.fusion import Rearrange
from archc.codegen.tree import Call, Expr, Lit
from archc.ir.graph import Graph, Node, Region
from archc.language import expressions as spec
from archc.ops.activation import Activation
from archc.ops.axes import Axes
from archc.ops.shape import Reshape

MOST_ALTERNATIVES = 3
"""Structures of one op that a definition distinguishes."""


class Unifier:
    """Joins regions of a graph. `lowered` has the layers of every node, `general` those of the same
    nodes lowered so that more of them are alike; `by_path` the definition of every block instance
    inside."""

    def __init__(
        self,
        graph: Graph,
        lowered: LoweredLayers,
        general: LoweredLayers,
        by_path: Mapping[str, Definition],
        *,
        hands_in_classes: bool,
    ) -> None:
        self.graph = graph
        self.lowered = dict(lowered)
        self.general = general
        self.by_path = by_path
        self.hands_in_classes = hands_in_classes
        self.uses = Uses(graph)

    def join(
        self, context: UnifyContext, regions: Sequence[Region]
    ) -> tuple[tuple[Item, ...], Region]:
        """The items of a block's instances, joined, and the region that they make up. Raises
        MismatchError."""
        reference = fullest(regions)
        flows = [Flow() for _ in regions]
        source = entry_of(regions)
        for flow, region in zip(flows, regions, strict=True):
            flow.add(source, region.input)
        items = self.join_items(context, regions, flows)
        output = joined_value(flows, {i: region.output for i, region in enumerate(regions)})
        return items, rewired_region(reference, parts_of(items), source, output)

    def join_items(
        self, context: UnifyContext, regions: Sequence[Region | None], flows: Sequence[Flow]
    ) -> tuple[Item, ...]:
        rows = aligned(regions)
        for index, region in enumerate(regions):
            if region is not None:
                context.counterparts[region.path] = {
                    alignment_key(row.first): item
                    for row in rows
                    if (item := row.items[index]) is not None
                }
        whole = [index for index, region in enumerate(regions) if region is not None]
        return self.join_rows(context, rows, whole, flows)

    def join_rows(
        self,
        context: UnifyContext,
        rows: Sequence[Row],
        whole: Sequence[int],
        flows: Sequence[Flow],
    ) -> tuple[Item, ...]:
        """The rows joined; the instances in `whole` have all of them but what a condition bars."""
        keys = [alignment_key(row.first) for row in rows]
        barred = {key: _lacking(row, whole) for key, row in zip(keys, rows, strict=True)}
        joined: list[Item] = []
        position = 0
        while position < len(rows):
            row = rows[position]
            without = barred.get(row.merge, frozenset()) if row.merge else frozenset()
            if without and without <= barred[keys[position]]:
                end = keys.index(row.merge, position) + 1 if row.merge else position + 1
                joined.append(self.optional(context, rows, position, end, whole, without, flows))
                position = end
                continue
            joined.append(self.join_row(context, row, whole, flows))
            position += 1
        return tuple(joined)

    def optional(
        self,
        context: UnifyContext,
        rows: Sequence[Row],
        start: int,
        end: int,
        whole: Sequence[int],
        without: frozenset[int],
        flows: Sequence[Flow],
    ) -> LoweredOptional:
        """The rows of a merge that some instances lack. There the last step that replaces one
        of its branches' gives the value, or else what came in."""
        last = rows[end - 1]
        if any(not without <= _lacking(row, whole) for row in rows[start:end]):
            raise MismatchError
        inside = [index for index in whole if index not in without]
        when, fed = condition_of(last.first)
        before = joined_value(flows, {last.present[0]: fed})
        condition = condition_for(context, when, before, inside, sorted(without), self.width)
        replaced = [row for row in rows[:start] if row.merge == last.merge]
        items = self.join_rows(
            context, [replace_merge(row, last.merge) for row in rows[start:end]], inside, flows
        )
        (output,) = self.uses.outputs(items[-1])
        source = before
        if replaced:
            first = replaced[-1].first
            own = first.index if isinstance(first, Node) else first.output
            index = replaced[-1].present[0]
            source = joined_value([flows[index]], {0: own})
        self.bypass(flows, without, source, output)
        self.settle_width(context, flows, output, [source])
        axes = context.common(self.axes_of(flows, whole, output))
        return LoweredOptional(condition, items, source, output, axes)

    def join_row(
        self, context: UnifyContext, row: Row, whole: Sequence[int], flows: Sequence[Flow]
    ) -> Item:
        lacking = _lacking(row, whole)
        condition = None
        if lacking:
            when, source = condition_of(row.first)
            if when is None or not self.is_one_to_one(row.first):
                raise MismatchError
            value = joined_value(flows, {row.present[0]: source})
            condition = condition_for(
                context, when, value, row.present, sorted(lacking), self.width
            )
        item: LoweredOp | LoweredScope
        if isinstance(row.first, Node):
            item = self.join_nodes(context, row, flows, condition)
            source, output = item.node.inputs[0], item.node.index
        else:
            item = self.join_regions(context, row, flows, condition)
            source, output = item.region.input, item.region.output
        if lacking:
            self.bypass(flows, lacking, source, output)
            self.settle_width(context, flows, output, [source])
        return item

    def bypass(
        self, flows: Sequence[Flow], lacking: frozenset[int], source: int, output: int
    ) -> None:
        """Where an instance lacks a step, its input goes on as its output."""
        for index in sorted(lacking):
            flows[index].add(output, flows[index].own[source])

    def is_one_to_one(self, item: Node | Region) -> bool:
        """Whether an item takes one value and gives one, so that it can be left out."""
        if isinstance(item, Node):
            return len(item.inputs) == 1
        taken = self.uses.externals(item)
        return taken == (item.input,) and len(self.uses.results(item)) == 1

    def width(self, context: UnifyContext, index: int, axis: str) -> list[Expr]:
        """What an axis of a value may be in symbols."""
        x = self.graph.nodes[index].output
        return context.symbols_of(index) if axis == (x.names[0] if x.is_map else "features") else []

    def symbol_in(self, context: UnifyContext, value: int, own: Mapping[int, int]) -> Expr | None:
        """The symbol of a value's width that is right in some instances, which call it `own`."""
        widths: list[object] = [self.graph.nodes[one].output.width for one in own.values()]
        for symbol in context.symbols_of(value):
            if same(context.evaluate(symbol, list(own)), widths):
                return symbol
        return None

    def axes_of(self, flows: Sequence[Flow], present: Sequence[int], value: int) -> list[Axes]:
        return [self.graph.nodes[flows[index].own[value]].output for index in present]

    def settle_width(
        self, context: UnifyContext, flows: Sequence[Flow], value: int, others: Sequence[int]
    ) -> None:
        """Keep the symbol of a value's width, or that of what stands for it, where it is right in
        every instance that has the value."""
        present = [index for index, flow in enumerate(flows) if value in flow.own]
        widths: list[object] = [x.width for x in self.axes_of(flows, present, value)]
        symbols = [symbol for one in (value, *others) for symbol in context.symbols_of(one)]
        for symbol in symbols:
            if same(context.evaluate(symbol, present), widths):
                context.widths[value] = symbol
                return
        context.widths[value] = None
        context.partial[value] = list(dict.fromkeys(symbols))

    # Ops

    def join_nodes(
        self, context: UnifyContext, row: Row, flows: Sequence[Flow], condition: Expr | None
    ) -> LoweredOp:
        nodes = {i: item for i, item in enumerate(row.items) if isinstance(item, Node)}
        first, present = nodes[row.present[0]], row.present
        names = {(node.named, node.name if node.named else "") for node in nodes.values()}
        if len(names) > 1 or len({len(node.inputs) for node in nodes.values()}) > 1:
            raise MismatchError
        inputs = tuple(
            joined_value(flows, {i: node.inputs[position] for i, node in nodes.items()})
            for position in range(len(first.inputs))
        )
        fed = -1
        if first.branches is not None and first.branches.input >= 0:
            fed = joined_value(flows, {present[0]: first.branches.input})
        node = rewired_node(first, inputs, fed)
        for index, other in nodes.items():
            flows[index].add(node.index, other.index)
        op = self.join_layers(context, node, nodes)
        if condition is not None and any(layer.layer is None for layer in layers_in(op)):
            raise MismatchError
        outputs = self.axes_of(flows, present, node.index)
        self.set_width(context, node, nodes, outputs)
        return replace(op, axes=context.common(outputs), condition=condition)

    def join_layers(
        self, context: UnifyContext, node: Node, nodes: Mapping[int, Node]
    ) -> LoweredOp:
        """What an op becomes in all instances: lowered as each asks for, or else the general way,
        or else as one or the other under a condition. Raises MismatchError."""
        columns = {index: self.lowered[one.index] for index, one in nodes.items()}
        general = {index: self.general[one.index] for index, one in nodes.items()}
        whole = tuple(one.index for one in nodes.values())
        try:
            with context.attempt():
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
        they would not suit."""
        presumed = {
            name
            for one in nodes.values()
            for layer in self.lowered[one.index]
            for name in layer.presumes
            if self.general[one.index] != self.lowered[one.index]
        }
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
        if self.symbol_in(context, source, {i: one.inputs[0] for i, one in nodes.items()}) is None:
            raise MismatchError  # a condition on what comes in would not hold for all instances
        rest = list(columns)
        alternatives: list[Alternative] = []
        for group in several[:-1]:
            rest = [index for index in rest if index not in group]
            general = [mains[index].condition for index in group]
            owner = Owner(node.index, source, node.expressions, group, takes_classes=False)
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
        owner = Owner(node.index, node.inputs[0], node.expressions, present, classes)

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

    def set_width(
        self,
        context: UnifyContext,
        node: Node,
        nodes: Mapping[int, Node],
        outputs: Sequence[Axes],
    ) -> None:
        """Enter the symbol of a node's channels or features, if it has one."""
        present = list(nodes)
        widths: list[object] = [x.width for x in outputs]
        own = [context.filled.get((node.index, name)) for name in ("filters", "units")]
        incoming = [
            self.symbol_in(context, value, {i: one.inputs[position] for i, one in nodes.items()})
            for position, value in enumerate(node.inputs)
        ]
        candidates = [symbol for symbol in own if symbol is not None]
        candidates += width_candidates(self.graph, node, list(nodes.values()), incoming)
        column = context.columns.get(context.incoming, [])
        share = (
            ratio(widths, [column[index] for index in present], context.incoming)
            if column
            else None
        )
        candidates += [] if share is None else [share]
        for candidate in [*candidates, Lit(outputs[0].width)]:
            if same(context.evaluate(candidate, present), widths):
                context.widths[node.index] = candidate
                return
        context.widths[node.index] = None

    # Sections and blocks

    def join_regions(
        self, context: UnifyContext, row: Row, flows: Sequence[Flow], condition: Expr | None
    ) -> LoweredScope:
        regions = {i: item for i, item in enumerate(row.items) if isinstance(item, Region)}
        first = regions[row.present[0]]
        source = joined_value(flows, {i: region.input for i, region in regions.items()})
        if first.kind == "block":
            region = moved(first, source)
            for index, other in regions.items():
                flows[index].add(region.output, other.output)
            call = self.join_calls(context, region, regions, source)
            items: tuple[Item, ...] = ()
        else:
            whole: list[Region | None] = [regions.get(i) for i in range(len(row.items))]
            items, call = self.join_items(context, whole, flows), None
            output = joined_value(flows, {i: one.output for i, one in regions.items()})
            region = rewired_region(first, parts_of(items), source, output)
        axes = context.common(self.axes_of(flows, row.present, region.output))
        return LoweredScope(region, items, axes, condition, call)

    def join_calls(
        self,
        context: UnifyContext,
        region: Region,
        regions: Mapping[int, Region],
        source: int,
    ) -> Call:
        """The call of a block's definition in all instances of what it stands in."""
        written: dict[str, spec.Expression] = {
            **{name: spec.Name(name, 0, 0) for name in context.handed},
            **dict.fromkeys(region.arguments, NOT_WRITTEN),
        }
        for other in [*regions.values()][::-1]:
            written.update(other.expressions)
        definition = self.by_path[region.path]
        defaults = {argument.name: argument.default for argument in definition.arguments}
        present = list(regions)
        owner = Owner(region.output, source, written, present, self.hands_in_classes, defaults)
        trees = [instance_call(self.by_path[one.path], one) for one in regions.values()]
        if len({tree.function for tree in trees}) > 1:
            raise MismatchError
        call = unified(context, owner, trees, self.width)
        assert isinstance(call, Call)
        widths: list[object] = [
            self.graph.nodes[one.output].output.width for one in regions.values()
        ]
        entry = self.symbol_in(context, source, {i: one.input for i, one in regions.items()})
        width = width_of_call(definition, call, entry)
        if width is None or not same(context.evaluate(width, list(regions)), widths):
            width = None
        context.widths[region.output] = width
        return call


def assuming(op: LoweredOp, condition: Expr, *, holds: bool) -> LoweredOp:
    """An op where a condition is known to hold, or not to: nothing in it asks once more."""
    layers: list[LoweredLayer] = []
    for layer in op.layers:
        call = layer.layer and assumed(layer.layer, condition, holds=holds)
        assert call is None or isinstance(call, Call)
        layers.append(replace(layer, layer=call))
    return replace(op, layers=tuple(layers))


NOT_WRITTEN = spec.Literal(None, 0, 0)
"""Stands for the expression of an argument that the spec gives as a value."""


def _lacking(row: Row, whole: Sequence[int]) -> frozenset[int]:
    return frozenset(index for index in whole if row.items[index] is None)
