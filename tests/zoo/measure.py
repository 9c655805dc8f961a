"""`python -m tests.zoo.measure NAME...`: networks beside their references, a line of JSON for each.

The emitted PyTorch network gets the reference's weights, or random ones, and the emitted Keras
network gets these; the outputs of all are compared in float32 on one sample, by the largest
difference as a share of the largest value.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import keras
import numpy as np
import torch

from archc.api import Network
from tests.backends import keras_side, torch_side
from tests.backends.agreement import inputs_of, keras_outputs
from tests.backends.networks import SPECS, module, shipped
from tests.zoo import theirs
from tests.zoo.checkpoints import in_order
from tests.zoo.references import KERAS, TORCHVISION

Array = Any


def main(name: str) -> dict[str, object]:
    """The row of a network."""
    network = shipped(name)
    emitted = {backend: module(network.emit(backend)) for backend in ("torch", "keras")}
    totals = network.costs.totals
    row: dict[str, object] = {
        "params": totals.params,
        "macs": totals.macs,
        "run with": f"PyTorch {torch.__version__.partition('+')[0]}, Keras {keras.__version__} on "
        f"{keras.backend.backend()}",
        "lines": {
            "yaml": len((SPECS / f"{name}.yaml").read_text(encoding="utf-8").splitlines()),
            **{backend: len(network.emit(backend).splitlines()) for backend in emitted},
        },
    }
    with theirs.without_values():
        ours = emitted["torch"].build_model().eval()
    x = [value[:1] for value in inputs_of(network, 7)]
    expected = None
    if name in TORCHVISION:
        reference = theirs.of_torchvision(name)
        row["reference"] = "torchvision"
        row["reference_params"] = sum(one.numel() for one in reference.parameters())
        torch_side.randomize(reference, sum(name.encode()))
        row["keys"] = take_state(name, reference, ours)
        with torch.no_grad():
            expected = outputs(reference(*map(torch.from_numpy, x)))
    else:
        torch_side.randomize(ours, sum(name.encode()))
    with torch.no_grad():
        actual = outputs(ours(*map(torch.from_numpy, x)))
    other, layers = keras_side.in_order_of_use(emitted["keras"].build_model)
    take_from_torch(network, emitted["torch"], ours, layers)
    if name in KERAS:
        row["reference"] = "keras.applications"
        reference, count = keras_reference(name, layers)
        row["reference_params"] = count
        row["keys"] = "in order"
        expected = keras_outputs(reference, x, network)
        ours_again(network, layers, emitted["torch"], ours)
        with torch.no_grad():
            actual = outputs(ours(*map(torch.from_numpy, x)))
    others = keras_outputs(other, x, network)
    row["torch"] = None if expected is None else difference(actual, expected)
    row["keras"] = difference(others, actual if expected is None else expected)
    return row


def outputs(result: Any) -> list[Array]:
    """The outputs of a PyTorch network."""
    if isinstance(result, dict):
        result = tuple(result.values())
    return [one.numpy() for one in (result if isinstance(result, tuple) else (result,))]


def difference(actual: list[Array], expected: list[Array]) -> float:
    """The largest difference of some outputs, as a share of their largest value."""
    largest = 0.0
    for one, other in zip(actual, expected, strict=True):
        assert one.shape == other.shape
        assert np.isfinite(other).all()
        assert other.size == 1 or other.std() > 0, "an output that does not move tells nothing"
        largest = max(largest, float(np.abs(one - other).max() / np.abs(other).max()))
    return largest


def take_state(name: str, reference: Any, ours: Any) -> str:
    """Load the reference's state into the emitted network: strictly where the names are the same
    ones, else in order."""
    state, own = reference.state_dict(), ours.state_dict()
    equal = {key: value.shape for key, value in state.items()} == {
        key: value.shape for key, value in own.items()
    }
    ours.load_state_dict(state if equal else in_order(name, state, own), strict=True, assign=True)
    return "equal" if equal else "in order"


def take_from_torch(network: Network, emitted: Any, ours: Any, layers: list[Any]) -> None:
    """Set the weights of Keras layers from the PyTorch network's."""
    meta = torch_side.on_meta(emitted)
    names = {one: name for name, one in meta.named_modules()}
    own = dict(ours.named_modules())
    modules = {
        path: [None if event.layer is None else own[names[event.layer]] for event in events]
        for path, events in torch_side.events_by_node(meta, network).items()
    }
    keras_side.take_weights(network, keras_side.layers_by_node(layers, network), modules)


def keras_reference(name: str, layers: list[Any]) -> tuple[Any, int]:
    """keras.applications' model with the weights of the emitted one's layers, in the order of
    their use, and its trainable parameters."""
    model, their_layers = keras_side.in_order_of_use(theirs.of_keras(name))
    mine = [layer for layer in layers if layer.weights]
    values = [value for layer in mine for value in given(layer, their_layers)]
    position = 0
    for layer in their_layers:
        wanted = layer.get_weights()
        if not wanted:
            continue
        own = values[position : position + len(wanted)]
        layer.set_weights([a.reshape(b.shape) for a, b in zip(own, wanted, strict=True)])
        position += len(wanted)
    assert position == len(values)
    return model, sum(int(np.prod(one.shape)) for one in model.trainable_weights)


def given(layer: Any, their_layers: list[Any]) -> list[Array]:
    """The weights of an emitted layer that the reference has too: where its normalisations have no
    coefficients, those of the emitted one are set to 1."""
    values = list(layer.get_weights())
    norms = [one for one in their_layers if type(one).__name__ == "BatchNormalization"]
    plain = any(not one.scale for one in norms)
    if plain and type(layer).__name__ == "BatchNormalization":
        values[0] = np.ones_like(values[0])
        layer.set_weights(values)
        return values[1:]
    return values


def ours_again(network: Network, layers: list[Any], emitted: Any, ours: Any) -> None:
    """Coefficients of normalisations that were set to 1 in Keras, in PyTorch too."""
    if network.costs.graph.about.name != "inception_resnet_v2":
        return
    for one in ours.modules():
        if isinstance(one, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(one.weight)


if __name__ == "__main__":
    for each in sys.argv[1:]:
        print(json.dumps(main(each)), flush=True)
        keras.utils.clear_session()
