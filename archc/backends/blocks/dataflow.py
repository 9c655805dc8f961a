"""Who uses which value: what decides where a network can be written as a plain sequence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from archc.backends.blocks.items import Item, LoweredOp, LoweredScope
from archc.ir.graph import Graph, Node, Region
from archc.language.names import variable_name

OUTSIDE = -1
"""Stands for the network's caller among the users of a value."""


class Uses:
    """The users of each node's output, by index."""

    def __init__(self, graph: Graph, region: Region | None = None) -> None:
        """Of a whole graph, or of a region alone, as a definition joins it."""
        self.graph = graph
        self.region = graph.root if region is None else region
        self.users: list[list[int]] = [[] for _ in graph.nodes]
        self.enter(graph.nodes, graph.all_outputs)
        self.returned = self.used_outputs()
        if region is not None:
            self.users = [[] for _ in graph.nodes]
            self.enter(region.nodes(), (region.output, *self.exposed(region).values()))
            self.enter_instances(region)

    def enter_instances(self, region: Region) -> None:
        """Enter what the instances in a region take: by the first node in each, whatever the nodes
        in it say, which are those of one instance alone."""
        for item in region.items:
            if isinstance(item, Region) and item.kind == "block":
                for first in islice(item.nodes(), 1):
                    for index in item.entering:
                        self.users[index].append(first.index)
            elif isinstance(item, Region):
                self.enter_instances(item)

    def enter(self, nodes: Iterable[Node], outputs: Iterable[int]) -> None:
        for node in nodes:
            for index in node.inputs:
                self.users[index].append(node.index)
        for index in outputs:
            self.users[index].append(OUTSIDE)

    def used_outputs(self) -> set[tuple[str, str]]:
        """The outputs of blocks, by block and name, that the steps around some instance use."""
        used: set[tuple[str, str]] = set()
        waiting = [self.graph.root]
        while waiting:
            region = waiting.pop()
            waiting += [item for item in region.items if isinstance(item, Region)]
            names = [n for n in region.outputs if (str(region.block), n) not in used]
            inside = {node.index for node in region.nodes()} if names else set()
            for name in names:
                index = region.outputs[name]
                if index != region.output and not inside.issuperset(self.users[index]):
                    used.add((str(region.block), name))
        return used

    def exposed(self, region: Region) -> dict[str, int]:
        """The values that a block's instance gives besides its output, by name: those that some
        instance is asked for."""
        return {
            name: index
            for name, index in region.outputs.items()
            if (str(region.block), name) in self.returned
        }

    def externals(self, region: Region) -> tuple[int, ...]:
        """The values that enter a region: a section's in the order of use."""
        if region.kind == "block":
            return region.entering
        inside = {node.index for node in region.nodes()}
        return tuple(dict.fromkeys(index for index in _taken(region) if index not in inside))

    def external_names(self, region: Region) -> tuple[str | None, ...]:
        """What a section is to call the values that enter it: `x` what goes on through it, and what
        it takes besides by the spec's names, where it gives one; None where they are to be
        counted."""
        values = self.externals(region)
        if len(values) == 1:
            return ("x",)
        known = {index: self.graph.nodes[index].name for index in self.graph.inputs}
        known |= {index: name for name, index in _names_in(self.region)}
        known |= {index: name for name, index in self.region.inputs.items()}
        names = [
            "x" if index == region.input == values[0] else known.get(index) for index in values
        ]
        return tuple(name if names.count(name) == 1 else None for name in names)

    def results(self, region: Region) -> tuple[int, ...]:
        """The values that leave a region: its output, then whatever else is used outside; of a
        block, what its instances are asked for."""
        if region.kind == "block":
            return tuple(dict.fromkeys([region.output, *self.exposed(region).values()]))
        inside = {node.index for node in region.nodes()}
        others = (
            index
            for index in sorted(inside)
            if index != region.output and not inside.issuperset(self.users[index])
        )
        return (region.output, *others)

    def result_names(self, region: Region) -> tuple[str | None, ...]:
        """What the values that leave a region are called, where the spec gives them a name."""
        others = (self.graph.nodes[index] for index in self.results(region)[1:])
        return (result_name(region), *map(result_name, others))

    def inputs(self, item: Item) -> tuple[int, ...]:
        """The values that an item takes."""
        if isinstance(item, LoweredOp):
            return item.node.inputs
        if isinstance(item, LoweredScope):
            return self.externals(item.region)
        inside = nodes_of(item)
        entering = [index for one in item.items for index in self.inputs(one)]
        return tuple(dict.fromkeys([*(i for i in entering if i not in inside), item.source]))

    def outputs(self, item: Item) -> tuple[int, ...]:
        """The values that an item gives."""
        if isinstance(item, LoweredOp):
            return (item.node.index,)
        return self.results(item.region) if isinstance(item, LoweredScope) else (item.output,)

    def is_chain(self, items: Sequence[Item], source: int) -> bool:
        """Whether each item takes the one before it alone, and nothing else takes that."""
        current = source
        for position, item in enumerate(items):
            if set(self.inputs(item)) != {current} or len(self.inputs(item)) != 1:
                return False
            if len(self.outputs(item)) != 1:
                return False
            if position and not set(self.users[current]) <= nodes_of(item):
                return False
            (current,) = self.outputs(item)
        return True


def _names_in(region: Region) -> Iterator[tuple[str, int]]:
    """The spec's names of the values in a region; what a section or block gives is called like it,
    the outermost last."""
    for item in region.items:
        if isinstance(item, Region):
            yield from _names_in(item)
        if item.named:
            value = item.output if isinstance(item, Region) else item.index
            yield variable_name(item.name), value


def _taken(region: Region) -> Iterator[int]:
    """What the nodes and block instances in a region take."""
    for item in region.items:
        if isinstance(item, Node):
            yield from item.inputs
        elif item.kind != "block":
            yield from _taken(item)
        elif any(True for _ in item.nodes()):
            yield from item.entering


def nodes_of(item: Item) -> set[int]:
    """The nodes in an item."""
    if isinstance(item, LoweredOp):
        return {item.node.index}
    if isinstance(item, LoweredScope):
        return {node.index for node in item.region.nodes()}
    return {index for one in item.items for index in nodes_of(one)}


def is_empty(item: Item) -> bool:
    """Whether an item does nothing: a section or block all of whose steps are left out."""
    return isinstance(item, LoweredScope) and not any(True for _ in item.region.nodes())


def result_name(part: Node | Region) -> str | None:
    """What the value of a step is called, where the spec gives the step a name."""
    return variable_name(part.name) if part.named else None
