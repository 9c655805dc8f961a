"""Zeros around a map that several layers take, computed once.

Keras pads by layers of their own, so two convolutions of one map with the same padding would pad it
twice. A padding that is shared becomes a node of its own, before the first op that takes it. These
nodes are numbered behind all others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from archc.backends.base import LoweredLayer, Placement
from archc.backends.keras.padding import PAD, pairs_of
from archc.codegen.tree import Call, Lit
from archc.ir.graph import Graph, Node, Region
from archc.ops.shape import Pad
from archc.records import replace

Layers = dict[int, tuple[LoweredLayer, ...]]


class _Shared(NamedTuple):
    """A padding layer, and the nodes that begin with it, in order."""

    layer: LoweredLayer
    nodes: list[Node]


class Shared(NamedTuple):
    """A graph with its lowered layers, in which no padding is computed twice. `owners` maps each
    node that is a padding to the first node that takes it."""

    graph: Graph
    layers: Layers
    owners: Mapping[int, int]


def share_padding(graph: Graph, layers: Layers) -> Shared:
    """The graph with every padding that several nodes of one region begin with as a node."""
    nodes = list(graph.nodes)
    lowered = dict(layers)
    owners: dict[int, int] = {}
    root = _shared(graph.root, nodes, lowered, owners)
    if not owners:
        return Shared(graph, layers, owners)
    return Shared(replace(graph, nodes=tuple(nodes), root=root), lowered, owners)


def with_owners(
    places: Mapping[int, tuple[Placement, ...]], owners: Mapping[int, int]
) -> dict[int, tuple[Placement, ...]]:
    """The placements of the nodes that the network had before, each shared padding with the first
    node that takes it."""
    merged = {index: own for index, own in places.items() if index not in owners}
    for padding, owner in owners.items():
        merged[owner] = (*places[padding], *merged[owner])
    return merged


def _shared(
    region: Region,
    nodes: list[Node],
    layers: Layers,
    owners: dict[int, int],
) -> Region:
    """The region with its shared paddings, those of the regions in it too. All else is changed."""
    first: dict[int, Node] = {}
    for group in _groups(region.items, layers):
        (source,) = group.nodes[0].inputs
        node = _padding(group, nodes[source], len(nodes))
        nodes.append(node)
        layers[node.index] = (group.layer,)
        owners[node.index] = group.nodes[0].index
        first[group.nodes[0].index] = node
        for taker in group.nodes:
            nodes[taker.index] = replace(taker, inputs=(node.index,))
            layers[taker.index] = layers[taker.index][1:]
    items: list[Node | Region] = []
    for item in region.items:
        if isinstance(item, Region):
            items.append(_shared(item, nodes, layers, owners))
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


def _padding(group: _Shared, source: Node, index: int) -> Node:
    """The node of a padding, named after the first that takes it."""
    first = group.nodes[0]
    assert group.layer.layer is not None
    (amounts,) = group.layer.layer.arguments
    assert isinstance(amounts, Lit)
    x = source.output
    pairs = pairs_of(amounts, len(x.spatial))
    op = Pad(padding=pairs)
    written = first.expressions.get("padding")
    return replace(
        first,
        index=index,
        name=PAD,
        path=f"{first.path}.{PAD}",
        op=op,
        output=op.infer((x,)),
        named=False,
        expressions={} if written is None else {"padding": written},
        branches=None,
    )
