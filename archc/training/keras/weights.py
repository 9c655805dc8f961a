"""Weights in the neutral form: safetensors under the names of the spec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import keras
import numpy as np
from safetensors import SafetensorError, safe_open

from archc.backends.base import StoredVariable
from archc.backends.keras.variables import variable_of
from archc.backends.layouts import to_canonical, to_framework
from archc.training.run.weights import other_weights


def neutral_weights(
    network: keras.Model, variables: Mapping[str, StoredVariable]
) -> dict[str, np.ndarray]:
    """The network's weights by their keys in the neutral form, in canonical layout."""
    arrays = {}
    for key, stored in variables.items():
        variable, row = variable_of(layer_of(network, stored), stored.name)
        kept = keras.ops.convert_to_numpy(variable)
        kept = kept if row is None else kept[row]
        arrays[key] = np.ascontiguousarray(to_canonical(kept, stored.layout), np.float32)
    return arrays


def layer_of(network: keras.Model, stored: StoredVariable) -> keras.Layer:
    """The layer of a variable, by its name or its position."""
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
                variable, row = variable_of(layer_of(network, stored), stored.name)
                if row is not None:
                    whole = np.array(keras.ops.convert_to_numpy(variable))
                    whole[row] = values
                    values = whole
                variable.assign(values)
    except SafetensorError as error:
        message = f"{path}: no file of weights: {error}"
        raise OSError(message) from error
