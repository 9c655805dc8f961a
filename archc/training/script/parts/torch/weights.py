"""Weights in the neutral form: safetensors under the names of the spec."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch import nn

from archc.training.script.parts.common.files import write_whole


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the network's weights, whole or not at all."""
    state = model.state_dict()
    arrays = {
        key: state[name].cpu().contiguous().numpy() for key, name in WEIGHTS.items()
    }
    metadata = {
        "format": "archc-weights",
        "version": "1",
        "name": NAME,
        "spec": SPEC,
        "sha256": DIGEST,
    }
    text = save(arrays, metadata)
    write_whole(path, lambda stream: stream.write(text))


def load_weights(model: nn.Module, path: Path) -> None:
    """Read the network's weights. Raises OSError for a file that has others."""
    state = model.state_dict()
    try:
        with safe_open(path, "pt") as file:
            keys = file.keys()
            shapes = {key: file.get_slice(key).get_shape() for key in keys}
            for key, name in WEIGHTS.items():
                if shapes.get(key) != list(state[name].shape):
                    raise OSError(other_weights(path, key, shapes.get(key)))
            state |= {name: file.get_tensor(key) for key, name in WEIGHTS.items()}
    except SafetensorError as error:
        message = f"{path}: no file of weights: {error}"
        raise OSError(message) from error
    model.load_state_dict(state)


def other_weights(path: Path, key: str, shape: list[int] | None) -> str:
    """Tell that a file's weights are not those of this network."""
    found = "is not there" if shape is None else f"has the shape {shape}"
    return f"{path}: weights of another network: {key} {found}"
