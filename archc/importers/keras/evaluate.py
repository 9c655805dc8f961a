"""A Keras model run, or its weights read, by a process of its own: `python -m
archc.importers.keras.evaluate VERB PLAN`.

`run` builds the model's layers from the fields of their configuration that are numbers, texts and
lists of them, gives them seeded random weights and inputs, and writes what they compute; nothing
that the file names is looked up but classes of Keras' layers. `weights` writes those in the file,
read without Keras.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Mapping
from typing import IO, Any

from archc.backends.keras.hdf5 import MalformedError, contents_of
from archc.backends.layouts import Layout, to_framework
from archc.backends.runtime.sandbox import limit, line, not_installed, too_large
from archc.importers.archives import UNSOUND
from archc.importers.arrays import (
    LARGEST,
    bytes_of_sources,
    random_inputs,
    random_sources,
    write_weights,
)
from archc.importers.keras.calls import COMMON, PLAIN
from archc.importers.keras.config import calls_of, text_of
from archc.importers.keras.operators import FUNCTIONS
from archc.importers.keras.preparation import preparations

MEMBER = "model.weights.h5"
MEMORY = 4 << 30
FRAMEWORK = 16 << 30
"""Bytes that a framework takes, most of them never used."""
STARTING = 1 << 30
"""What counts like bytes of the file: two minutes for a framework to start and compute."""
OWN = {
    "CustomScaleLayer": "inception_resnet_v2",
    "LayerScale": "convnext",
    "StochasticDepth": "convnext",
}
"""Layers that keras.applications has of its own, with their modules."""


def _run(plan: Mapping[str, Any]) -> str | None:
    """Run the model. Returns an error, or None."""
    try:
        import keras
        import numpy
    except ImportError as error:
        return not_installed(error, "keras")
    needed = bytes_of_sources(plan)
    if needed > LARGEST:
        return f"its weights take {needed:,} bytes"
    limit(os.path.getsize(plan["file"]) + 4 * needed + STARTING, FRAMEWORK)
    try:
        return _compute(plan, keras, numpy)
    except MemoryError:
        return "running it takes too much memory"


def _compute(plan: Mapping[str, Any], keras: Any, numpy: Any) -> str | None:
    """Write the value of each layer. Returns an error, or None."""
    model = calls_of(text_of(plan["file"]))
    calls = model["calls"]
    # 32-bit rounding grows through the layers of random weights, by tenfold in six of MobileNet.
    keras.config.set_floatx("float64")
    sources = random_sources(plan)
    own = random_inputs(plan).values()
    values: dict[int, Any] = {}
    for position, canonical, layout in zip(
        model["inputs"], own, plan["input_layouts"], strict=True
    ):
        values[position] = to_framework(canonical, Layout(*map(_tuple, layout)), batch=1)
    prepared = preparations(model)
    expected = {name: number for number, name in enumerate(filter(None, plan["values"]))}
    for number, call in enumerate(calls):
        if call["kind"] == "InputLayer":
            continue
        taken = [values[one] for one in call["inputs"]]
        if number in prepared:
            values[number] = taken[0]  # the spec's network takes images that are prepared
            continue
        try:
            values[number] = numpy.asarray(_computed(keras, call, taken, sources))
        except Exception as error:
            return f"Keras does not run `{call['name']}` ({line(error)})"
        name = "/".join([*call["scope"], call["name"]])
        if name in expected:
            path = os.path.join(plan["folder"], f"value_{expected[name]}.npy")
            numpy.save(path, values[number])
    return None


def _tuple(value: Any) -> tuple[int, ...]:
    return tuple(value)


def _computed(
    keras: Any, call: Mapping[str, Any], taken: list[Any], sources: Mapping[str, Any]
) -> Any:
    """What a call of a layer computes, in evaluation."""
    import numpy

    if call["operator"] and call["kind"] in FUNCTIONS:
        function = getattr(keras.ops, FUNCTIONS[call["kind"]])
        fields = _fields(call["config"])
        return function(*taken, *call["constants"].values(), **fields)  # values come first
    module = keras.layers
    if call["kind"] in OWN:
        module = getattr(keras.src.applications, OWN[call["kind"]])
    fields = _fields(call["config"])
    if call["kind"] == "Bidirectional":
        inner = call["config"]["layer"]
        own = {"LSTM": keras.layers.LSTM, "GRU": keras.layers.GRU}[inner["class_name"]]
        fields["layer"] = own(**_fields(inner["config"]))
    layer = getattr(module, call["kind"])(**fields)
    is_attention = call["kind"] == "MultiHeadAttention"
    shapes = [one.shape for one in taken]
    if is_attention:
        layer.build(*shapes)
    else:
        layer.build(shapes if len(shapes) > 1 else shapes[0])
    given = (sources[f"{call['group']}/{number}"] for number in itertools.count())
    layer.set_weights(
        [
            # The two biases of a GRU are one variable.
            numpy.stack([next(given), next(given)])
            if own.path.endswith("gru_cell/bias")
            else next(given).reshape(own.shape)
            for own in layer.weights
        ]
    )
    if is_attention:
        return layer(*taken, **call["constants"], training=False)
    return layer(taken if len(taken) > 1 else taken[0], training=False)


def _fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a configuration that say what a layer computes: numbers, texts, lists."""
    return {
        key: value
        for key, value in config.items()
        if key not in COMMON
        and not key.endswith(PLAIN)
        and key not in ("registered_name", "build_config", "batch_input_shape")
        and _is_plain(value)
    }


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _weights(plan: Mapping[str, Any]) -> str | None:
    """Write the weights in the file under the names of the spec's. Returns an error, or None."""
    try:
        import h5py
    except ImportError as error:
        return not_installed(error, "keras")
    size = os.path.getsize(plan["file"])
    limit(size, MEMORY)
    extracted = os.path.join(plan["folder"], MEMBER)
    try:
        with open(extracted, "wb") as target:
            reason = _extract(plan["file"], target)
        if reason is not None:
            return reason
        with h5py.File(extracted, "r") as file:
            contents = contents_of(file)
            reason = too_large(sum(one.nbytes for one in contents.arrays.values()), extracted)
            if reason is not None:
                return reason

            def source(name: str, layer: str) -> Any:
                known = contents.groups.get(name, "")
                group, _, number = name.rpartition("/")
                if known not in (f"{layer}/{number}", f"{group}/{number}"):
                    raise ValueError(f"its weights are not those of its layer `{layer}`")
                return contents.arrays[known]

            return write_weights(plan, source)
    except MalformedError as error:
        return str(error)
    except MemoryError:
        return "reading it takes too much memory"
    except Exception as error:  # whatever a damaged file makes of the library
        return f"its {MEMBER} is no sound HDF5 file ({line(error)})"


def _extract(path: str, target: IO[bytes]) -> str | None:
    """Copy the weights out of an archive, not more than there may be. Returns an error, or None."""
    if not zipfile.is_zipfile(path):
        return "it has no weights: a `.keras` archive has"
    try:
        with zipfile.ZipFile(path) as archive:
            if MEMBER not in archive.namelist():
                return f"it is an archive without a {MEMBER}"
            if archive.getinfo(MEMBER).file_size > LARGEST:
                return f"its {MEMBER} has more than {LARGEST:,} bytes"
            with archive.open(MEMBER) as member:
                shutil.copyfileobj(member, target)  # as many bytes as it claims, or an error
    except UNSOUND as error:
        return f"it is no sound archive ({line(error)})"
    return None


if __name__ == "__main__":
    verb, path = sys.argv[1:]
    with open(path, encoding="utf-8") as stream:
        fields = json.load(stream)
    json.dump({"run": _run, "weights": _weights}[verb](fields), sys.stdout)
