"""Layers that are not trained: what says so to Keras."""

from __future__ import annotations

from dataclasses import replace

from archc.backends.attention import NAMES as ATTENTION
from archc.backends.base import LoweredLayer
from archc.backends.constructors import option
from archc.backends.keras.functions import TRAINED
from archc.codegen.tree import Call, Lit, Ref
from archc.ir.graph import Graph, Node

NESTED = tuple(
    map(
        Ref,
        (
            *ATTENTION,
            "GeneralWindowAttention",
            "WindowAttention",
            "layers.Bidirectional",
            "layers.GroupQueryAttention",
            "layers.MultiHeadAttention",
        ),
    )
)
"""Layers with layers inside, which are told only once they are built that they are not trained."""


def with_training(
    graph: Graph, lowered: dict[int, tuple[LoweredLayer, ...]]
) -> dict[int, tuple[LoweredLayer, ...]]:
    """The layers of every node, where some are not trained with what says so."""
    if all(node.trainable for node in graph.nodes):
        return lowered

    def with_word(one: LoweredLayer, node: Node) -> LoweredLayer:
        if one.layer is None or not one.weighted:
            return one
        if one.layer.function in NESTED:
            return replace(one, initialize=Call(TRAINED, (Lit(node.trainable, "trainable"),)))
        word = option("trainable", node.trainable, True, "trainable")
        return replace(one, layer=replace(one.layer, keywords=(*one.layer.keywords, word)))

    return {
        index: tuple(with_word(one, graph.nodes[index]) for one in layers)
        for index, layers in lowered.items()
    }
