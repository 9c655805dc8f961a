"""Elements around a map that several ops take, computed once.

Where a framework has no such padding in the op's own layer, a layer before it pads. A padding that
several ops begin with becomes a node of its own, before the first of them. These nodes are numbered
behind all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from archc.backends.base import LoweredLayer, Placement
from archc.codegen.tree import Call
from archc.ir.graph import Graph, Node, Region
from archc.ops.shape import Pad
from archc.records import replace

PAD = "pad"
"""The label of a layer that pads before an op."""

Layers = dict[int, tuple[LoweredLayer, ...]]
PairsOf = Callable[[Call], tuple[tuple[int, int], ...]]
"""The elements at the begin and end of each spatial axis that a padding layer adds."""


class _Shared(NamedTuple):
    """A padding layer, and the nodes that begin with it, in order."""

    layer: LoweredLayer
    nodes: list[Node]


class Shared(NamedTuple):
    """A graph with its lowered layers, in which no padding is computed twice. `takers` are the
    nodes that take each padding, by the index of its node."""

    graph: Graph
    layers: Layers
    takers: Mapping[int, tuple[int, ...]]


def share_padding(graph: Graph, layers: Layers, pairs_of: PairsOf) -> Shared:
    """The graph with every padding that several nodes of one region begin with as a node."""
    nodes = list(graph.nodes)
    lowered = dict(layers)
    takers: dict[int, tuple[int, ...]] = {}
    root = _shared(graph.root, nodes, lowered, takers, pairs_of)
    if not takers:
        return Shared(graph, layers, takers)
    return Shared(replace(graph, nodes=tuple(nodes), root=root), lowered, takers)


def with_paddings(
    placements: Mapping[int, tuple[Placement, ...]], takers: Mapping[int, tuple[int, ...]]
) -> dict[int, tuple[Placement, ...]]:
    """The placements of the nodes that the network had before, a shared padding with each node that
    takes it."""
    merged = {index: own for index, own in placements.items() if index not in takers}
    for padding, nodes in takers.items():
        for index in nodes:
            merged[index] = (*placements[padding], *merged[index])
    return merged


def _shared(
    region: Region,
    nodes: list[Node],
    layers: Layers,
    takers: dict[int, tuple[int, ...]],
    pairs_of: PairsOf,
) -> Region:
    """The region with its shared paddings, those of the regions in it too. All else is changed."""
    first: dict[int, Node] = {}
    for group in _groups(region.items, layers):
        (source,) = group.nodes[0].inputs
        assert group.layer.layer is not None
        node = _padding(group.nodes[0], nodes[source], len(nodes), pairs_of(group.layer.layer))
        nodes.append(node)
        layers[node.index] = (group.layer,)
        takers[node.index] = tuple(taker.index for taker in group.nodes)
        first[group.nodes[0].index] = node
        for taker in group.nodes:
            nodes[taker.index] = replace(taker, inputs=(node.index,))
            layers[taker.index] = layers[taker.index][1:]
    items: list[Node | Region] = []
    for item in region.items:
        if isinstance(item, Region):
            items.append(_shared(item, nodes, layers, takers, pairs_of))
            continue
        if item.index in first:
            items.append(first[item.index])
        items.append(nodes[item.index])
    return replace(region, items=tuple(items))


def _groups(items: Iterable[Node | Region], layers: Layers) -> Sequence[_Shared]:
    """The paddings that several of the items begin with."""
    groups: dict[tuple[int, Call], _Shared] = {}
    for item in items:
        if not isinstance(item, Node) or item.origin.when is not None:
            continue
        begin, *others = layers.get(item.index, (None,))
        if begin is None or begin.label != PAD or begin.layer is None or not others:
            continue
        (source,) = item.inputs
        groups.setdefault((source, begin.layer), _Shared(begin, [])).nodes.append(item)
    return [group for group in groups.values() if len(group.nodes) > 1]


def _padding(first: Node, source: Node, index: int, pairs: tuple[tuple[int, int], ...]) -> Node:
    """The node of a padding, named after the first that takes it."""
    op = Pad(padding=pairs)
    return replace(
        first,
        index=index,
        name=f"{first.name}_{PAD}",
        path=f"{first.path}.{PAD}",
        op=op,
        output=op.infer((source.output,)),
        named=False,
        expressions={},
        branches=None,
    )
