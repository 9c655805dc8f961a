"""The typed graph of a network: nodes in topological order, and their hierarchy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from archc.diagnostics import Span, visible
from archc.language.catalog import Catalog
from archc.language.expressions import Expression
from archc.language.recipe import Training
from archc.language.values import Value
from archc.ops.axes import Axes
from archc.ops.base import Op
from archc.records import entity

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Input(Op):
    """An input of the network."""

    name = "input"


@entity
class Origin:
    """The origin of a node or region in a spec.

    `step` identifies its step, the same for every repetition and every instance of a block;
    `iteration` has the index of each enclosing `repeat` and `for` within the section or block
    instance; `when` is the condition of the step. Its name is `computed` where the spec has an
    expression in it, which gives each repetition a name of its own. `count` is how often the
    innermost `repeat` around it runs, where that is an expression.
    """

    span: Span
    step: tuple[str, int, int]
    iteration: tuple[int, ...] = ()
    when: Expression | None = None
    computed: bool = False
    count: Expression | None = None


@entity
class Branches:
    """The branches of a merge: `input` is the index of the node that feeds every branch (-1 if
    undefined, in a network of several inputs), `starts` the position of each branch's first item in
    the region's items. A branch ends where the next one starts, the last one at the merge."""

    input: int
    starts: tuple[int, ...]


@entity
class Node:
    """One op of the network, with the axes of its output (without the batch).

    `weights` is the node whose variables this one uses (-1 without one): all of them where it is
    the same op, else those that its op `ties`. A node whose own variables keep their values in
    training is not `trainable`; it is `frozen` where its own step says so.

    `inputs` are indices of `Graph.nodes`. `expressions` holds the fields that are expressions in
    the spec. `named` is true for a name in the spec, false for a counted one. `branches` are those
    of a merge, None with `from` only. `bypass` is the node whose output goes on where the condition
    of the step does not hold (-1 without one).
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
    branches: Branches | None = None
    bypass: int = -1
    weights: int = -1
    trainable: bool = True
    frozen: bool = False


@entity
class Region:
    """A part of the network: the whole, a section, or an instance of a block.

    `input` and `output` are the indices of the nodes whose outputs enter and leave it (equal for
    the identity). `arguments` are a block instance's parameters, `expressions` those that are
    expressions in the spec, `defaults` the plain defaults of the block, and `names_input` says
    whether a step of it names one of the block's inputs. `inputs` are the nodes whose outputs enter
    a block instance besides its input, by the names that it has for them; `outputs` those that the
    steps around it may use besides its output. `weights` is the path of the instance whose
    variables this one uses, empty without one; it is `frozen` where its step says that nothing in
    it is trained. `class_name` is that of the block's emitted class, where the spec gives one.
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
    names_input: bool = False
    inputs: Mapping[str, int] = NOTHING
    outputs: Mapping[str, int] = NOTHING
    weights: str = ""
    frozen: bool = False
    class_name: str | None = None

    @property
    def entering(self) -> tuple[int, ...]:
        """The nodes whose outputs a block instance takes, in the order in which it takes them."""
        return (self.input, *self.inputs.values())

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
    """The metadata of a spec. `source` is the file name in emitted headers; `texts` are those of
    the spec and of its parents; `overrides` are the parameters set from outside."""

    name: str
    class_name: str
    title: str
    description: str
    references: tuple[str, ...]
    catalog: Catalog
    source: str
    texts: tuple[str, ...]
    params: Mapping[str, object]
    overrides: Mapping[str, object]
    training: Training | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the concatenated texts, in hexadecimal."""
        from hashlib import sha256  # takes 2 ms, and only weights and training scripts need it

        return sha256("".join(self.texts).encode("utf-8")).hexdigest()

    @property
    def header(self) -> str:
        """The first line of a generated file, without comment markers."""
        changed = ", ".join(f"{name}={value!r}" for name, value in self.overrides.items())
        origin = f"{self.source} with {changed}" if changed else self.source
        return f"Generated by archc from {visible(origin)}."


@entity
class Graph:
    """A network with all axes inferred. `nodes` begins with the inputs; `training_outputs` are
    outputs in training alone, `checkpoints` the spec's tables of names in files of weights."""

    about: About
    nodes: tuple[Node, ...]
    root: Region
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    expect: Value | None
    training_outputs: tuple[int, ...] = ()
    checkpoints: Value | None = None

    @property
    def all_outputs(self) -> tuple[int, ...]:
        """The outputs, and those in training alone."""
        return self.outputs + self.training_outputs

    @property
    def training_only(self) -> frozenset[int]:
        """The nodes that are computed for the outputs in training alone."""
        if not self.training_outputs:
            return frozenset()
        needed = needed_for(self.nodes, self.outputs)
        return frozenset(node.index for node in self.layers if node.index not in needed)

    @property
    def layers(self) -> tuple[Node, ...]:
        """The nodes other than inputs."""
        return self.nodes[len(self.inputs) :]

    def input_axes(self, node: Node) -> tuple[Axes, ...]:
        """The axes of a node's inputs."""
        return tuple(self.nodes[index].output for index in node.inputs)

    def named_axes(self, indices: tuple[int, ...]) -> dict[str, dict[str, int]]:
        """The axes of some nodes by path, each as a mapping of axis to size."""
        nodes = [self.nodes[index] for index in indices]
        return {node.path: node.output.as_dict() for node in nodes}


def needed_for(nodes: Sequence[Node], outputs: Iterable[int]) -> set[int]:
    """The nodes that some outputs depend on, these among them."""
    needed: set[int] = set()
    waiting = list(outputs)
    while waiting:
        index = waiting.pop()
        if index not in needed:
            needed.add(index)
            waiting += nodes[index].inputs
    return needed


def known_ids(graph: Graph) -> dict[int, int]:
    """For each input of token ids, by its node's index, how many ids all ops know that take it."""
    known: dict[int, list[int]] = {
        index: [] for index in graph.inputs if graph.nodes[index].output.dtype != "float32"
    }
    for node in graph.layers:
        for index in known.keys() & set(node.inputs):
            known[index].append(node.op.ids or 1)
    return {index: min(sizes, default=1) for index, sizes in known.items()}
