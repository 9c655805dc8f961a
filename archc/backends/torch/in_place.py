"""Activations that overwrite what they take, where nothing else needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from archc.backends.base import LoweredLayer
from archc.backends.blocks.dataflow import Uses
from archc.backends.blocks.items import LoweredLayers
from archc.backends.torch.activations import works_in_place
from archc.backends.torch.body import not_in_place
from archc.backends.torch.construction import IDENTITY
from archc.codegen.tree import Call, Keyword, Lit
from archc.ir.graph import Graph, Node
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
    merge.Concat,
)
"""Ops whose output is memory of its own that their own gradient does not need."""


def in_place(
    graph: Graph, lowered: LoweredLayers, uses: Uses
) -> dict[int, tuple[LoweredLayer, ...]]:
    """The layers of every node, activations in place where what they take has one reader."""
    changed = dict(lowered)
    for index, layers in lowered.items():
        node = graph.nodes[index]
        if not isinstance(node.op, Activation) or not works_in_place(node.op):
            continue
        (layer,) = layers
        if layer.layer is not None and _is_free(graph, node, uses):
            word = Keyword("inplace", Lit(True), Lit(False))
            call = replace(layer.layer, keywords=(*layer.layer.keywords, word))
            changed[index] = (replace(layer, layer=call),)
    return changed


def _is_free(graph: Graph, node: Node, uses: Uses) -> bool:
    source = graph.nodes[node.inputs[0]]
    own = getattr(source.op, "activation", None)
    return isinstance(source.op, FRESH) and own is None and uses.users[source.index] == [node.index]


def general(graph: Graph, lowered: Mapping[int, tuple[LoweredLayer, ...]]) -> LoweredLayers:
    """The layers of every node so that ops with one activation, another or none are alike: each
    has a layer for it, and none works in place."""
    return {index: _general(graph.nodes[index], layers) for index, layers in lowered.items()}


def _general(node: Node, layers: tuple[LoweredLayer, ...]) -> tuple[LoweredLayer, ...]:
    plain: list[LoweredLayer] = []
    for layer in layers:
        call = layer.layer and not_in_place(layer.layer)
        assert call is None or isinstance(call, Call)
        fused = not layer.main and not layer.weighted and getattr(node.op, "activation", None)
        plain.append(replace(layer, layer=call, label="activation" if fused else layer.label))
    if getattr(node.op, "activation", node.op) is None:
        plain.append(LoweredLayer(IDENTITY, label="activation"))
    return tuple(plain)
