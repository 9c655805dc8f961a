"""The parts of a network as a backend writes them: ops, sections, and blocks written once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from archc.backends.base import INCOMING, LoweredLayer
from archc.codegen.tree import Call, Expr, Keyword, Lit, Ref
from archc.ir.graph import Node, Region
from archc.ops.axes import Axes

LoweredLayers = Mapping[int, tuple[LoweredLayer, ...]]
"""The stages of each node, by its index."""


@dataclass(frozen=True, slots=True)
class LoweredOp:
    """An op, lowered. `axes` are its output's, or None where the instances differ."""

    node: Node
    stages: tuple[LoweredLayer, ...]
    axes: Axes | None
    condition: Expr | None = None

    @property
    def name(self) -> str:
        """The node's own name."""
        return self.node.name


@dataclass(frozen=True, slots=True)
class LoweredScope:
    """A section with its items, or a block's instance as a call of its definition."""

    region: Region
    items: tuple[LoweredOp | LoweredScope, ...]
    axes: Axes | None
    condition: Expr | None = None
    call: Call | None = None

    @property
    def name(self) -> str:
        """The section's or instance's own name."""
        return self.region.name


Item = LoweredOp | LoweredScope


@dataclass(frozen=True, slots=True)
class Argument:
    """A parameter of a definition: its name, type, and default where it has one."""

    name: str
    type: str
    default: Lit | None


@dataclass(frozen=True, slots=True)
class Definition:
    """One class or function for some instances of a block. `values` holds each parameter's value
    by the instance's path."""

    name: str
    block: str
    arguments: tuple[Argument, ...]
    items: tuple[Item, ...]
    region: Region
    values: Mapping[str, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class ModuleOutline:
    """A whole network: the definitions of its blocks, inner ones first, and its own items."""

    definitions: tuple[Definition, ...]
    items: tuple[Item, ...]
    arguments: tuple[Argument, ...]


def instance_call(definition: Definition, region: Region) -> Call:
    """The call that makes one instance of a block."""
    values = definition.values[region.path]
    positional: list[Expr] = []
    keywords: list[Keyword] = []
    for argument in definition.arguments:
        value = values[argument.name]
        assert isinstance(value, bool | int | float | str | tuple)
        incoming = argument.name in ("in_channels", "in_features")
        literal = Lit(value, INCOMING if incoming else argument.name)
        if argument.default is None and not isinstance(value, bool):
            positional.append(literal)
        else:
            keywords.append(Keyword(argument.name, literal, argument.default))
    return Call(Ref(definition.name), tuple(positional), tuple(keywords))


def trees_in(items: Iterable[Item]) -> Iterator[Expr | None]:
    """Every tree in some items."""
    for item in items:
        yield item.condition
        if isinstance(item, LoweredOp):
            for stage in item.stages:
                yield stage.layer
                yield stage.expression
                yield stage.initialize
        else:
            yield item.call
            yield from trees_in(item.items)
