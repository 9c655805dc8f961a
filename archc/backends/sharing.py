"""Layers that several ops of a network share, whose specs say `weights`.

Code: ARC601 an op that would need another layer than the one that it shares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archc.backends.base import OWNER, LoweredLayer, Placement
from archc.backends.blocks.instances import regions_in
from archc.diagnostics import Diagnostic
from archc.ir.graph import Graph, Node
from archc.ir.sharing import reuses_layer

Layers = Mapping[int, tuple[LoweredLayer, ...]]


def counterparts(graph: Graph) -> dict[int, int]:
    """The nodes of all instances that share another one's variables, whether they have any or not,
    with those of the instance that has them."""
    regions = {region.path: region for region in regions_in(graph.root)}
    pairs: dict[int, int] = {}
    for region in regions.values():
        if region.weights:
            own, owners = region.nodes(), regions[region.weights].nodes()
            pairs |= {a.index: b.index for a, b in zip(own, owners, strict=False)}
    return pairs


def unshareable(graph: Graph, layers: Layers, backend: str) -> Iterator[Diagnostic]:
    """The refusal (ARC601) of every op that shares a layer, but would need another one."""
    pairs = counterparts(graph)
    for node in graph.nodes:
        if node.index not in layers:
            continue
        if node.index in pairs:
            alike = layers[node.index] == layers.get(pairs[node.index])
        elif reuses_layer(graph, node):
            alike = _weighted(layers[node.index]) == _weighted(layers.get(node.weights, ()))
        else:
            continue
        if not alike:
            owner = graph.nodes[pairs.get(node.index, node.weights)]
            message = (
                f"the {backend} backend cannot compute `{node.path}` by the layer of "
                f"`{owner.path}`: for its input it needs another one"
            )
            yield Diagnostic("ARC601", message, node.origin.span)


def _weighted(layers: tuple[LoweredLayer, ...]) -> list[object]:
    return [(one.layer, one.application, one.variables) for one in layers if one.weighted]


def with_shared(
    graph: Graph, placements: Mapping[int, tuple[Placement, ...]]
) -> dict[int, tuple[Placement, ...]]:
    """The placements of all nodes, where those of the nodes that share layers are missing or their
    own: a shared layer stands where its owner has it."""
    whole = dict(placements)
    for index, owner in counterparts(graph).items():
        if owner in whole:
            whole[index] = whole[owner]
    for node in graph.nodes:
        if node.index in whole and node.weights >= 0:
            shared = [one for one in whole[node.index] if _is_shared(graph, node, one.lowered)]
            owners = [one.path for one in whole[node.weights] if one.lowered.weighted]
            paths = dict(zip(map(id, shared), owners, strict=False))
            whole[node.index] = tuple(
                one._replace(path=paths.get(id(one), one.path)) for one in whole[node.index]
            )
    return whole


def _is_shared(graph: Graph, node: Node, lowered: LoweredLayer) -> bool:
    """Whether a layer of a node is another one's."""
    return lowered.layer == OWNER or (lowered.weighted and reuses_layer(graph, node))
