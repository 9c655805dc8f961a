"""Blocks written once: all instances of a block are laid beside each other, and what differs
becomes the parameters of one definition.

The instances come from one text, so their parts are aligned by the step that made them. Parts with
equal trees are the body; literals that differ become the block's own parameters, by the
expressions that the spec gives them, checked for every instance. A part that some instances lack
by a `when` is written under that condition. Instances that differ otherwise make a second
definition.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from archc import expressions as spec
from archc.backends.frame import Frame
from archc.backends.instances import (
    alignment_key,
    fullest,
    inner_first,
    instances_in,
    structure,
)
from archc.backends.lowering import INCOMING, Stage
from archc.backends.parts import (
    Argument,
    Definition,
    Group,
    Item,
    Part,
    Stages,
    Template,
    instance_call,
    trees_in,
)
from archc.backends.symbols import (
    is_plain,
    ratio,
    same,
    symbols_in,
    total,
    translate,
    type_name,
)
from archc.emit import Call, Expr, Lit, Ref
from archc.graph import Graph, Node, Region
from archc.names import camel_case
from archc.ops.axes import Axes
from archc.rewrite import transform, unify

MOST_TRIED = 8
"""Definitions of one block that a further structure is tried to join."""


class Mismatch(Exception):
    """Instances that one definition cannot cover."""


def template(
    graph: Graph,
    stages: Stages,
    exposed: Sequence[str],
    *,
    passes_width: bool,
    taken: Iterable[str] = (),
) -> Template:
    """The network with each block written once. `exposed` are the spec's parameters that the
    network's own class takes. `passes_width` tells whether a block is told the width of what
    comes in (PyTorch) or can ask for it (Keras). `taken` names no definition may have."""
    return _Joiner(graph, stages, passes_width, taken).template(exposed)


class _Joiner:
    def __init__(
        self, graph: Graph, stages: Stages, passes_width: bool, taken: Iterable[str]
    ) -> None:
        self.graph = graph
        self.stages = stages
        self.passes_width = passes_width
        self.definitions: list[Definition] = []
        self.by_path: dict[str, Definition] = {}
        self.taken: set[str] = {graph.about.class_name, *taken}

    def template(self, exposed: Sequence[str]) -> Template:
        instances = instances_in(self.graph.root)
        for block in inner_first(instances):
            self.define(block, instances[block])
        root = self.graph.root
        params = self.graph.about.params
        frame = self.frame([root], {name: [params[name]] for name in exposed}, params, whole=True)
        items = self.join(frame, [root])
        arguments = self.arguments(frame, exposed)
        # A block all of whose steps are left out everywhere is nowhere called.
        called = [one for one in self.definitions if any(True for _ in one.region.nodes())]
        return Template(tuple(called), items, arguments)

    # Definitions

    def define(self, block: str, regions: Sequence[Region]) -> None:
        """As few definitions as cover all instances of a block: one where that can be; else those
        of one structure are joined, as far as a condition tells them apart."""
        try:
            made = [self.definition(block, regions, whole=True)]
        except Mismatch:
            alike: dict[object, list[Region]] = {}
            for region in regions:
                alike.setdefault(self.signature(region), []).append(region)
            made = self.fewest(block, list(alike.values()))
        for definition in made:
            named = replace(definition, name=self.new_name(camel_case(block)))
            self.definitions.append(named)
            self.by_path.update(dict.fromkeys(named.values, named))

    def fewest(self, block: str, classes: Sequence[Sequence[Region]]) -> list[Definition]:
        made: list[tuple[list[Region], Definition]] = []
        for together in classes:
            for position, (regions, _) in enumerate(made[:MOST_TRIED]):
                try:
                    joined = [*regions, *together]
                    made[position] = (joined, self.definition(block, joined))
                    break
                except Mismatch:
                    continue
            else:
                made += self.alone(block, together)
        return [definition for _, definition in made]

    def alone(self, block: str, regions: Sequence[Region]) -> list[tuple[list[Region], Definition]]:
        """A definition for instances of one structure; one each where even those differ."""
        try:
            return [(list(regions), self.definition(block, regions))]
        except Mismatch:
            return [([region], self.definition(block, [region])) for region in regions]

    def definition(
        self, block: str, regions: Sequence[Region], *, whole: bool = False
    ) -> Definition:
        """One definition for some instances of a block. Where it is not for all of them (`whole`),
        what these share is fixed in it: it is no parameter that another value would suit."""
        names = list(dict.fromkeys(name for region in regions for name in region.arguments))
        columns = {name: [region.arguments.get(name) for region in regions] for name in names}
        frame = self.frame(regions, columns, {}, whole=whole)
        items = self.join(frame, list(regions))
        arguments = self.arguments(frame, names)
        values = {
            region.path: {
                argument.name: frame.columns[Ref(argument.name)][index] for argument in arguments
            }
            for index, region in enumerate(regions)
        }
        return Definition("", block, arguments, items, fullest(regions), values)

    def new_name(self, wanted: str) -> str:
        name, count = wanted, 1
        while name in self.taken:
            count += 1
            name = f"{wanted}{count}"
        self.taken.add(name)
        return name

    def signature(self, region: Region) -> object:
        """What two instances share that one definition covers without a condition."""
        rows: list[object] = []
        for item in region.items:
            if isinstance(item, Node):
                rows.append((alignment_key(item), structure(self.stages[item.index])))
            elif item.kind == "block":
                rows.append((alignment_key(item), self.by_path[item.path].name))
            else:
                rows.append((alignment_key(item), self.signature(item)))
        return tuple(rows)

    def frame(
        self,
        regions: Sequence[Region],
        columns: Mapping[str, list[object]],
        defaults: Mapping[str, object],
        *,
        whole: bool,
    ) -> Frame:
        names: dict[str, Expr | None] = {}
        for name, value in self.graph.about.params.items():
            names[name] = Lit(value) if is_plain(value) else None
        table: dict[Expr, list[object]] = {}
        for name, column in columns.items():
            first = column[0]
            if not whole and is_plain(first) and same(column, [first] * len(column)):
                names[name] = Lit(first)
            elif all(map(is_plain, column)):
                names[name] = Ref(name)
                table[Ref(name)] = column
            else:
                names[name] = None
        reference = fullest(regions)
        axes = [self.graph.nodes[region.input].output for region in regions]
        incoming = Ref("in_channels" if axes[0].is_map else "in_features")
        frame = Frame(regions, names, table, defaults, incoming)
        if reference.kind == "block":
            widths = {x.width for x in axes}
            if whole or len(widths) > 1:
                table[incoming] = [x.width for x in axes]
                frame.widths[reference.input] = incoming
            else:
                frame.widths[reference.input] = Lit(widths.pop())
        return frame

    def arguments(self, frame: Frame, names: Sequence[str]) -> tuple[Argument, ...]:
        """The parameters that the body uses: incoming width, the spec's own, then fresh ones."""
        used = self.used
        incoming = [frame.incoming.name] if self.passes_width else []
        order = [*incoming, *names, *frame.fresh]
        found = []
        for name in order:
            if name not in used:
                continue
            column = frame.columns[Ref(name)]
            default = self.default(frame, name, column)
            found.append(Argument(name, type_name(column), default))
        required = [argument for argument in found if argument.default is None]
        return (*required, *(argument for argument in found if argument.default is not None))

    def default(self, frame: Frame, name: str, column: Sequence[object]) -> Lit | None:
        if name in frame.defaults:
            value = frame.defaults[name]
            return Lit(value) if is_plain(value) else None
        if frame.regions[0].kind != "block" or name not in frame.regions[0].defaults:
            return None
        value = frame.regions[0].defaults[name]
        if is_plain(value) and type(value) is type(column[0]):
            return Lit(value)
        return None

    # Joining

    def join(self, frame: Frame, regions: Sequence[Region | None]) -> tuple[Item, ...]:
        """The items of aligned regions, joined. `regions` has None where an instance lacks it."""
        self.used: set[str] = set()
        ways = [
            {} if region is None else {fullest(regions).input: region.input} for region in regions
        ]
        items = self.join_items(frame, regions, ways)
        self.used = symbols_in(list(trees_in(items)))
        return items

    def join_items(
        self,
        frame: Frame,
        regions: Sequence[Region | None],
        ways: Sequence[dict[int, int]],
    ) -> tuple[Item, ...]:
        reference = fullest(regions)
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
            condition = self.condition(frame, item) if any(lacking) else None
            if isinstance(item, Node):
                joined.append(self.join_nodes(frame, item, aligned, ways, condition))
            else:
                joined.append(self.join_regions(frame, item, aligned, ways, condition))
            self.pass_by(item, lacking, ways)
        return tuple(joined)

    def condition(self, frame: Frame, item: Node | Region) -> Expr:
        """What decides whether an instance has the item. Raises Mismatch where that cannot be
        written."""
        when = item.origin.when
        source = item.inputs[0] if isinstance(item, Node) else item.input
        if when is None or (isinstance(item, Node) and len(item.inputs) > 1):
            raise Mismatch
        condition = self.translated(frame, when, source)
        if condition is None:
            raise Mismatch
        return condition

    def translated(self, frame: Frame, written: spec.Expression, source: int) -> Expr | None:
        """A spec's expression as source, where the value of the node `source` comes in."""
        return translate(written, frame.names, lambda axis: self.width(frame, source, axis))

    def width(self, frame: Frame, index: int, axis: str) -> Expr | None:
        x = self.graph.nodes[index].output
        return frame.widths.get(index) if axis == (x.names[0] if x.is_map else "features") else None

    def pass_by(
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
        frame: Frame,
        node: Node,
        aligned: Sequence[Node | Region | None],
        ways: Sequence[dict[int, int]],
        condition: Expr | None,
    ) -> Part:
        nodes = [other if isinstance(other, Node) else None for other in aligned]
        for other, way in zip(nodes, ways, strict=True):
            if other is not None:
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
        return Part(node, stages, axes, condition)

    def follow(self, wanted: Sequence[int], given: Sequence[int], way: dict[int, int]) -> None:
        """Check that an instance's node takes the same values as the reference's."""
        if len(wanted) != len(given):
            raise Mismatch
        for a, b in zip(wanted, given, strict=True):
            if way.setdefault(a, b) != b:
                raise Mismatch

    def join_stages(
        self, frame: Frame, node: Node, present: Sequence[int], stages: Sequence[Stage]
    ) -> Stage:
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
        frame: Frame,
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
            return expr

        joined = unify(whole, resolve)
        if joined is None:
            raise Mismatch
        return transform(joined, parametric)

    def search(
        self, frame: Frame, index: int, present: Sequence[int], literals: Sequence[Lit]
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
        if name is None or name == INCOMING or len(present) < len(frame.regions):
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
        self, frame: Frame, node: Node, present: Sequence[int], outputs: Sequence[Axes]
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
        frame: Frame,
        region: Region,
        aligned: Sequence[Node | Region | None],
        ways: Sequence[dict[int, int]],
        condition: Expr | None,
    ) -> Group:
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
            group = Group(region, (), axes, condition, made)
        else:
            group = Group(region, self.join_items(frame, regions, ways), axes, condition)
        for other, way in zip(regions, ways, strict=True):
            if other is not None and way.setdefault(region.output, other.output) != other.output:
                raise Mismatch
        return group
