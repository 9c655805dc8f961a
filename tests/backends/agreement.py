"""The two emitted networks of a spec, run with one set of weights."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from archc.api import Network
from archc.ir.graph import known_ids
from tests.backends import keras_side, torch_side

Array = Any


def inputs_of(network: Network, seed: int) -> list[Array]:
    """A seeded batch for each input, channels first; whole numbers where it takes token ids."""
    draw = np.random.default_rng(seed)
    graph = network.costs.graph
    known = known_ids(graph)
    shapes = {index: (torch_side.BATCH, *graph.nodes[index].output.sizes) for index in graph.inputs}
    return [
        draw.integers(known[index], size=shape).astype("int32")
        if index in known
        else draw.standard_normal(shape).astype("float32")
        for index, shape in shapes.items()
    ]


def torch_outputs(model: Any, values: list[Array]) -> list[Array]:
    with torch.no_grad():
        result = model.eval()(*map(torch.from_numpy, values))
    return [one.numpy() for one in (result if isinstance(result, tuple) else (result,))]


def keras_outputs(model: Any, values: list[Array], network: Network) -> list[Array]:
    """The outputs of the Keras network, channels first."""
    graph = network.costs.graph
    inputs = [
        keras_side.channels_last(value, graph.nodes[index].output)
        for value, index in zip(values, graph.inputs, strict=True)
    ]
    result = model(inputs[0] if len(inputs) == 1 else inputs, training=False)
    outputs = result if isinstance(result, list | tuple) else [result]
    return [
        keras_side.channels_first(np.asarray(one), graph.nodes[index].output)
        for one, index in zip(outputs, graph.outputs, strict=True)
    ]


def assert_agree(
    network: Network, ours: SimpleNamespace, others: SimpleNamespace, seed: int = 0
) -> None:
    """Run the PyTorch network `ours` and the Keras network `others` with the same weights, and
    hold their outputs against each other: to 1e-4, relative and absolute."""
    model = ours.build_model()
    torch_side.randomize(model, seed)
    events = torch_side.events_by_node(model, network)
    modules = {path: [event.layer for event in of_node] for path, of_node in events.items()}
    other, layers = keras_side.in_order_of_use(others.build_model)
    keras_side.take_weights(network, keras_side.layers_by_node(layers, network), modules)
    values = inputs_of(network, seed)
    expected = torch_outputs(model, values)
    actual = keras_outputs(other, values, network)
    for value, other_value in zip(expected, actual, strict=True):
        assert np.isfinite(value).all()
        assert value.std() > 1e-4, "an output that hardly moves tells nothing"
        np.testing.assert_allclose(other_value, value, rtol=1e-4, atol=1e-4)
