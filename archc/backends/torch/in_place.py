"""Activations that overwrite what they take, where nothing else needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from archc.backends.base import LoweredLayer
from archc.backends.blocks.dataflow import Uses
from archc.backends.blocks.items import LoweredLayers
from archc.backends.differences import Difference
from archc.backends.torch.activations import works_in_place
from archc.backends.torch.body import not_in_place
from archc.backends.torch.construction import IDENTITY
from archc.codegen.tree import Call, Keyword, Lit
from archc.ir.graph import Graph, Node, Region
from archc.ops import convolution, dense, merge, normalization
from archc.ops.activation import Activation
from archc.ops.base import Op

FRESH: tuple[type[Op], ...] = (
    convolution.Conv,
    convolution.DepthwiseConv,
    convolution.ConvTranspose,
    dense.Dense,
    normalization.BatchNorm,
    normalization.GroupNorm,
    merge.Add,
    Difference,
    merge.Concat,
)
"""Ops whose output is memory of its own that their own gradient does not need."""


def in_place(
    graph: Graph, lowered: LoweredLayers, uses: Uses
) -> dict[int, tuple[LoweredLayer, ...]]:
    """The layers of every node, activations in place where what they take has one reader. What
    comes into a block is its caller's: another caller may have more readers."""
    changed = dict(lowered)
    owners = _blocks(graph.root)
    for index, layers in lowered.items():
        node = graph.nodes[index]
        if not isinstance(node.op, Activation) or not works_in_place(node.op):
            continue
        (layer,) = layers
        if layer.layer is not None and _is_free(graph, node, uses, owners):
            word = Keyword("inplace", Lit(True))
            call = replace(layer.layer, keywords=(*layer.layer.keywords, word))
            changed[index] = (replace(layer, layer=call),)
    return changed


def _is_free(graph: Graph, node: Node, uses: Uses, owners: Mapping[int, str]) -> bool:
    source = graph.nodes[node.inputs[0]]
    inside = owners.get(source.index, "").startswith(owners[node.index])
    fresh = isinstance(source.op, FRESH) and source.op.last is source.op
    return inside and fresh and uses.users[source.index] == [node.index]


def _blocks(root: Region) -> dict[int, str]:
    """The path of the innermost block instance that each node stands in, with a dot behind."""
    owners: dict[int, str] = {}
    waiting = [(root, "")]
    while waiting:
        region, path = waiting.pop()
        own = f"{region.path}." if region.block is not None else path
        for item in region.items:
            if isinstance(item, Region):
                waiting.append((item, own))
            else:
                owners[item.index] = own
    return owners


def general(graph: Graph, lowered: Mapping[int, tuple[LoweredLayer, ...]]) -> LoweredLayers:
    """The layers of every node so that ops with one activation, another or none are alike: each
    has a layer for it, and none works in place."""
    return {index: _general(graph.nodes[index], layers) for index, layers in lowered.items()}


def _general(node: Node, layers: tuple[LoweredLayer, ...]) -> tuple[LoweredLayer, ...]:
    plain: list[LoweredLayer] = []
    has_activation = node.op.last is not node.op
    for position, layer in enumerate(layers):
        call = layer.layer and not_in_place(layer.layer)
        assert call is None or isinstance(call, Call)
        is_last = position == len(layers) - 1 and not layer.main
        is_activation = has_activation and is_last and not layer.weighted
        plain.append(
            replace(layer, layer=call, label="activation" if is_activation else layer.label)
        )
    if getattr(node.op, "activation", node.op) is None:
        plain.append(LoweredLayer(IDENTITY, label="activation"))
    return tuple(plain)
