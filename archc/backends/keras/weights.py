"""Keras' files of weights: `.weights.h5`, and the older ones with `layer_names`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from typing import Any

from archc.backends.base import Emitted, WeightFormat
from archc.backends.keras.hdf5 import group_of
from archc.backends.layouts import to_framework
from archc.backends.runtime.sandbox import environment
from archc.codegen.tree import Ref
from archc.files import OutputError
from archc.ir.arrays import arrays
from archc.ir.costs import Costs
from archc.version import requirement


def numbered_names(costs: Costs, emitted: Emitted) -> dict[str, str]:
    """What a file calls each array, `LAYER/NUMBER`, by the array's key. The layers of a
    `keras.Sequential` without names are called by their groups."""
    groups = _groups(emitted)
    names: dict[str, str] = {}
    for key, (layer, number) in _positions(costs, emitted).items():
        name = groups[layer] if isinstance(layer, int) else layer
        names[key] = f"{name}/{number}"
    return names


def _positions(costs: Costs, emitted: Emitted) -> dict[str, tuple[str | int, int]]:
    """The layer of each array, and which of its variables it is there, by the array's key."""
    counts: Counter[str | int] = Counter()
    positions: dict[str, tuple[str | int, int]] = {}
    for array in arrays(costs):
        if array.key in emitted.variables:
            layer = emitted.variables[array.key].layer
            positions[array.key] = (layer, counts[layer])
            counts[layer] += 1
    return positions


def _groups(emitted: Emitted) -> dict[int, str]:
    """The groups of the layers of a `keras.Sequential`, by their positions."""
    used: Counter[str] = Counter()
    groups: dict[int, str] = {}
    for placements in emitted.placements.values():
        for lowered, path in placements:
            if isinstance(path, int) and lowered.layer is not None:
                assert isinstance(lowered.layer.function, Ref)
                groups[path] = group_of(lowered.layer.function.name.rpartition(".")[2], used)
    return groups


def save(path: str, weights: Mapping[str, Any], costs: Costs, emitted: Emitted) -> None:
    """Write arrays in canonical layout as a `.weights.h5`, as Keras itself writes it: by the
    emitted model, in a process of its own. Raises OutputError."""
    import numpy

    assert isinstance(emitted.source, str)
    with tempfile.TemporaryDirectory(prefix="archc-") as folder:
        positions = _positions(costs, emitted)
        for number, key in enumerate(positions):
            value = to_framework(weights[key], emitted.variables[key].layout)
            numpy.save(os.path.join(folder, f"{number}.npy"), numpy.ascontiguousarray(value))
        with open(os.path.join(folder, "positions.json"), "w", encoding="utf-8") as stream:
            json.dump(list(positions.values()), stream)
        with open(os.path.join(folder, "emitted.py"), "w", encoding="utf-8") as stream:
            stream.write(emitted.source)
        done = subprocess.run(
            [sys.executable, "-P", "-m", "archc.backends.keras.writer", folder, path],
            env=environment({"KERAS_HOME": folder}),
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        reason = lines[-1][:300] if lines else f"exit code {done.returncode}"
        hint = f"pip install '{requirement('keras')}'" if "No module named" in reason else None
        raise OutputError(f"Keras does not write it ({reason})", hint)


WEIGHTS = WeightFormat(
    endings=(".weights.h5",),
    beginnings=(b"\x89HDF\r\n\x1a\n",),
    reader="archc.backends.keras.hdf5",
    names=numbered_names,
    save=save,
    ordered_by_class=True,
    counted="[a-z][a-z_]*(?:[123]d[a-z_]*)?",
)
