"""A network as nodes, its blocks as functions of the file.

Each instance of a block is a call, each block one function. Instances with other nodes are
functions of their own; those that differ in whole numbers alone (strides, sizes, groups) are one,
with these numbers as its attributes. Names in a function are those of the steps in the block, so
that a value's name is the path of its op, behind that of the call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from archc.backends.base import LoweredLayer
from archc.backends.blocks.dataflow import Uses
from archc.backends.onnx.nodes import AttributeValue, Names, Parameter, Step, is_whole, nodes_of
from archc.ir.graph import Graph, Node, Region
from archc.ir.sharing import reuses_layer

Layers = Mapping[int, tuple[LoweredLayer, ...]]


class Function(NamedTuple):
    """A function: its nodes, the names of the values and of the arrays that come in, those of its
    results, its attributes, and its values by their names: of each, the node or the array that it
    is in every instance."""

    name: str
    steps: tuple[Step, ...]
    values: tuple[str, ...]
    arrays: tuple[str, ...]
    results: tuple[str, ...]
    attributes: tuple[str, ...]
    instances: Mapping[str, tuple[int | str, ...]]


class Invocation(NamedTuple):
    """A call of a function: what it takes and gives, as nodes and as keys of arrays."""

    function: str
    attributes: tuple[tuple[str, AttributeValue], ...]
    values: tuple[int, ...]
    arrays: tuple[str, ...]
    results: tuple[int, ...]


class Body:
    """The nodes of a block's instance, or of the network."""

    def __init__(self, graph: Graph, region: Region) -> None:
        self.graph = graph
        self.region = region
        self.is_root = region.kind == "network"
        self.prefix = "" if self.is_root else f"{region.path}."
        self.steps: list[Step] = []
        self.values: dict[int, str] = {}
        self.entering: dict[int, str] = {}
        self.arrays: dict[str, str] = {}
        self.results: tuple[int, ...] = ()
        self.names = Names({self.local(node.path) for node in region.nodes()})
        if self.is_root:
            for index in graph.inputs:
                self.values[index] = graph.nodes[index].path
                self.names.taken.add(graph.nodes[index].path)

    def local(self, path: str) -> str:
        """A path as it is from here."""
        return path.removeprefix(self.prefix)

    def value(self, index: int) -> str:
        """The name of a value: one from outside comes in."""
        if index not in self.values:
            self.values[index] = self.entering[index] = self.names.new("x")
        return self.values[index]

    def array(self, key: str, name: str) -> str:
        """The name of an array: in a function that of its first use, which is `name`."""
        if key not in self.arrays:
            self.arrays[key] = key if self.is_root else self.names.new(name)
        return self.arrays[key]

    def add_node(self, node: Node, layers: Sequence[LoweredLayer]) -> None:
        """The nodes of an op."""
        inputs = [self.value(index) for index in node.inputs]
        own = self.local(node.path)
        for position, layer in enumerate(layers):
            last = position == len(layers) - 1
            output = own if last else self.names.new(f"{own}.{layer.label}")
            assert layer.expression is not None
            self.steps += nodes_of(
                layer.expression,
                inputs,
                lambda name: self.array(key_of(self.graph, node, name), f"{own}.{name}"),
                output,
                self.names,
            )
            inputs = [output]
        self.values[node.index] = own

    def add_call(self, region: Region, call: Invocation, function: Function) -> None:
        """A call of a block's function."""
        own = self.local(region.path)
        inputs = [self.value(index) for index in call.values]
        inputs += [
            self.array(key, f"{own}.{name}")
            for key, name in zip(call.arrays, function.arrays, strict=True)
        ]
        outputs = tuple(self.local(self.graph.nodes[index].path) for index in call.results)
        self.values |= dict(zip(call.results, outputs, strict=True))
        step = Step(call.function, tuple(inputs), outputs, own, call.attributes, True)
        self.steps.append(step)

    @property
    def sources(self) -> dict[str, int | str]:
        """The node or the array that each named value is."""
        values: dict[str, int | str] = {name: index for index, name in self.values.items()}
        return values | {name: key for key, name in self.arrays.items()}

    @property
    def skeleton(self) -> object:
        """What instances of one function have in common: all but whole numbers."""
        return (
            self.region.block,
            tuple(
                (*step[:4], step.is_function, tuple(map(_blank, step.attributes)))
                for step in self.steps
            ),
            tuple(self.entering.values()),
            tuple(self.arrays.values()),
            tuple(map(self.values.__getitem__, self.results)),
        )


def _blank(attribute: tuple[str, AttributeValue]) -> object:
    name, value = attribute
    if not is_whole(value):
        return name, repr(value)
    return name, len(value) if isinstance(value, tuple) else None


def key_of(graph: Graph, node: Node, variable: str) -> str:
    """The key of an array that a node uses: its own, or that of the node whose it is."""
    while node.weights >= 0:
        owner = graph.nodes[node.weights]
        if not reuses_layer(graph, node) and variable not in node.op.ties(owner.op):
            break
        node = owner
    return f"{node.path}.{variable}"


class Program(NamedTuple):
    """A network as nodes: the functions, inner ones first, and the network itself."""

    functions: tuple[Function, ...]
    body: Body


def program(graph: Graph, layers: Layers) -> Program:
    """The nodes and functions of a network, of what an evaluation computes."""
    return _Programmer(graph, layers).program()


class _Programmer:
    def __init__(self, graph: Graph, layers: Layers) -> None:
        self.graph = graph
        self.layers = layers
        self.unused = graph.training_only
        self.uses = Uses(graph)
        self.calls: dict[str, Invocation] = {}
        self.functions: dict[str, Function] = {}

    def program(self) -> Program:
        for regions in _by_height(self.graph.root):
            bodies = [self.body(region) for region in regions]
            groups: dict[object, list[Body]] = {}
            for body in bodies:
                if body.steps:
                    groups.setdefault(body.skeleton, []).append(body)
            bodies_of = list(groups.values())
            for name, group in zip(self.names_of(bodies_of), bodies_of, strict=True):
                self.define(name, group)
        return Program(tuple(self.functions.values()), self.body(self.graph.root))

    def body(self, region: Region) -> Body:
        """The nodes of a region, whose blocks are functions already."""
        body = Body(self.graph, region)
        for item in _flat(region):
            if isinstance(item, Region):
                if item.path in self.calls:
                    call = self.calls[item.path]
                    body.add_call(item, call, self.functions[call.function])
            elif item.index in self.layers and item.index not in self.unused:
                body.add_node(item, self.layers[item.index])
        if region.kind == "block":
            body.results = tuple(
                index
                for index in self.uses.results(region)
                if index in body.values and index not in body.entering
            )
        return body

    def define(self, name: str, group: Sequence[Body]) -> None:
        """The function of some instances, and their calls."""
        first = group[0]
        columns = {
            (number, position): tuple(body.steps[number].attributes[position][1] for body in group)
            for number, step in enumerate(first.steps)
            for position in range(len(step.attributes))
        }
        varying = {key: column for key, column in columns.items() if len(set(column)) > 1}
        parameters = _parameters(first, varying)
        steps = tuple(
            step._replace(
                attributes=tuple(
                    (attribute, Parameter(parameters[varying[number, position]], value))
                    if (number, position) in varying
                    else (attribute, value)
                    for position, (attribute, value) in enumerate(step.attributes)
                )
            )
            for number, step in enumerate(first.steps)
        )
        named = [body.sources for body in group]
        self.functions[name] = Function(
            name,
            steps,
            tuple(first.entering.values()),
            tuple(first.arrays.values()),
            tuple(first.values[index] for index in first.results),
            tuple(parameters.values()),
            {one: tuple(names[one] for names in named) for one in named[0]},
        )
        for number, body in enumerate(group):
            self.calls[body.region.path] = Invocation(
                name,
                tuple((parameter, column[number]) for column, parameter in parameters.items()),
                tuple(body.entering),
                tuple(body.arrays),
                body.results,
            )

    def names_of(self, groups: Sequence[list[Body]]) -> list[str]:
        """A name for the function of each group: that of the block, and of those of one block that
        have more steps than the smallest, also the first of these."""
        smallest: dict[str | None, set[str]] = {}
        for group in sorted(groups, key=lambda group: len(_steps_of(group[0]))):
            smallest.setdefault(group[0].region.block, set(_steps_of(group[0])))
        names = Names(set(self.functions))
        chosen = []
        for group in groups:
            block = str(group[0].region.block)
            more = [one for one in _steps_of(group[0]) if one not in smallest[block]]
            chosen.append(names.new(f"{block}_{more[0]}" if more else block))
        return chosen


def _steps_of(body: Body) -> list[str]:
    """The names of a block's own steps, in order."""
    return [item.name for item in body.region.items]


def _parameters(
    first: Body, varying: Mapping[tuple[int, int], tuple[AttributeValue, ...]]
) -> dict[tuple[AttributeValue, ...], str]:
    """A parameter for each column of values that differ, named after what it is of: the attribute,
    or the constant that has it."""
    of: dict[tuple[AttributeValue, ...], list[str]] = {}
    for (number, position), column in varying.items():
        step = first.steps[number]
        attribute = step.attributes[position][0]
        own = step.name if step.operator == "Constant" else f"{step.name}.{attribute}"
        of.setdefault(column, []).append(own)
    lasts = {column: own[0].rpartition(".")[2] for column, own in of.items()}
    counts = Counter(lasts.values())
    names = Names(set())
    return {
        column: names.new(last if counts[last] == 1 else of[column][0].replace(".", "_"))
        for column, last in lasts.items()
    }


def _flat(region: Region) -> Iterator[Node | Region]:
    """The nodes and the block instances of a region, those of its sections too, in order."""
    for item in region.items:
        if isinstance(item, Region) and item.kind != "block":
            yield from _flat(item)
        else:
            yield item


def _by_height(root: Region) -> list[list[Region]]:
    """All block instances: those without a block in them, then those with such ones, and so on."""
    levels: list[list[Region]] = []

    def height(region: Region) -> int:
        own = max((height(inner) + 1 for inner in region.blocks()), default=0)
        if region.kind == "block":
            while len(levels) <= own:
                levels.append([])
            levels[own].append(region)
        return own

    height(root)
    return levels
