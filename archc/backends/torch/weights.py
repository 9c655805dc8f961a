"""PyTorch's files of weights: state dicts, which the emitted module loads with `strict=True`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from typing import Any

from archc.backends.base import Emitted, WeightFormat
from archc.backends.layouts import to_framework
from archc.backends.runtime.safetensors import write_safetensors
from archc.backends.runtime.sandbox import run_isolated
from archc.files import OutputError
from archc.ir.arrays import arrays
from archc.ir.costs import Costs

PICKLED = "archc.backends.torch.pickled"
COUNTER = "num_batches_tracked"
"""PyTorch counts the batches of each normalisation, which nothing depends on."""


def state_keys(costs: Costs, emitted: Emitted) -> dict[str, str]:
    """What a state dict calls each array, by the array's key."""
    return {key: f"{one.layer}.{one.name}" for key, one in emitted.variables.items()}


def save(path: str, weights: Mapping[str, Any], costs: Costs, emitted: Emitted) -> None:
    """Write arrays in canonical layout as a state dict: safetensors by the name's ending, else a
    `.pth`. Raises OutputError."""
    import numpy

    state: dict[str, Any] = {}
    for array in arrays(costs):
        stored = emitted.variables[array.key]
        state[f"{stored.layer}.{stored.name}"] = to_framework(weights[array.key], stored.layout)
        if array.variable.role == "mean":
            state[f"{stored.layer}.{COUNTER}"] = numpy.zeros((), "int64")
    for alias in emitted.aliases:
        own, stored = emitted.variables[alias.key], alias.stored
        state[f"{stored.layer}.{stored.name}"] = state[f"{own.layer}.{own.name}"]
        if f"{own.layer}.{COUNTER}" in state:
            state[f"{stored.layer}.{COUNTER}"] = state[f"{own.layer}.{COUNTER}"]
    if path.endswith(".safetensors"):
        write_safetensors(path, state, {"format": "pt"})
        return
    with tempfile.TemporaryDirectory(prefix="archc-") as folder:
        source = os.path.join(folder, "state.safetensors")
        write_safetensors(source, state, {"format": "pt"})
        reason = run_isolated(PICKLED, "write", source, path)
    if reason is not None:
        raise OutputError(reason)


WEIGHTS = WeightFormat(
    endings=(".pth", ".pt", ".safetensors"),
    # Since 2020 PyTorch's files are zip archives; before, pickles alone.
    beginnings=(b"PK", b"\x80"),
    reader=PICKLED,
    names=state_keys,
    save=save,
    plain_safetensors=True,
    ignored=f".{COUNTER}",
    # What DistributedDataParallel and `torch.compile` put before the names of a state dict.
    wrappers=("module.", "_orig_mod."),
)
