"""Weights in the neutral form: safetensors under the names of the spec."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import nn

from archc.training.plan import Plan
from archc.training.run.weights import other_weights, write_weights


def save_weights(model: nn.Module, plan: Plan, path: Path) -> None:
    """Write the network's weights, whole or not at all."""
    state = model.state_dict()
    names = state_names(plan)
    arrays = {key: state[name].cpu().contiguous().numpy() for key, name in names.items()}
    write_weights(arrays, plan.task, path)


def load_weights(
    model: nn.Module, plan: Plan, path: Path, keys: Iterable[str] | None = None
) -> None:
    """Read the network's weights, or those of some keys. Raises OSError for a file of another
    network."""
    state = model.state_dict()
    names = state_names(plan)
    if keys is not None:
        names = {key: names[key] for key in keys}
    try:
        with safe_open(path, "pt") as file:
            present = file.keys()
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in present}
            for key, name in names.items():
                if shapes.get(key) != tuple(state[name].shape):
                    raise OSError(other_weights(path, key, shapes.get(key)))
            state |= {name: file.get_tensor(key) for key, name in names.items()}
    except SafetensorError as error:
        message = f"{path}: no file of weights: {error}"
        raise OSError(message) from error
    model.load_state_dict(state)


def state_names(plan: Plan) -> dict[str, str]:
    """The name in the state dict of each array, by its key in the neutral form."""
    return {key: f"{one.layer}.{one.name}" for key, one in plan.variables.items()}


def freeze(model: nn.Module, plan: Plan, keys: Iterable[str]) -> list[nn.Module]:
    """Let arrays not train. The modules whose running statistics are among them: they must stay in
    evaluation mode."""
    parameters = dict(model.named_parameters(remove_duplicate=False))
    normalizations: dict[nn.Module, None] = {}
    names = state_names(plan)
    for name in (names[key] for key in keys):
        if name in parameters:
            parameters[name].requires_grad_(False)
        else:
            normalizations[model.get_submodule(name.rpartition(".")[0])] = None
    return list(normalizations)
