"""Weights in the neutral form: safetensors under the names of the spec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import keras
import numpy as np
from safetensors import SafetensorError, safe_open

from archc.backends.base import StoredVariable
from archc.backends.layouts import to_canonical, to_framework
from archc.training.run.weights import other_weights


def neutral_weights(
    network: keras.Model, variables: Mapping[str, StoredVariable]
) -> dict[str, np.ndarray]:
    """The network's weights by their keys in the neutral form, in canonical layout."""
    arrays = {}
    for key, stored in variables.items():
        kept = keras.ops.convert_to_numpy(layer_variable(network, stored))
        arrays[key] = np.ascontiguousarray(to_canonical(kept, stored.layout), np.float32)
    return arrays


def layer_variable(network: keras.Model, stored: StoredVariable) -> keras.Variable:
    """Find a variable by the name or the position of its layer."""
    return getattr(layer_of(network, stored), stored.name)


def layer_of(network: keras.Model, stored: StoredVariable) -> keras.Layer:
    """The layer of a variable."""
    if isinstance(stored.layer, int):
        return network.layers[stored.layer]
    return network.get_layer(stored.layer)


def freeze(network: keras.Model, variables: Iterable[StoredVariable]) -> None:
    """Let the layers of some variables not train: batch normalization then keeps its statistics,
    and normalizes by them."""
    for stored in variables:
        layer_of(network, stored).trainable = False


def load_weights(network: keras.Model, variables: Mapping[str, StoredVariable], path: Path) -> None:
    """Read the network's weights, or some of them. Raises OSError for a file of another network."""
    try:
        with safe_open(path, "numpy") as file:
            present = file.keys()
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in present}
            for key, stored in variables.items():
                if shapes.get(key) != stored.layout.canonical:
                    raise OSError(other_weights(path, key, shapes.get(key)))
                values = to_framework(file.get_tensor(key), stored.layout)
                layer_variable(network, stored).assign(values)
    except SafetensorError as error:
        message = f"{path}: no file of weights: {error}"
        raise OSError(message) from error
