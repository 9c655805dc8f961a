"""The items of all instances of a block laid beside each other and joined: what is equal is kept,
literals that differ become symbols, and what some instances lack stands under a condition.

Every joined tree is proven: with an instance's own values it is that instance's tree again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from archc.backends.blocks.align import Row, aligned, condition_of
from archc.backends.blocks.conditions import condition_for
from archc.backends.blocks.context import MismatchError, UnifyContext
from archc.backends.blocks.dataflow import Uses
from archc.backends.blocks.flow import (
    Flow,
    joined_owner,
    joined_value,
    moved,
    rewired_node,
    rewired_region,
)
from archc.backends.blocks.instances import alignment_key, fullest
from archc.backends.blocks.items import (
    Definition,
    Item,
    LoweredLayers,
    LoweredOp,
    LoweredOptional,
    LoweredScope,
    Turns,
    instance_call,
    layers_in,
    parts_of,
)
from archc.backends.blocks.symbols import ratio, same
from archc.backends.blocks.trees import Owner, unified
from archc.backends.blocks.turns import (
    FEWEST_TURNS,
    end_of_turns,
    first_alike,
    gathered_inputs,
    gathered_width,
    require_loops,
    total_of,
)
from archc.backends.blocks.unify_layers import LayerUnifier
from archc.backends.blocks.widths import symbol_in, width_candidates, width_of_call
from archc.codegen.tree import Call, Expr, Lit
from archc.ir.graph import Graph, Node, Region
from archc.language import expressions as spec
from archc.ops.activation import Activation
from archc.ops.axes import Axes
from archc.ops.merge import Concat, Merge


class Unifier:
    """Joins regions of a graph. `lowered` has the layers of every node, `general` those of the same
    nodes lowered so that more of them are alike; `by_path` the definition of every block instance
    inside, `identity` a layer that does nothing."""

    def __init__(
        self,
        graph: Graph,
        lowered: LoweredLayers,
        general: LoweredLayers,
        by_path: Mapping[str, Definition],
        identity: Call,
        *,
        hands_in_classes: bool,
    ) -> None:
        self.graph = graph
        self.layers = LayerUnifier(
            graph, lowered, general, identity, hands_in_classes=hands_in_classes
        )
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
        source, *others = context.entries.values()
        for flow, region in zip(flows, regions, strict=True):
            for value, own in zip((source, *others), region.entering, strict=True):
                flow.add(value, own)
        items = self.join_items(context, regions, flows)
        output = joined_value(flows, {i: region.output for i, region in enumerate(regions)})
        outputs = self.join_outputs(regions, flows)
        inputs = dict(zip(reference.inputs, others, strict=True))
        require_loops(items, (output, *outputs.values()))
        return items, rewired_region(reference, parts_of(items), source, output, inputs, outputs)

    def join_outputs(self, regions: Sequence[Region], flows: Sequence[Flow]) -> dict[str, int]:
        """What the instances of a block give besides their output, joined. Raises MismatchError
        where they give other values, or one value for another one's two."""
        given = [self.uses.exposed(region) for region in regions]
        same_values = {
            tuple(values.index(one) for one in values)
            for region, outputs in zip(regions, given, strict=True)
            for values in [[region.output, *outputs.values()]]
        }
        if len(same_values) > 1 or any(one.keys() != given[0].keys() for one in given):
            raise MismatchError
        return {
            name: joined_value(flows, {i: one[name] for i, one in enumerate(given)})
            for name in given[0]
        }

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
            end = end_of_turns(rows, position)
            if any(_lacking(one, whole) for one in rows[position:end]):
                joined += self.join_turns(context, rows[position:end], whole, flows)
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
        condition = condition_for(context, when, before, inside, sorted(without), self.layers.width)
        replaced = [row for row in rows[:start] if row.merge == last.merge]
        items = self.join_rows(context, rows[start:end], inside, flows)
        (output,) = self.uses.outputs(items[-1])
        source = before
        if replaced:
            first = replaced[-1].first
            own = first.index if isinstance(first, Node) else first.output
            index = replaced[-1].present[0]
            source = joined_value([flows[index]], {0: own})
        self.bypass(flows, without, source, output)
        self.settle_width(context, flows, output, [source])
        axes = context.common(output, self.axes_of(flows, whole, output))
        return LoweredOptional(condition, items, source, output, axes)

    def join_row(
        self, context: UnifyContext, row: Row, whole: Sequence[int], flows: Sequence[Flow]
    ) -> Item:
        lacking = _lacking(row, whole)
        if lacking and is_fixed(row.first):
            raise MismatchError  # what its class refers to later stands under no condition
        condition = None
        if lacking and is_activation_step(row.first):
            try:
                with context.attempt():
                    return self.activation(context, row, lacking, flows)
            except MismatchError:
                pass  # it stands under a condition
        if lacking:
            when, source = condition_of(row.first)
            named_merge = is_named_merge(row.first)
            if when is None or not (named_merge or self.is_one_to_one(row.first)):
                raise MismatchError
            value = joined_value(flows, {row.present[0]: source})
            condition = condition_for(
                context, when, value, row.present, sorted(lacking), self.layers.width
            )
            if named_merge:
                return self.optional_merge(context, row, lacking, condition, value, flows)
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

    def join_turns(
        self,
        context: UnifyContext,
        rows: Sequence[Row],
        whole: Sequence[int],
        flows: Sequence[Flow],
    ) -> list[LoweredScope]:
        """The turns of a block's repetition that the instances run differently often. Raises
        MismatchError where those that some lack are not called alike."""
        counts = {i: sum(row.items[i] is not None for row in rows) for i in whole}
        scopes: list[LoweredScope] = []
        for number, row in enumerate(rows):
            there = [index for index in whole if counts[index] > number]
            fixed = is_fixed(row.first) or row.first.origin.computed
            if fixed or row.present != there or not self.is_single(row.first):
                raise MismatchError
            scope = self.join_regions(context, row, flows, None)
            source, output = scope.region.input, scope.region.output
            if any(source not in flows[index].own for index in whole):
                raise MismatchError
            self.bypass(flows, _lacking(row, whole), source, output)
            self.settle_width(context, flows, output, [source])
            scopes.append(scope)
        start = first_alike(scopes)
        if len(scopes) < FEWEST_TURNS or start > min(counts.values()):
            raise MismatchError
        outputs = tuple(one.region.output for one in scopes[start:])
        turns = Turns(total_of(context, scopes[0], counts, self.layers.width), start, outputs)
        context.gathered.append((turns, counts))
        return [*scopes[:start], *(replace(one, turns=turns) for one in scopes[start:])]

    def activation(
        self, context: UnifyContext, row: Row, lacking: frozenset[int], flows: Sequence[Flow]
    ) -> LoweredOp:
        """An activation that is `none` in some instances, where it does nothing."""
        op = self.join_nodes(context, row, flows, None, lacking)
        source, output = op.node.inputs[0], op.node.index
        self.bypass(flows, lacking, source, output)
        self.settle_width(context, flows, output, [source])
        return op

    def optional_merge(
        self,
        context: UnifyContext,
        row: Row,
        lacking: frozenset[int],
        condition: Expr,
        before: int,
        flows: Sequence[Flow],
    ) -> LoweredOptional:
        """A merge of named steps that some instances lack: there the step before it goes on."""
        item = self.join_nodes(context, row, flows, None)
        output = item.node.index
        self.bypass(flows, lacking, before, output)
        self.settle_width(context, flows, output, [before])
        return LoweredOptional(condition, (item,), before, output, item.axes)

    def bypass(
        self, flows: Sequence[Flow], lacking: frozenset[int], source: int, output: int
    ) -> None:
        """Where an instance lacks a step, its input goes on as its output."""
        for index in sorted(lacking):
            flows[index].add(output, flows[index].own[source])

    def is_single(self, item: Node | Region) -> bool:
        """Whether an item gives one value."""
        return isinstance(item, Node) or len(self.uses.results(item)) == 1

    def is_one_to_one(self, item: Node | Region) -> bool:
        """Whether an item takes one value and gives one, so that it can be left out."""
        if isinstance(item, Node):
            return len(item.inputs) == 1
        taken = self.uses.externals(item)
        return taken == (item.input,) and len(self.uses.results(item)) == 1

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
        self,
        context: UnifyContext,
        row: Row,
        flows: Sequence[Flow],
        condition: Expr | None,
        absent: Iterable[int] = (),
    ) -> LoweredOp:
        nodes = {i: item for i, item in enumerate(row.items) if isinstance(item, Node)}
        first, present = nodes[row.present[0]], row.present
        names = {(n.named, n.name if n.named else "", n.frozen) for n in nodes.values()}
        if len(names) > 1:
            raise MismatchError
        taken = [
            {i: node.inputs[position] for i, node in nodes.items()}
            for position in range(len(first.inputs))
        ]
        run: tuple[Turns, int] | None = None
        whole, reference = nodes, present[0]  # those that take as much as any, and the first
        if len({len(node.inputs) for node in nodes.values()}) > 1:
            if not is_named_merge(first) or not isinstance(first.op, Concat):
                raise MismatchError
            taken, turns, start = gathered_inputs(context.gathered, nodes, flows)
            run = turns, start
            whole = {i: one for i, one in nodes.items() if len(one.inputs) == len(taken)}
            reference, first = next(iter(whole.items()))
        inputs = tuple(joined_value(flows, values) for values in taken)
        fed = -1
        if first.branches is not None and first.branches.input >= 0:
            fed = joined_value(flows, {reference: first.branches.input})
        bypass = first.bypass
        if bypass >= 0:
            bypass = joined_value(flows, {reference: bypass})
        weights = joined_owner(flows, {i: node.weights for i, node in nodes.items()})
        node = rewired_node(first, inputs, fed, bypass, weights)
        for index, other in nodes.items():
            flows[index].add(node.index, other.index)
        op = self.layers.join(context, node, whole, absent)
        if condition is not None and any(layer.layer is None for layer in layers_in(op)):
            raise MismatchError
        outputs = self.axes_of(flows, present, node.index)
        self.set_width(context, node, nodes, outputs, taken, run)
        return replace(op, axes=context.common(node.index, outputs), condition=condition)

    def set_width(
        self,
        context: UnifyContext,
        node: Node,
        nodes: Mapping[int, Node],
        outputs: Sequence[Axes],
        taken: Sequence[Mapping[int, int]],
        run: tuple[Turns, int] | None,
    ) -> None:
        """Enter the symbol of a node's channels or features, if it has one. It takes the values
        `taken`, and of a repetition those from a position on, by how many there are: `run`."""
        present = list(nodes)
        widths: list[object] = [x.width for x in outputs]
        own = [context.filled.get((node.index, name)) for name in ("filters", "units")]
        incoming = [
            symbol_in(self.graph, context, value, values)
            for value, values in zip(node.inputs, taken, strict=True)
        ]
        candidates = [symbol for symbol in own if symbol is not None]
        if run is None:
            candidates += width_candidates(self.graph, node, list(nodes.values()), incoming)
        elif (gathered := gathered_width(incoming, *run)) is not None:
            candidates.append(gathered)
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
        sources = [
            joined_value(flows, {i: region.entering[position] for i, region in regions.items()})
            for position in range(len(first.entering))
        ]
        owners = {context.joined.get(one.weights, one.weights) for one in regions.values()}
        if len(owners) > 1 or len({one.frozen for one in regions.values()}) > 1:
            raise MismatchError
        if first.kind == "block":
            region = moved(first, sources, owners.pop())
            for index, other in regions.items():
                flows[index].add(region.output, other.output)
                for name, value in region.outputs.items():
                    flows[index].add(value, other.outputs[name])
            call = self.join_calls(context, region, regions)
            items: tuple[Item, ...] = ()
        else:
            whole: list[Region | None] = [regions.get(i) for i in range(len(row.items))]
            items, call = self.join_items(context, whole, flows), None
            output = joined_value(flows, {i: one.output for i, one in regions.items()})
            region = rewired_region(first, parts_of(items), sources[0], output)
        context.joined |= {one.path: region.path for one in regions.values()}
        axes = context.common(region.output, self.axes_of(flows, row.present, region.output))
        return LoweredScope(region, items, axes, condition, call)

    def join_calls(
        self,
        context: UnifyContext,
        region: Region,
        regions: Mapping[int, Region],
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
        owner = Owner(
            region.output, region.entering, written, present, self.hands_in_classes, defaults
        )
        trees = [instance_call(self.by_path[one.path], one) for one in regions.values()]
        if len({tree.function for tree in trees}) > 1:
            raise MismatchError
        call = unified(context, owner, trees, self.layers.width)
        assert isinstance(call, Call)
        widths: list[object] = [
            self.graph.nodes[one.output].output.width for one in regions.values()
        ]
        entering = [
            symbol_in(
                self.graph, context, value, {i: one.entering[k] for i, one in regions.items()}
            )
            for k, value in enumerate(region.entering)
        ]
        width = width_of_call(definition, call, entering)
        if width is None or not same(context.evaluate(width, list(regions)), widths):
            width = None
        context.widths[region.output] = width
        return call


def is_activation_step(item: Node | Region) -> bool:
    """Whether an item is an activation that a parameter names."""
    return isinstance(item, Node) and isinstance(item.op, Activation) and bool(item.expressions)


def is_fixed(item: Node | Region) -> bool:
    """Whether an item uses another one's variables, or something in it is not trained."""
    if isinstance(item, Node):
        return item.weights >= 0 or item.frozen
    inside = item.kind == "section" and any(map(is_fixed, item.items))
    return bool(item.weights) or item.frozen or inside


def is_named_merge(item: Node | Region) -> bool:
    """Whether an item merges named steps, and has no branches of its own."""
    return isinstance(item, Node) and isinstance(item.op, Merge) and item.branches is None


NOT_WRITTEN = spec.Literal(None, 0, 0)
"""Stands for the expression of an argument that the spec gives as a value."""


def _lacking(row: Row, whole: Sequence[int]) -> frozenset[int]:
    return frozenset(index for index in whole if row.items[index] is None)
