"""Weights in the neutral form: safetensors under the names of the spec."""

from __future__ import annotations

from collections.abc import Mapping
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
    if isinstance(stored.layer, int):
        return getattr(network.layers[stored.layer], stored.name)
    return getattr(network.get_layer(stored.layer), stored.name)


def load_weights(network: keras.Model, variables: Mapping[str, StoredVariable], path: Path) -> None:
    """Read the network's weights. Raises OSError for a file of another network."""
    try:
        with safe_open(path, "numpy") as file:
            keys = file.keys()
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in keys}
            for key, stored in variables.items():
                if shapes.get(key) != stored.layout.canonical:
                    raise OSError(other_weights(path, key, shapes.get(key)))
                values = to_framework(file.get_tensor(key), stored.layout)
                layer_variable(network, stored).assign(values)
    except SafetensorError as error:
        message = f"{path}: no file of weights: {error}"
        raise OSError(message) from error
