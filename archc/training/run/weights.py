"""Files of weights in the neutral form, the same bytes for the same weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from archc.backends.runtime.safetensors import dump_safetensors
from archc.training.run.files import write_whole
from archc.training.task import Task
from archc.weights.files import FORMAT, VERSION


def write_weights(arrays: Mapping[str, np.ndarray], task: Task, path: Path) -> None:
    """Write arrays in canonical layout by their keys, whole or not at all."""
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "name": task.name,
        "spec": task.spec,
        "sha256": task.digest,
    }
    write_whole(path, lambda stream: dump_safetensors(stream, arrays, metadata))


def other_weights(path: Path, key: str, shape: tuple[int, ...] | None) -> str:
    """Why a file's weights are not those of a network."""
    found = "is not there" if shape is None else f"has the shape {list(shape)}"
    return f"{path}: weights of another network: {key} {found}"
