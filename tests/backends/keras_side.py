"""An emitted Keras network, its layers by the nodes of its spec, with weights from PyTorch.

Keras keeps feature maps channels last, so kernels, and the order of a flattened map's features,
differ from PyTorch's.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import keras
import numpy as np

from archc.api import Network
from archc.backends.blocks.dataflow import Uses
from archc.backends.keras.layout import observed_flattens
from archc.ir.graph import Graph
from archc.ops.axes import Axes
from archc.ops.shape import Flatten

Array = Any


def without_weights(emitted: SimpleNamespace) -> Any:
    """The emitted network with the shapes of its weights, without memory for their values."""
    return shapes_alone(emitted.build_model)


def shapes_alone(build: Callable[[], Any]) -> Any:
    """A model whose weights have shapes and no values."""
    with keras.StatelessScope(initialize_variables=False):
        model = build()
    # Keras would make up for it when the next such scope ends.
    keras.utils.clear_session()
    return model


def in_order_of_use(build: Callable[[], Any]) -> tuple[Any, list[Any]]:
    """A model, and its layers in the order in which it applies them, but those inside others."""
    layers: list[Any] = []
    around: list[Any] = []
    apply = keras.layers.Layer.__call__

    def noted(layer: Any, *arguments: Any, **options: Any) -> Any:
        if layer not in layers and not around:
            layers.append(layer)
        if isinstance(layer, keras.Model):
            return apply(layer, *arguments, **options)
        around.append(layer)
        result = apply(layer, *arguments, **options)
        around.pop()
        return result

    with patch.object(keras.layers.Layer, "__call__", noted):
        model = build()
    return model, layers


def layers_by_node(layers: list[Any], network: Network) -> dict[str, list[Any]]:
    """The layers that compute each node, by the node's path, from all layers in the order of use.
    Fails where there are more or fewer."""
    graph = network.costs.graph
    placements = network.compiled("keras").placements
    known = {layer.name: layer for layer in layers} | dict(enumerate(layers))
    by_node = {
        node.path: [
            known[one.path] for one in placements.get(node.index, ()) if one.path is not None
        ]
        for node in graph.layers
    }
    used = {id(layer) for own in by_node.values() for layer in own}
    rest = [
        layer.name
        for layer in layers
        if id(layer) not in used
        # An activation that is `none` in an instance of a block does nothing there.
        and not (
            isinstance(layer, keras.layers.Activation)
            and layer.activation is keras.activations.linear
        )
    ]
    assert not rest, f"has more layers than the spec: {rest}"
    return by_node


def canonical(shape: tuple[int, ...], axes: Axes) -> tuple[int, ...]:
    """The shape of a Keras value in the order of a report: channels before space."""
    sizes = shape[1:]
    return (sizes[-1], *sizes[:-1]) if axes.is_map else sizes


def channels_last(value: Array, axes: Axes) -> Array:
    return np.moveaxis(value, 1, -1) if axes.is_map else value


def channels_first(value: Array, axes: Axes) -> Array:
    return np.moveaxis(value, -1, 1) if axes.is_map else value


def feature_orders(graph: Graph) -> dict[int, Array]:
    """For each vector whose features Keras has in another order: the canonical position of each."""
    moved = observed_flattens(graph, Uses(graph).users)
    orders: dict[int, Array] = {}
    for node in graph.layers:
        (x, *_), source = graph.input_axes(node), node.inputs[0]
        if isinstance(node.op, Flatten) and x.is_map and node.index not in moved:
            orders[node.index] = np.arange(x.elements).reshape(x.width, -1).T.reshape(-1)
        elif node.op.element_order == "carried" and source in orders:
            orders[node.index] = orders[source]
    return orders


def take_weights(
    network: Network, ours: dict[str, list[Any]], theirs: dict[str, list[Any]]
) -> None:
    """Set the weights of Keras layers from PyTorch's modules, both by the node's path."""
    graph = network.costs.graph
    orders = feature_orders(graph)
    for node in graph.layers:
        layers = [layer for layer in ours[node.path] if layer.weights]
        modules = [one for one in theirs[node.path] if one is not None and _arrays(one)]
        assert len(layers) == len(modules), node.path
        for layer, torch_module in zip(layers, modules, strict=True):
            order = orders.get(node.inputs[0])
            layer.set_weights(_converted(layer, _arrays(torch_module), order))


def _arrays(torch_module: Any) -> list[Array]:
    return [
        value.numpy()
        for key, value in torch_module.state_dict().items()
        if key != "num_batches_tracked"
    ]


def _converted(layer: Any, arrays: list[Array], order: Array | None) -> list[Array]:
    kind = type(layer).__name__
    first, *others = arrays
    if kind == "Dense":
        rows = first.T
        return [rows if order is None else rows[order], *others]
    if kind.endswith("Transpose"):
        return [np.moveaxis(first, (0, 1), (-1, -2)), *others]
    if kind.startswith("DepthwiseConv"):
        # PyTorch has the outputs of one channel beside each other.
        channels = layer.kernel.shape[-2]
        apart = first.reshape(channels, -1, *first.shape[2:])
        return [np.moveaxis(apart, (0, 1), (-2, -1)), *others]
    if kind.startswith("Conv"):
        return [np.moveaxis(first, (0, 1), (-1, -2)), *others]
    if kind.endswith("Attention") or kind == "LSTM":
        # Both have what goes out first; Keras has an axis for the heads, and PyTorch none.
        arrays = [value.T for value in arrays]
    values = arrays if order is None else [value[order] for value in arrays]
    shapes = [tuple(variable.shape) for variable in layer.weights]
    return [value.reshape(shape) for value, shape in zip(values, shapes, strict=True)]
