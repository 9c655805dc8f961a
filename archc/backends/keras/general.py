"""Ops lowered so that instances of a block are alike."""

from __future__ import annotations

from dataclasses import replace

from archc.backends.base import LoweredLayer
from archc.backends.blocks.items import LoweredLayers
from archc.backends.keras.padding import margin_layers
from archc.codegen.tree import Keyword, Lit
from archc.ir.graph import Graph, Node
from archc.ops.convolution import Conv, DepthwiseConv


def general(graph: Graph, lowered: LoweredLayers) -> LoweredLayers:
    """The layers of every node; convolutions that the spec pads by numbers with explicit zeros,
    whatever their stride."""
    return {index: _general(graph, graph.nodes[index], layers) for index, layers in lowered.items()}


def _general(
    graph: Graph, node: Node, layers: tuple[LoweredLayer, ...]
) -> tuple[LoweredLayer, ...]:
    op = node.op
    if not isinstance(op, Conv | DepthwiseConv) or op.padding == "same":
        return layers
    (x,) = graph.input_axes(node)
    pads = [(window.begin, window.end) for window in op.windows(x)]
    main = layers[0]
    same = Keyword("padding", Lit("same"), Lit("valid"))
    if main.layer is None or not any(word == same for word in main.layer.keywords):
        return layers
    words = tuple(
        replace(word, value=Lit("valid")) if word.name == "padding" else word
        for word in main.layer.keywords
    )
    explicit = replace(main, layer=replace(main.layer, keywords=words))
    return (*margin_layers("ZeroPadding", "pad", pads, "padding"), explicit, *layers[1:])
