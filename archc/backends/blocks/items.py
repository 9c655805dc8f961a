"""The parts of a network as a backend writes them: ops, sections, and blocks written once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from archc.backends.base import LoweredLayer, width_field
from archc.backends.blocks.symbols import plus
from archc.codegen.tree import Call, Expr, Keyword, Lit, Ref
from archc.ir.graph import Graph, Node, Region
from archc.ops.axes import Axes

LoweredLayers = Mapping[int, tuple[LoweredLayer, ...]]
"""The layers of each node, by its index."""


@dataclass(frozen=True, slots=True)
class LoweredOp:
    """An op, lowered. `axes` are its output's, or None where the instances differ. Each of `layers`
    is there under its own of `conditions`, if any, and the whole under `condition`. The op becomes
    the first of `alternatives` whose condition holds, or else this."""

    node: Node
    layers: tuple[LoweredLayer, ...]
    conditions: tuple[Expr | None, ...]
    axes: Axes | None
    condition: Expr | None = None
    alternatives: tuple[Alternative, ...] = ()

    @property
    def name(self) -> str:
        """The node's own name."""
        return self.node.name


@dataclass(frozen=True, slots=True)
class Alternative:
    """What an op becomes under a condition."""

    condition: Expr
    op: LoweredOp


@dataclass(frozen=True, slots=True)
class Turns:
    """A repetition of a block that runs `total` times, less often in some instances than in the
    definition. The turns from `start` on are called alike: they give the values `outputs` there."""

    total: Expr
    start: int
    outputs: tuple[int, ...]

    @property
    def count(self) -> Expr:
        """How many turns are called alike."""
        return plus(self.total, -self.start)


@dataclass(frozen=True, slots=True)
class LoweredScope:
    """A section with its items, or a block's instance as a call of its definition: one of `turns`,
    as many of which are there as the definition's arguments say, or a single one."""

    region: Region
    items: tuple[Item, ...]
    axes: Axes | None
    condition: Expr | None = None
    call: Call | None = None
    turns: Turns | None = None

    @property
    def name(self) -> str:
        """The section's or instance's own name."""
        return self.region.name


@dataclass(frozen=True, slots=True)
class LoweredOptional:
    """Steps that lead to one value and are there together, under a condition; without them the
    value `source` stands for their `output`."""

    condition: Expr
    items: tuple[Item, ...]
    source: int
    output: int
    axes: Axes | None

    @property
    def name(self) -> str:
        """The name of the step that it ends in."""
        return self.items[-1].name


Item: TypeAlias = "LoweredOp | LoweredScope | LoweredOptional"

Counterparts: TypeAlias = "Mapping[str, Mapping[tuple[object, ...], Node | Region]]"
"""By the path of a region that a definition covers: what it has for each step of the definition, by
that step's key."""


@dataclass(frozen=True, slots=True)
class Argument:
    """A parameter of a definition: its name, type, and default where it has one."""

    name: str
    type: str
    default: Expr | None


@dataclass(frozen=True, slots=True)
class Definition:
    """One class or function for some instances of a block.

    `region` is what its items make up, `entry` and `width` the channels or features that it takes
    and gives, `widths_in` the names that those of each of its inputs have in it. `values` holds
    each parameter's value by the instance's path, `axes` those of the input and output of each
    instance.
    """

    name: str
    block: str
    arguments: tuple[Argument, ...]
    items: tuple[Item, ...]
    region: Region
    values: Mapping[str, Mapping[str, object]]
    entry: Expr
    widths_in: tuple[str, ...]
    width: Expr | None
    axes: tuple[tuple[Axes, Axes], ...]


@dataclass(frozen=True, slots=True)
class ModuleOutline:
    """A whole network: the definitions of its blocks, inner ones first, and its own items.

    `graph` is the one that they are of, with nodes for what blocks take besides their input;
    `lowered` has the layers of every node as they were joined, `counterparts` what each instance
    has for the steps of its definition, `widths` the channels or features of each output.
    """

    definitions: tuple[Definition, ...]
    items: tuple[Item, ...]
    arguments: tuple[Argument, ...]
    graph: Graph
    region: Region
    lowered: LoweredLayers
    counterparts: Counterparts
    widths: tuple[Expr | None, ...]


def instance_call(definition: Definition, region: Region) -> Call:
    """The call that makes one instance of a block."""
    values = definition.values[region.weights or region.path]
    positional: list[Expr] = []
    keywords: list[Keyword] = []
    for argument in definition.arguments:
        value = values[argument.name]
        if isinstance(value, Ref):
            expr: Expr = value
        else:
            assert value is None or isinstance(value, bool | int | float | str | tuple)
            if isinstance(argument.default, Lit) and argument.default.value == value:
                value = argument.default.value  # a whole number that stands for a float
            field = argument.name
            if field in definition.widths_in:
                field = width_field(definition.widths_in.index(field))
            expr = Lit(value, field)
        if argument.default is None and not isinstance(value, bool):
            positional.append(expr)
        else:
            keywords.append(Keyword(argument.name, expr, argument.default))
    return Call(Ref(definition.name), tuple(positional), tuple(keywords))


def trees_in(items: Iterable[Item]) -> Iterator[Expr | None]:
    """Every tree in some items."""
    for item in items:
        yield item.condition
        if isinstance(item, LoweredOp):
            for layer in layers_in(item):
                yield from layer.trees
            for alternative in item.alternatives:
                yield alternative.condition
            for op in (item, *(one.op for one in item.alternatives)):
                yield from op.conditions
        elif isinstance(item, LoweredOptional):
            yield from trees_in(item.items)
        else:
            yield item.call
            yield None if item.turns is None else item.turns.total
            yield from trees_in(item.items)


def layers_in(item: LoweredOp) -> Iterator[LoweredLayer]:
    """All layers that an op may become."""
    yield from item.layers
    for alternative in item.alternatives:
        yield from alternative.op.layers


def parts_of(items: Sequence[Item]) -> list[Node | Region]:
    """The nodes and regions of some items, as one region holds them."""
    parts: list[Node | Region] = []
    for item in items:
        if isinstance(item, LoweredOp):
            parts.append(item.node)
        elif isinstance(item, LoweredScope):
            parts.append(item.region)
        else:
            parts += parts_of(item.items)
    return parts
