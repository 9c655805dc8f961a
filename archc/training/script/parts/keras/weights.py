"""Weights in the neutral form: safetensors under the names of the spec."""

from pathlib import Path

import keras
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from archc.training.script.parts.common.files import write_whole


def neutral_weights(network: keras.Model) -> dict[str, np.ndarray]:
    """Give the network's weights as the neutral form has them, channels first."""
    found = {}
    for key, layer, name, shape, split, axes in WEIGHTS:
        kept = keras.ops.convert_to_numpy(layer_variable(network, layer, name))
        turned = kept.reshape([split[axis] for axis in axes])
        neutral = turned.transpose(np.argsort(axes)).reshape(shape)
        found[key] = np.ascontiguousarray(neutral, np.float32)
    return found


def layer_variable(
    network: keras.Model,
    layer: str | int,
    name: str,
) -> keras.Variable:
    """Find a variable by the name or the position of its layer."""
    if isinstance(layer, int):
        return getattr(network.layers[layer], name)
    return getattr(network.get_layer(layer), name)


def save_weights(weights: dict[str, np.ndarray], path: Path) -> None:
    """Write neutral weights, whole or not at all."""
    metadata = {
        "format": "archc-weights",
        "version": "1",
        "name": NAME,
        "spec": SPEC,
        "sha256": DIGEST,
    }
    text = save(weights, metadata)
    write_whole(path, lambda stream: stream.write(text))


def load_weights(network: keras.Model, path: Path) -> None:
    """Read the network's weights. Raises OSError for a file that has others."""
    try:
        with safe_open(path, "numpy") as file:
            keys = file.keys()
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in keys}
            for key, layer, name, shape, split, axes in WEIGHTS:
                if shapes.get(key) != shape:
                    raise OSError(other_weights(path, key, shapes.get(key)))
                variable = layer_variable(network, layer, name)
                turned = file.get_tensor(key).reshape(split).transpose(axes)
                variable.assign(turned.reshape(variable.shape))
    except SafetensorError as error:
        message = f"{path}: no file of weights: {error}"
        raise OSError(message) from error


def other_weights(path: Path, key: str, shape: tuple[int, ...] | None) -> str:
    """Tell that a file's weights are not those of this network."""
    found = "is not there" if shape is None else f"has the shape {shape}"
    return f"{path}: weights of another network: {key} {found}"
