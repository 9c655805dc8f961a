"""The items of all instances of a block laid beside each other and joined: what is equal is kept,
literals that differ become symbols, and what some instances lack stands under a condition.

Every joined tree is proven: with an instance's own values it is that instance's tree again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from archc.backends.base import INCOMING, LoweredLayer
from archc.backends.blocks.dataflow import Uses
from archc.backends.blocks.frame import UnifyContext
from archc.backends.blocks.instances import alignment_key, fullest
from archc.backends.blocks.items import (
    Definition,
    Item,
    LoweredLayers,
    LoweredOp,
    LoweredScope,
    instance_call,
)
from archc.backends.blocks.symbols import concrete, ratio, same, total, translate
from archc.codegen.rewrite import transform, unify
from archc.codegen.tree import Call, Expr, Keyword, Lit, Ref
from archc.ir.graph import Graph, Node, Region
from archc.language import expressions as spec
from archc.ops.axes import Axes


class Mismatch(Exception):
    """Instances that one definition cannot cover."""


class Unifier:
    """Joins regions of a graph. `by_path` has the definition of every block instance inside."""

    def __init__(
        self, graph: Graph, stages: LoweredLayers, by_path: Mapping[str, Definition]
    ) -> None:
        self.graph = graph
        self.stages = stages
        self.by_path = by_path
        self.uses = Uses(graph)

    def join(self, frame: UnifyContext, regions: Sequence[Region]) -> tuple[Item, ...]:
        """The items of a block's instances, joined. Raises Mismatch."""
        reference = fullest(regions)
        ways = [{reference.input: region.input} for region in regions]
        return self.join_items(frame, reference, regions, ways)

    def join_items(
        self,
        frame: UnifyContext,
        reference: Region,
        regions: Sequence[Region | None],
        ways: Sequence[dict[int, int]],
    ) -> tuple[Item, ...]:
        tables = [
            None if region is None else {alignment_key(item): item for item in region.items}
            for region in regions
        ]
        expected = {alignment_key(item) for item in reference.items}
        if any(table is not None and not table.keys() <= expected for table in tables):
            raise Mismatch
        joined: list[Item] = []
        for item in reference.items:
            aligned = [
                None if table is None else table.get(alignment_key(item)) for table in tables
            ]
            lacking = [
                region is not None and other is None
                for region, other in zip(regions, aligned, strict=True)
            ]
            condition = None
            if any(lacking):
                whole = [region is not None for region in regions]
                condition = self.condition(frame, item, whole, lacking)
            if isinstance(item, Node):
                joined.append(self.join_nodes(frame, item, aligned, ways, condition))
            else:
                joined.append(self.join_regions(frame, item, aligned, ways, condition))
            self.bypass(item, lacking, ways)
        return tuple(joined)

    def condition(
        self,
        frame: UnifyContext,
        item: Node | Region,
        whole: Sequence[bool],
        lacking: Sequence[bool],
    ) -> Expr:
        """What decides whether an instance has the item, proven for each instance that is `whole`.
        Raises Mismatch where that cannot be written, or where something else decides."""
        when = item.origin.when
        if when is None or not self.is_one_to_one(item):
            raise Mismatch
        source = item.inputs[0] if isinstance(item, Node) else item.input
        condition = self.translated(frame, when, source)
        if condition is None:
            raise Mismatch
        for index, (there, missing) in enumerate(zip(whole, lacking, strict=True)):
            if there and concrete(condition, frame.values(index)) != Lit(not missing):
                raise Mismatch
        return condition

    def is_one_to_one(self, item: Node | Region) -> bool:
        """Whether an item takes one value and gives one, so that it can be left out."""
        if isinstance(item, Node):
            return len(item.inputs) == 1
        taken = self.uses.externals(item)
        return taken == (item.input,) and len(self.uses.results(item)) == 1

    def translated(self, frame: UnifyContext, written: spec.Expression, source: int) -> Expr | None:
        """A spec's expression as source, where the value of the node `source` comes in."""
        return translate(written, frame.names, lambda axis: self.width(frame, source, axis))

    def width(self, frame: UnifyContext, index: int, axis: str) -> Expr | None:
        x = self.graph.nodes[index].output
        return frame.widths.get(index) if axis == (x.names[0] if x.is_map else "features") else None

    def bypass(
        self, item: Node | Region, lacking: Sequence[bool], ways: Sequence[dict[int, int]]
    ) -> None:
        """Where an instance lacks an item, its input goes on in place of its output."""
        source = item.inputs[0] if isinstance(item, Node) else item.input
        output = item.index if isinstance(item, Node) else item.output
        for missing, way in zip(lacking, ways, strict=True):
            if missing:
                way[output] = way[source]

    def join_nodes(
        self,
        frame: UnifyContext,
        node: Node,
        aligned: Sequence[Node | Region | None],
        ways: Sequence[dict[int, int]],
        condition: Expr | None,
    ) -> LoweredOp:
        nodes = [other if isinstance(other, Node) else None for other in aligned]
        for other, way in zip(nodes, ways, strict=True):
            if other is not None:
                if other.name != node.name:
                    raise Mismatch
                self.follow(node.inputs, other.inputs, way)
                way[node.index] = other.index
        present = [index for index, other in enumerate(nodes) if other is not None]
        columns = [self.stages[other.index] for other in nodes if other is not None]
        if len({len(column) for column in columns}) > 1:
            raise Mismatch
        stages = tuple(
            self.join_stages(frame, node, present, together)
            for together in zip(*columns, strict=True)
        )
        if condition is not None and any(stage.layer is None for stage in stages):
            raise Mismatch
        outputs = [other.output for other in nodes if other is not None]
        frame.widths[node.index] = self.output_width(frame, node, present, outputs)
        axes = frame.common(outputs)
        return LoweredOp(node, stages, axes, condition)

    def follow(self, wanted: Sequence[int], given: Sequence[int], way: dict[int, int]) -> None:
        """Check that an instance's node takes the same values as the reference's."""
        if len(wanted) != len(given):
            raise Mismatch
        for a, b in zip(wanted, given, strict=True):
            if way.setdefault(a, b) != b:
                raise Mismatch

    def join_stages(
        self,
        frame: UnifyContext,
        node: Node,
        present: Sequence[int],
        stages: Sequence[LoweredLayer],
    ) -> LoweredLayer:
        first = stages[0]
        source = node.inputs[0]

        def join(trees: Sequence[Expr | None]) -> Expr | None:
            return self.unify(frame, node.index, node.expressions, source, present, trees)

        layer = join([stage.layer for stage in stages])
        assert layer is None or isinstance(layer, Call)
        initialize = join([stage.initialize for stage in stages])
        assert initialize is None or isinstance(initialize, Call)
        expression = join([stage.expression for stage in stages])
        return replace(first, layer=layer, expression=expression, initialize=initialize)

    def unify(
        self,
        frame: UnifyContext,
        index: int,
        written: Mapping[str, spec.Expression],
        source: int,
        present: Sequence[int],
        trees: Sequence[Expr | None],
    ) -> Expr | None:
        """One tree for those of all instances that have it, its literals turned into symbols.
        Raises Mismatch."""
        whole = [tree for tree in trees if tree is not None]
        if not whole:
            return None
        if len(whole) < len(trees):
            raise Mismatch

        def symbol(literals: Sequence[Lit]) -> Expr | None:
            name = literals[0].field
            values = [literal.value for literal in literals]
            found = None
            if name == INCOMING:
                found = frame.widths.get(source)
            elif name is not None and name in written:
                found = self.translated(frame, written[name], source)
            if found is None or isinstance(found, Lit):
                return None
            if not same(frame.evaluate(found, present), values):
                return None
            if name is not None:
                frame.filled[index, name] = found
            return found

        def resolve(literals: tuple[Lit, ...]) -> Expr | None:
            return symbol(literals) or self.search(frame, index, present, literals)

        def parametric(expr: Expr) -> Expr:
            if isinstance(expr, Lit) and expr.field is not None:
                return symbol([expr] * len(present)) or expr
            if isinstance(expr, Call):
                words = [
                    Keyword(word.name, word.value, word.default and parametric(word.default))
                    for word in expr.keywords
                ]
                return Call(expr.function, expr.arguments, tuple(words))
            return expr

        joined = unify(whole, resolve)
        if joined is None:
            raise Mismatch
        joined = transform(joined, parametric)
        # The proof that the definition, given an instance's values, is that instance.
        for position, tree in zip(present, whole, strict=True):
            if concrete(joined, frame.values(position)) != concrete(tree, {}):
                raise Mismatch
        return joined

    def search(
        self, frame: UnifyContext, index: int, present: Sequence[int], literals: Sequence[Lit]
    ) -> Expr:
        """A symbol for literals that differ and have no expression of their own: a parameter with
        the same values, or a fresh one."""
        values: list[object] = [literal.value for literal in literals]
        known = [*frame.columns, *frame.filled.values()]
        for symbol in known:
            column = frame.evaluate(symbol, present)
            if same(column, values):
                return symbol
            part = ratio(values, column, symbol) if symbol == frame.incoming else None
            if part is not None:
                return part
        name = literals[0].field
        if name is None or name == INCOMING or len(present) < len(frame.regions) or None in values:
            raise Mismatch
        fresh, count = name, 1
        while fresh in frame.names or fresh in frame.fresh:
            count += 1
            fresh = f"{name}_{count}"
        frame.fresh[fresh] = values
        frame.columns[Ref(fresh)] = values
        frame.filled[index, name] = Ref(fresh)
        return Ref(fresh)

    def output_width(
        self, frame: UnifyContext, node: Node, present: Sequence[int], outputs: Sequence[Axes]
    ) -> Expr | None:
        """The symbol of a node's channels or features, if it has one."""
        widths: list[object] = [x.width for x in outputs]
        source = frame.widths.get(node.inputs[0])
        own = [frame.filled.get((node.index, name)) for name in ("filters", "units")]
        candidates = [symbol for symbol in own if symbol is not None]
        if len(node.inputs) > 1:
            joined = total([frame.widths.get(index) for index in node.inputs])
            candidates += [joined] if joined is not None else []
        if source is not None:
            candidates.append(source)
        constant = Lit(outputs[0].width)
        for candidate in [*candidates, constant]:
            if same(frame.evaluate(candidate, present), widths):
                return candidate
        return None

    def join_regions(
        self,
        frame: UnifyContext,
        region: Region,
        aligned: Sequence[Node | Region | None],
        ways: Sequence[dict[int, int]],
        condition: Expr | None,
    ) -> LoweredScope:
        regions = [other if isinstance(other, Region) else None for other in aligned]
        for other, way in zip(regions, ways, strict=True):
            if other is not None:
                self.follow([region.input], [other.input], way)
        present = [index for index, other in enumerate(regions) if other is not None]
        whole = [other for other in regions if other is not None]
        outputs = [self.graph.nodes[other.output].output for other in whole]
        axes = frame.common(outputs)
        if region.kind == "block":
            trees = [instance_call(self.by_path[other.path], other) for other in whole]
            made = self.unify(
                frame, region.output, region.expressions, region.input, present, trees
            )
            assert isinstance(made, Call)
            frame.widths[region.output] = (
                Lit(outputs[0].width) if len({x.width for x in outputs}) == 1 else None
            )
            group = LoweredScope(region, (), axes, condition, made)
        else:
            group = LoweredScope(
                region, self.join_items(frame, region, regions, ways), axes, condition
            )
        for other, way in zip(regions, ways, strict=True):
            if other is not None and way.setdefault(region.output, other.output) != other.output:
                raise Mismatch
        return group
