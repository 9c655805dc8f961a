"""Sums with what a scale has turned around as differences, before a backend lowers them.

The spec language has neither: `a - b` is the sum of a and of b times -1 there. As a chain of
movements (`archc.backends.fusion`), the two steps are written as one, and the scale is then
computed by nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from archc.ir.graph import Graph, Node, Region
from archc.ops.axes import Axes
from archc.ops.base import Op
from archc.ops.merge import Add, Elementwise
from archc.ops.parameter import Scale
from archc.records import replace


class Difference(Elementwise):
    """The first of two inputs less the second."""

    name: ClassVar[str] = "difference"


class Opposite(Op):
    """The input times -1."""

    name: ClassVar[str] = "opposite"

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        return inputs[0]


def with_differences(graph: Graph) -> Graph:
    """The graph with each constant scale by -1 as an opposite, and with each sum of two values of
    one shape, the second of which is one that nothing else reads, as a difference. Steps under a
    condition stay as they are: instances of a block stay alike."""
    scales = {node.index: node for node in graph.root.nodes() if _is_opposite(node)}
    if not scales:
        return graph
    nodes = list(graph.nodes)
    readers = [0] * len(nodes)
    for index in (*(i for node in nodes for i in node.inputs), *graph.all_outputs):
        readers[index] += 1
    alone = {index: node for index, node in scales.items() if readers[index] == 1}
    for index, node in scales.items():
        nodes[index] = replace(node, op=Opposite())
    return replace(graph, root=_subtracted(graph.root, alone, nodes), nodes=tuple(nodes))


def _is_opposite(node: Node) -> bool:
    op = node.op
    return (
        isinstance(op, Scale)
        and (op.initial, op.learned) == (-1.0, False)
        and node.origin.when is None
        and not node.expressions
    )


def _subtracted(region: Region, alone: Mapping[int, Node], nodes: list[Node]) -> Region:
    """The region with its differences, those of the regions in it too. `nodes` are changed."""
    own = {item.index for item in region.items if isinstance(item, Node)} - {region.output}
    fused: set[int] = set()
    for item in region.items:
        if isinstance(item, Node) and _is_sum(item, nodes) and item.inputs[1] in alone.keys() & own:
            first, second = item.inputs
            (subtracted,) = nodes[second].inputs
            nodes[second] = replace(nodes[second], inputs=())
            nodes[item.index] = replace(item, op=Difference(), inputs=(first, subtracted))
            fused.add(second)
    items = [
        _subtracted(item, alone, nodes) if isinstance(item, Region) else nodes[item.index]
        for item in region.items
        if isinstance(item, Region) or item.index not in fused
    ]
    return replace(region, items=tuple(items))


def _is_sum(node: Node, nodes: Sequence[Node]) -> bool:
    """Whether a step adds two named values of one shape."""
    if not isinstance(node.op, Add) or node.branches is not None or node.origin.when is not None:
        return False
    return len(node.inputs) == 2 and nodes[node.inputs[0]].output == nodes[node.inputs[1]].output
