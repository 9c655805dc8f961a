"""The typed graph of a network: nodes in the order of computation, and their hierarchy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal

from archc.diagnostics import Place
from archc.expressions import Expression
from archc.ops.axes import Axes
from archc.ops.base import Op
from archc.records import entity
from archc.source import Value

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Input(Op):
    """An input of the network."""

    name = "input"


@entity
class Origin:
    """Where in a spec a node or region comes from.

    `step` is the place of the step that made it, the same for every repetition and every instance
    of a block; `iteration` holds the repetition's index at each level of `repeat` and `for`
    within its section or block instance; `when` is the condition that the step carries.
    """

    place: Place
    step: tuple[str, int, int]
    iteration: tuple[int, ...] = ()
    when: Expression | None = None


@entity
class Node:
    """One op of the network, with the axes of its output (without the batch).

    `inputs` index `Graph.nodes`. `expressions` holds the fields that the spec gives as an
    expression. `named` tells a name that the spec gives from a counted one.
    """

    index: int
    name: str
    path: str
    op: Op
    inputs: tuple[int, ...]
    output: Axes
    origin: Origin
    named: bool
    expressions: Mapping[str, Expression] = NOTHING


@entity
class Region:
    """A part of the network: the whole, a section, or an instance of a block.

    `input` and `output` index the nodes whose outputs enter and leave it (equal where it does
    nothing). `arguments` are a block instance's parameters, `expressions` those of them that the
    spec gives as an expression, `defaults` what the block's own text gives.
    """

    kind: Literal["network", "section", "block"]
    name: str
    path: str
    items: tuple[Node | Region, ...]
    input: int
    output: int
    origin: Origin
    named: bool
    block: str | None = None
    arguments: Mapping[str, object] = NOTHING
    expressions: Mapping[str, Expression] = NOTHING
    defaults: Mapping[str, object] = NOTHING

    def nodes(self) -> Iterator[Node]:
        """All nodes in the region, in order."""
        for item in self.items:
            if isinstance(item, Node):
                yield item
            else:
                yield from item.nodes()

    def blocks(self) -> Iterator[Region]:
        """The outermost block instances in the region, in order."""
        for item in self.items:
            if isinstance(item, Region):
                if item.kind == "block":
                    yield item
                else:
                    yield from item.blocks()


@entity
class About:
    """What a spec says of itself. `source` names the file in emitted headers; `texts` are those of
    the spec and of all it extends; `overrides` were set from outside."""

    name: str
    class_name: str
    title: str
    description: str
    references: tuple[str, ...]
    source: str
    texts: tuple[str, ...]
    params: Mapping[str, object]
    overrides: Mapping[str, object]

    @property
    def digest(self) -> str:
        """SHA-256 of the texts, one after the other, in hexadecimal digits."""
        from hashlib import sha256  # 2 ms that only a header needs

        return sha256("".join(self.texts).encode("utf-8")).hexdigest()


@entity
class Graph:
    """A network whose every axis is known. `nodes` begins with the inputs."""

    about: About
    nodes: tuple[Node, ...]
    root: Region
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    expect: Value | None

    @property
    def layers(self) -> tuple[Node, ...]:
        """The nodes that compute something."""
        return self.nodes[len(self.inputs) :]

    def input_axes(self, node: Node) -> tuple[Axes, ...]:
        """The axes that come into a node."""
        return tuple(self.nodes[index].output for index in node.inputs)
