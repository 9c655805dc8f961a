"""Weights of a network read from a file into canonical layout, and written from it.

What is read is checked before any array is loaded; what is written is written beside its place and
renamed, so that no partial file stays.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from archc import backends
from archc.codegen.tree import Ref
from archc.files import OutputError, staging
from archc.ir.costs import Costs
from archc.spec import Spec
from archc.weights.files import FORMAT, VERSION, Stored, opened, refuse, write_safetensors
from archc.weights.hdf5 import group_of
from archc.weights.layout import Layout, arrays, slots, to_canonical, to_framework
from archc.weights.names import Wanted, matched
from archc.weights.sandbox import asked, environment

NO_TABLE: Mapping[str, str] = {}


class Loaded(NamedTuple):
    """Arrays of a network in canonical layout, by their keys. `in_order` tells that the names in
    the file are others, and that the order of the layers there has stood for them."""

    weights: dict[str, Any]
    in_order: bool


def load(
    path: str, spec: Spec, costs: Costs, table: Mapping[str, str] = NO_TABLE
) -> dict[str, Any]:
    """The arrays of a network in canonical layout, by their keys, from a file of any format.
    `table` gives the names that the file has for layers. Raises SpecError (ARC001, ARC602 to
    ARC604)."""
    return read(path, spec, costs, table).weights


def read(path: str, spec: Spec, costs: Costs, table: Mapping[str, str] = NO_TABLE) -> Loaded:
    """As `load`, with how the names were found."""
    with opened(path) as stored:
        wanted = _wanted(stored.kind, spec, costs)
        match = matched(stored, wanted, costs, table)
        weights = {
            one.array.key: to_canonical(
                _array(stored, match.entries[one.array.key].read), one.layout
            )
            for one in wanted
        }
        return Loaded(weights, match.in_order)


def in_their_order(path: str) -> str:
    """What is to be told where the order of a file's layers has stood for their names."""
    return f"{path}: its names are others; the layers are taken in their order"


def _array(stored: Stored, read: Any) -> Any:
    try:
        return read()
    except (OSError, RuntimeError, ValueError) as error:
        refuse(stored.path, f"it is damaged ({' '.join(str(error).split())[:200]})")


def _wanted(kind: str, spec: Spec, costs: Costs) -> list[Wanted]:
    """The arrays of a network as a kind of file has them."""
    found = []
    if kind == "neutral":
        for array in arrays(costs):
            shape = array.weight.shape
            layout = Layout(shape, shape, tuple(range(len(shape))), shape)
            found.append(Wanted(array, layout, array.key))
        return found
    kept = slots(kind, spec, costs)
    groups = _groups(spec, costs) if kind == "keras" else {}
    numbers: Counter[str | int] = Counter()
    for array in arrays(costs):
        slot = kept[array.key]
        name = slot.state_key
        if kind == "keras":
            layer = groups[slot.layer] if isinstance(slot.layer, int) else slot.layer
            name = f"{layer}/{numbers[slot.layer]}"
            numbers[slot.layer] += 1
        found.append(Wanted(array, slot.layout, name))
    return found


def _groups(spec: Spec, costs: Costs) -> dict[int, str]:
    """The groups of Keras' files for the layers of a `keras.Sequential`, by their positions."""
    used: Counter[str] = Counter()
    placed = [one for stages in backends.places("keras", spec, costs).values() for one in stages]
    found = {}
    for one in placed:
        if isinstance(one.place, int) and one.stage.layer is not None:
            assert isinstance(one.stage.layer.function, Ref)
            found[one.place] = group_of(one.stage.layer.function.name.rpartition(".")[2], used)
    return found


def save_neutral(path: str, weights: Mapping[str, Any], spec: Spec, costs: Costs) -> None:
    """Write arrays in canonical layout, with the network's name and the digest of its spec."""
    about = costs.graph.about
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "name": about.name,
        "spec": about.source,
        "sha256": about.digest,
    }
    with staging(path) as temporary:
        write_safetensors(temporary, weights, metadata)


def save_torch(path: str, weights: Mapping[str, Any], spec: Spec, costs: Costs) -> None:
    """Write a state dict that the emitted module loads with `strict=True`: as a `.pth`, or as
    safetensors."""
    import numpy

    kept = _wanted("torch", spec, costs)
    state = {one.name: to_framework(weights[one.array.key], one.layout) for one in kept}
    for one in kept:
        if one.array.weight.name == "running_mean":
            layer = one.name.rpartition(".")[0]
            state[f"{layer}.num_batches_tracked"] = numpy.zeros((), "int64")
    with staging(path) as temporary:
        if path.endswith(".safetensors"):
            write_safetensors(temporary, state, {"format": "pt"})
            return
        with tempfile.TemporaryDirectory(prefix="archc-") as folder:
            made = os.path.join(folder, "state.safetensors")
            write_safetensors(made, state, {"format": "pt"})
            told = asked("pickled", "write", made, temporary)
        if told is not None:
            raise OutputError(f"{path}: {told}")


def save_keras(path: str, weights: Mapping[str, Any], spec: Spec, costs: Costs) -> None:
    """Write a `.weights.h5` that the emitted model loads, as Keras itself writes it: by the model,
    in a process of its own."""
    import numpy

    with tempfile.TemporaryDirectory(prefix="archc-") as folder, staging(path) as temporary:
        places = []
        kept = slots("keras", spec, costs)
        for number, one in enumerate(_wanted("keras", spec, costs)):
            variable = int(one.name.rpartition("/")[2])
            places.append([kept[one.array.key].layer, variable])
            made = to_framework(weights[one.array.key], one.layout)
            numpy.save(os.path.join(folder, f"{number}.npy"), numpy.ascontiguousarray(made))
        with open(os.path.join(folder, "places.json"), "w", encoding="utf-8") as stream:
            json.dump(places, stream)
        with open(os.path.join(folder, "emitted.py"), "w", encoding="utf-8") as stream:
            stream.write(backends.emit("keras", spec, costs))
        done = subprocess.run(
            [sys.executable, "-P", "-m", "archc.weights.keras_writer", folder, temporary],
            env=environment({"KERAS_HOME": folder}),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines()
            reason = lines[-1][:300] if lines else f"exit code {done.returncode}"
            hint = "pip install 'archc[keras]'" if "No module named" in reason else None
            raise OutputError(f"{path}: Keras does not write it ({reason})", hint)
