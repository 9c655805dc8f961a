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

from archc.backends.blocks.frame import UnifyContext
from archc.backends.blocks.instances import (
    alignment_key,
    fullest,
    inner_first,
    instances_in,
    structure,
)
from archc.backends.blocks.items import (
    Argument,
    Definition,
    Item,
    LoweredLayers,
    ModuleOutline,
    trees_in,
)
from archc.backends.blocks.symbols import is_plain, same, symbols_in, type_name
from archc.backends.blocks.unify import Mismatch, Unifier
from archc.codegen.tree import Expr, Lit, Ref
from archc.ir.graph import Graph, Node, Region
from archc.language.names import new_class

MOST_TRIED = 8
"""Definitions of one block that a further structure is tried to join."""


def outline(
    graph: Graph,
    stages: LoweredLayers,
    exposed: Sequence[str],
    *,
    passes_width: bool,
    taken: Iterable[str] = (),
) -> ModuleOutline:
    """The network with each block written once. `exposed` are the spec's parameters that the
    network's own class takes. `passes_width` tells whether a block is told the width of what
    comes in (PyTorch) or can ask for it (Keras). `taken` names no definition may have."""
    return _Maker(graph, stages, passes_width, taken).outline(exposed)


class _Maker:
    def __init__(
        self, graph: Graph, stages: LoweredLayers, passes_width: bool, taken: Iterable[str]
    ) -> None:
        self.graph = graph
        self.stages = stages
        self.passes_width = passes_width
        self.definitions: list[Definition] = []
        self.by_path: dict[str, Definition] = {}
        self.joiner = Unifier(graph, stages, self.by_path)
        self.taken: set[str] = {graph.about.class_name, *taken}

    def outline(self, exposed: Sequence[str]) -> ModuleOutline:
        instances = instances_in(self.graph.root)
        for block in inner_first(instances):
            self.define(block, instances[block])
        root = self.graph.root
        params = self.graph.about.params
        frame = self.frame([root], {name: [params[name]] for name in exposed}, params, whole=True)
        items = self.joiner.join(frame, [root])
        arguments = _arguments(frame, items, exposed, self.passes_width)
        # A block all of whose steps are left out everywhere is nowhere called.
        called = [one for one in self.definitions if any(True for _ in one.region.nodes())]
        return ModuleOutline(tuple(called), items, arguments)

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
            named = replace(definition, name=new_class(block, self.taken))
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
        items = self.joiner.join(frame, list(regions))
        arguments = _arguments(frame, items, names, self.passes_width)
        values = {
            region.path: {
                argument.name: frame.columns[Ref(argument.name)][index] for argument in arguments
            }
            for index, region in enumerate(regions)
        }
        return Definition("", block, arguments, items, fullest(regions), values)

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
    ) -> UnifyContext:
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
        frame = UnifyContext(regions, names, table, defaults, incoming)
        if reference.kind == "block":
            widths = {x.width for x in axes}
            if whole or len(widths) > 1:
                table[incoming] = [x.width for x in axes]
                frame.widths[reference.input] = incoming
            else:
                frame.widths[reference.input] = Lit(widths.pop())
        return frame


def _arguments(
    frame: UnifyContext, items: Sequence[Item], names: Sequence[str], passes_width: bool
) -> tuple[Argument, ...]:
    """The parameters that the items use: incoming width, the spec's own, then fresh ones."""
    used = symbols_in(list(trees_in(items)))
    incoming = [frame.incoming.name] if passes_width else []
    found = [
        Argument(name, type_name(column), _default(frame, name, column))
        for name in [*incoming, *names, *frame.fresh]
        if name in used
        for column in [frame.columns[Ref(name)]]
    ]
    # Flags come last: they are given by keyword alone.
    return tuple(sorted(found, key=lambda one: (one.type == "bool", one.default is not None)))


def _default(frame: UnifyContext, name: str, column: Sequence[object]) -> Lit | None:
    if name in frame.defaults:
        value = frame.defaults[name]
        return Lit(value) if is_plain(value) else None
    if frame.regions[0].kind != "block" or name not in frame.regions[0].defaults:
        return None
    value = frame.regions[0].defaults[name]
    if is_plain(value) and type(value) is type(column[0]):
        return Lit(value)
    return None
