"""Blocks written once: all instances of a block are laid beside each other, and what differs
becomes the parameters of one definition.

The instances come from one text, so their parts are aligned by the steps of that text. Parts with
equal trees are the body; literals that differ become the block's own parameters, by the
expressions that the spec gives them, checked for every instance. A part that some instances lack
is written under the condition that distinguishes them. Only instances that differ otherwise make a
second definition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from archc.backends.blocks.conditions import written
from archc.backends.blocks.context import MismatchError, UnifyContext
from archc.backends.blocks.entries import with_entries
from archc.backends.blocks.instances import (
    alignment_key,
    entry_of,
    fullest,
    inner_first,
    instances_in,
    regions_in,
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
from archc.backends.blocks.symbols import (
    in_one_type,
    is_plain,
    plain_value,
    same,
    symbols_in,
    type_name,
)
from archc.backends.blocks.unify import Unifier
from archc.codegen.tree import Call, Expr, Lit, Ref
from archc.ir.graph import Graph, Node, Region
from archc.language.expressions import INPUT
from archc.language.names import new_class

MOST_TRIED = 8
"""Definitions of one block that a further structure is tried to join."""


@dataclass(frozen=True, slots=True)
class Style:
    """What a backend's definitions are like. `passes_width` says whether the width of what
    comes in is an argument of a block (PyTorch) or read from the tensor (Keras), `hands_in_classes`
    whether a class of layers may be handed in, `identity` constructs a layer that does nothing.
    `taken` are names that no definition may have."""

    passes_width: bool
    hands_in_classes: bool
    identity: Call
    taken: Sequence[str] = ()


def outline(
    graph: Graph,
    lowered: LoweredLayers,
    general: LoweredLayers,
    exposed: Sequence[str],
    style: Style,
) -> ModuleOutline:
    """The network with each block written once. `general` has the layers of nodes lowered so that
    more of them are alike. `exposed` are the spec's parameters that the network's own class takes.
    """
    return _Maker(graph, lowered, general, exposed, style).outline()


class _Maker:
    def __init__(
        self,
        graph: Graph,
        lowered: LoweredLayers,
        general: LoweredLayers,
        exposed: Sequence[str],
        style: Style,
    ) -> None:
        self.graph, self.entries = with_entries(graph)
        self.exposed = exposed
        self.style = style
        self.definitions: list[Definition] = []
        self.by_path: dict[str, Definition] = {}
        self.unifier = Unifier(
            self.graph,
            lowered,
            general,
            self.by_path,
            style.identity,
            hands_in_classes=style.hands_in_classes,
        )
        self.counterparts: dict[str, dict[tuple[object, ...], Node | Region]] = {}
        self.taken: set[str] = {graph.about.class_name, *style.taken}
        # The paths of the instances that share another one's variables, by the path of that.
        self.sharing: dict[str, list[str]] = {}
        for region in regions_in(graph.root):
            if region.weights:
                self.sharing.setdefault(region.weights, []).append(region.path)

    def outline(self) -> ModuleOutline:
        instances = instances_in(self.graph.root)
        for block in inner_first(instances):
            self.define(block, instances[block])
        root = self.graph.root
        params = self.graph.about.params
        context = self.context([root], {name: [params[name]] for name in self.exposed}, whole=True)
        items, region = self.unifier.join(context, [root])
        self.settle(context)
        arguments = _arguments(context, items, self.exposed, self.style.passes_width)
        # A block all of whose steps are left out everywhere is nowhere called.
        called = [one for one in self.definitions if any(True for _ in one.region.nodes())]
        return ModuleOutline(
            tuple(called),
            items,
            arguments,
            self.graph,
            region,
            self.unifier.layers.lowered,
            self.counterparts,
            tuple(context.widths.get(index) for index in self.graph.all_outputs),
        )

    def settle(self, context: UnifyContext) -> None:
        """Keep what joining has shown about the nodes of a definition."""
        self.counterparts |= context.counterparts
        for index in sorted(context.general):
            self.unifier.layers.lowered[index] = written(self.unifier.layers.general[index])

    # Definitions

    def define(self, block: str, regions: Sequence[Region]) -> None:
        """As few definitions as cover all instances of a block: one where that can be; else those
        of one structure are joined, as far as a condition distinguishes them."""
        try:
            drafts = [self.definition(block, regions, whole=True)]
        except MismatchError:
            alike: dict[object, list[Region]] = {}
            for region in regions:
                alike.setdefault(self.signature(region), []).append(region)
            drafts = self.fewest(block, list(alike.values()))
        groups = [context.regions for _, context in drafts]
        for position, (definition, context) in enumerate(drafts):
            self.settle(context)
            title = context.regions[0].class_name or block
            base = self.variant_name(title, groups, position) if position else title
            named = replace(definition, name=new_class(base, self.taken))
            self.definitions.append(named)
            self.by_path.update(dict.fromkeys(named.values, named))
            for path in named.values:
                self.by_path.update(dict.fromkeys(self.sharing.get(path, ()), named))

    def fewest(self, block: str, classes: Sequence[Sequence[Region]]) -> list[_Draft]:
        drafts: list[tuple[list[Region], _Draft]] = []
        for together in classes:
            for position, (regions, _) in enumerate(drafts[:MOST_TRIED]):
                try:
                    joined = [*regions, *together]
                    drafts[position] = (joined, self.definition(block, joined))
                    break
                except MismatchError:
                    continue
            else:
                drafts += self.alone(block, together)
        return [draft for _, draft in drafts]

    def alone(self, block: str, regions: Sequence[Region]) -> list[tuple[list[Region], _Draft]]:
        """A definition for instances of one structure; one each where even those differ."""
        try:
            return [(list(regions), self.definition(block, regions))]
        except MismatchError:
            return [([region], self.definition(block, [region])) for region in regions]

    def definition(self, block: str, regions: Sequence[Region], *, whole: bool = False) -> _Draft:
        """One definition for some instances of a block. Where it is not for all of them (`whole`),
        what these share is fixed in it: it is no parameter that another value would suit."""
        names = list(dict.fromkeys(name for region in regions for name in region.arguments))
        columns = {name: [region.arguments.get(name) for region in regions] for name in names}
        handed = [name for name in self.exposed if name not in names]
        params = self.graph.about.params
        columns |= {name: [params[name]] * len(regions) for name in handed}
        context = self.context(regions, columns, whole=whole, handed=handed)
        items, region = self.unifier.join(context, list(regions))
        arguments = _arguments(context, items, [*names, *handed], self.style.passes_width)
        values = {
            one.path: {
                argument.name: context.columns[Ref(argument.name)][index] for argument in arguments
            }
            for index, one in enumerate(regions)
        }
        nodes = self.graph.nodes
        axes = tuple((nodes[one.input].output, nodes[one.output].output) for one in regions)
        entry, width = context.widths[region.input], context.widths.get(region.output)
        assert entry is not None
        widths = tuple(one.name for one in context.widths_in)
        draft = Definition("", block, arguments, items, region, values, entry, widths, width, axes)
        return draft, context

    def variant_name(self, block: str, groups: Sequence[Sequence[Region]], position: int) -> str:
        """What a further definition of a block is called: by the rank of what comes in or the
        argument that are its instances' alone,
            or else by the section that they stand in."""
        own = groups[position]
        others = [one for group in groups if group is not own for one in group]
        axes = self.graph.nodes[own[0].input].output
        if all(self.graph.nodes[one.input].output.names != axes.names for one in others):
            return f"{block}{len(axes.spatial)}d" if axes.is_map else f"{block}_features"
        for name, value in own[0].arguments.items():
            alone = all(one.arguments.get(name) == value for one in own)
            if alone and all(one.arguments.get(name) != value for one in others):
                if value is True:
                    return f"{name}_{block}"
                if (
                    isinstance(value, int | str)
                    and f"{value}".isidentifier() | f"{value}".isdecimal()
                ):
                    return f"{block}_{name}_{value}"
        around = own[0].path.replace(".", "_").removesuffix(f"_{own[0].name}")
        return f"{around}_{block}"

    def signature(self, region: Region) -> object:
        """What two instances share that one definition covers without a condition."""
        rows: list[object] = []
        for item in region.items:
            if isinstance(item, Node):
                lowered = self.unifier.layers.lowered[item.index]
                rows.append((alignment_key(item), structure(lowered)))
            elif item.kind == "block":
                rows.append((alignment_key(item), self.by_path[item.path].name))
            else:
                rows.append((alignment_key(item), self.signature(item)))
        return tuple(rows)

    def context(
        self,
        regions: Sequence[Region],
        columns: Mapping[str, list[object]],
        *,
        whole: bool,
        handed: Sequence[str] = (),
    ) -> UnifyContext:
        params = self.graph.about.params
        names: dict[str, Expr | None] = {}
        for name, value in params.items():
            names[name] = Lit(value) if is_plain(value) else None
        table: dict[Expr, list[object]] = {}
        for name, column in columns.items():
            column = in_one_type([plain_value(value) for value in column])
            first = column[0]
            fixed = not whole and name not in handed
            if fixed and is_plain(first) and same(column, [first] * len(column)):
                names[name] = Lit(first)
            elif all(map(is_plain, column)):
                names[name] = Ref(name)
                table[Ref(name)] = column
            else:
                names[name] = None
        reference = fullest(regions)
        is_block = reference.kind == "block"
        entries = {INPUT: entry_of(regions), **self.entries.get(str(reference.block), {})}
        symbols = self.width_symbols(regions[0], names)
        defaults = {} if is_block else params
        context = UnifyContext(regions, names, table, defaults, entries, symbols, self.exposed)
        if is_block:
            for position, (value, symbol) in enumerate(zip(entries.values(), symbols, strict=True)):
                entering = (self.graph.nodes[one.entering[position]].output for one in regions)
                widths = [x.width for x in entering]
                if whole or len(set(widths)) > 1:
                    table[symbol] = [*widths]
                context.widths[value] = symbol if symbol in table else Lit(widths[0])
        else:
            for index in self.graph.inputs:
                context.widths[index] = Lit(self.graph.nodes[index].output.width)
        return context

    def width_symbols(self, region: Region, names: dict[str, Expr | None]) -> list[Ref]:
        """What the width of each input of a block is called: `in_channels`, `memory_features`.
        `names`, which are taken, get those of its further inputs."""
        symbols: list[Ref] = []
        for position, index in enumerate(region.entering):
            unit = "channels" if self.graph.nodes[index].output.is_map else "features"
            symbol = f"in_{unit}"
            if position:
                own = [*region.inputs][position - 1]
                names[own] = None
                symbol = f"{own}_{unit}"
                while symbol in names:
                    symbol += "_in"
            symbols.append(Ref(symbol))
        return symbols


_Draft = tuple[Definition, UnifyContext]


def _arguments(
    context: UnifyContext, items: Sequence[Item], names: Sequence[str], passes_width: bool
) -> tuple[Argument, ...]:
    """The parameters that the items use: incoming width, the spec's own, then fresh ones."""
    used = symbols_in(list(trees_in(items)))
    incoming = [one.name for one in context.widths_in] if passes_width else []
    arguments = [
        Argument(name, _type(column, default), default)
        for name in [*incoming, *names, *context.fresh]
        if name in used
        for column in [context.columns[Ref(name)]]
        for default in [_default(context, name, column)]
    ]
    # Flags come last: they are passed by keyword alone.
    return tuple(sorted(arguments, key=lambda one: (one.type == "bool", one.default is not None)))


def _type(column: Sequence[object], default: Expr | None) -> str:
    """The annotation of a parameter: its default may be None where it is not used."""
    name = type_name(column)
    return f"{name} | None" if default == Lit(None) and None not in column else name


def _default(context: UnifyContext, name: str, column: Sequence[object]) -> Expr | None:
    if name in context.fresh:
        return context.fresh[name]
    if name in context.defaults:
        value = context.defaults[name]
        return Lit(value) if is_plain(value) else None
    if context.regions[0].kind != "block" or name not in context.regions[0].defaults:
        return None
    value = context.regions[0].defaults[name]
    kinds = {type(one) for one in column}
    if kinds == {float} and type(value) is int:
        return Lit(float(value))
    if is_plain(value) and (type(value) in kinds or kinds == {tuple}):
        return Lit(value)
    return None
