"""Steps that nothing uses and that a network is written without, as if their `when` did not hold:
views, which compute nothing, and what a block with `outputs` computes in the last turn of a loop.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from archc.ir.graph import Branches, Node, Region, needed_for
from archc.records import replace


def left_out(
    nodes: Sequence[Node],
    items: Sequence[Node | Region],
    outputs: Sequence[int],
    dispensable: Mapping[int, int],
) -> frozenset[int]:
    """The nodes that no output depends on, of those that are `dispensable`: views (0), and the
    nodes of last turns by the turn's number, if something of the turn is used. One whose variables
    a step that stays uses is not among them."""
    needed = needed_for(nodes, outputs)
    used = {0, *(turn for index, turn in dispensable.items() if index in needed)}
    unused = {index for index, turn in dispensable.items() if index not in needed and turn in used}
    if not unused:
        return frozenset()
    unused -= {node.weights for node in nodes if node.index not in unused}
    for owner, region in _shared(items):
        # An instance is called with another one's variables: both have the same steps.
        pairs = list(zip(owner.nodes(), region.nodes(), strict=True))
        if any((one.index in unused) != (other.index in unused) for one, other in pairs):
            unused -= {node.index for pair in pairs for node in pair}
    return frozenset(unused)


def _shared(items: Sequence[Node | Region]) -> Iterator[tuple[Region, Region]]:
    """The instances that use the variables of others, each after the one whose it uses."""
    regions = [item for item in items if isinstance(item, Region)]
    for region in regions:
        regions += [item for item in region.items if isinstance(item, Region)]
    by_path = {region.path: region for region in regions}
    for region in regions:
        if region.weights:
            yield by_path[region.weights], region


def without(
    nodes: Sequence[Node], items: Sequence[Node | Region], unused: Collection[int]
) -> tuple[list[Node], tuple[Node | Region, ...], list[int]]:
    """The nodes and items of a network less the unused ones, and the new index of each node. What
    came into a step that is left out goes on in place of what it gave."""
    return _Pruning(nodes, unused).network(items)


class _Pruning:
    def __init__(self, nodes: Sequence[Node], unused: Collection[int]) -> None:
        self.unused = unused
        self.values: list[int] = []
        self.nodes: dict[int, Node] = {}
        for node in nodes:
            if node.index in unused:
                self.values.append(self.value(_before(node)))
            else:
                self.values.append(len(self.nodes))
                self.nodes[node.index] = self.renumbered(node)

    def network(
        self, items: Sequence[Node | Region]
    ) -> tuple[list[Node], tuple[Node | Region, ...], list[int]]:
        kept = self.items(items)
        return list(self.nodes.values()), kept, self.values

    def value(self, index: int) -> int:
        return self.values[index] if index >= 0 else index

    def renumbered(self, node: Node) -> Node:
        branches = node.branches
        if branches is not None:
            branches = Branches(self.value(branches.input), branches.starts)
        return replace(
            node,
            index=len(self.nodes),
            inputs=tuple(map(self.value, node.inputs)),
            branches=branches,
            bypass=self.value(node.bypass),
            weights=self.value(node.weights),
        )

    def items(self, items: Sequence[Node | Region]) -> tuple[Node | Region, ...]:
        kept: list[Node | Region] = []
        positions: list[int] = []  # of each item among those that are kept
        for item in items:
            positions.append(len(kept))
            if isinstance(item, Region):
                inside = list(item.nodes())
                if not inside or not all(node.index in self.unused for node in inside):
                    kept.append(self.region(item))
            elif item.index not in self.unused:
                node = self.nodes[item.index]
                if node.branches is not None:
                    starts = tuple(positions[start] for start in node.branches.starts)
                    node = replace(node, branches=Branches(node.branches.input, starts))
                    self.nodes[item.index] = node
                kept.append(node)
        return tuple(kept)

    def region(self, region: Region) -> Region:
        items = self.items(region.items)
        output = self.value(region.output)
        if region.output in self.unused:
            # Nothing takes it up: what the last step that stays gives is used around the region.
            last = items[-1]
            output = last.index if isinstance(last, Node) else last.output
        given = {name: index for name, index in region.outputs.items() if index not in self.unused}
        return replace(
            region,
            items=items,
            input=self.value(region.input),
            output=output,
            inputs={name: self.value(index) for name, index in region.inputs.items()},
            outputs={name: self.value(index) for name, index in given.items()},
        )


def _before(node: Node) -> int:
    """What comes into a step: into all branches of a merge, into the first of several inputs."""
    if node.branches is not None:
        return node.branches.input
    return node.inputs[0] if node.bypass < 0 else node.bypass
