"""Ops lowered so that instances of a block are alike."""

from __future__ import annotations

from dataclasses import replace

from archc.backends.base import LoweredLayer
from archc.backends.blocks.items import LoweredLayers
from archc.backends.constructors import layer
from archc.backends.keras.activations import general_activation
from archc.backends.keras.padding import around
from archc.backends.shared_padding import PAD
from archc.codegen.tree import Binary, Lit
from archc.ir.graph import Graph, Node
from archc.ops.activation import Activation
from archc.ops.convolution import Conv, DepthwiseConv


def general(graph: Graph, lowered: LoweredLayers) -> LoweredLayers:
    """The layers of every node: activations by their names, and convolutions that the spec pads by
    numbers with explicit zeros, whatever their stride, under the condition that there are any."""
    return {index: _general(graph, graph.nodes[index], layers) for index, layers in lowered.items()}


def _general(
    graph: Graph, node: Node, layers: tuple[LoweredLayer, ...]
) -> tuple[LoweredLayer, ...]:
    op = node.op
    if isinstance(op, Activation) and (named := general_activation(op)) is not None:
        return tuple(replace(one, layer=named) for one in layers)
    if not isinstance(op, Conv | DepthwiseConv) or op.padding == "same":
        return layers
    position = next(index for index, one in enumerate(layers) if one.main)
    main = layers[position]
    if main.layer is None:
        return layers
    (x,) = graph.input_axes(node)
    pads = [(window.begin, window.end) for window in op.windows(x)]
    (mode,) = [word.value for word in main.layer.keywords if word.name == "padding"]
    shared = mode == Lit("valid") and position == 0 and any(map(any, pads))
    if shared or mode == Lit("causal"):
        return layers
    words = tuple(
        replace(word, value=Lit("valid")) if word.name == "padding" else word
        for word in main.layer.keywords
    )
    explicit = replace(main, layer=replace(main.layer, keywords=words))
    amounts = around(pads, "padding")
    zeros = LoweredLayer(
        layer(f"layers.ZeroPadding{len(pads)}D", amounts),
        label=PAD,
        condition=Binary("!=", amounts, Lit(0)),
    )
    return (zeros, explicit, *layers[position + 1 :])
