"""Writes a `.weights.h5` by the emitted model: `python -m archc.backends.keras.writer FOLDER FILE`.

The folder has the emitted module, `positions.json` with the layer and the number of the variable of
each array, and the arrays.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import sys
from typing import Any

from archc.backends.keras.models import flat_layers

RUNTIMES = ("tensorflow", "jax", "torch")
"""What Keras may run on, whatever the user has set: the file is the same on each."""


def write(folder: str, path: str) -> None:
    """Build the model, set all its variables, and let Keras save them."""
    installed = (runtime for runtime in RUNTIMES if importlib.util.find_spec(runtime) is not None)
    os.environ["KERAS_BACKEND"] = next(installed, RUNTIMES[0])
    import keras
    import numpy

    emitted = importlib.util.spec_from_file_location("emitted", os.path.join(folder, "emitted.py"))
    assert emitted is not None
    assert emitted.loader is not None
    module = importlib.util.module_from_spec(emitted)
    emitted.loader.exec_module(module)
    with open(os.path.join(folder, "positions.json"), encoding="utf-8") as stream:
        positions = json.load(stream)
    # Of a network with outputs in training alone, the model that has them has all layers.
    arguments = inspect.signature(module.build_model).parameters
    model = module.build_model(training=True) if "training" in arguments else module.build_model()
    layers = list(flat_layers(model))
    by_name = {one.name: one for one in layers}
    for number, (layer, variable) in enumerate(positions):
        holder = layers[layer] if isinstance(layer, int) else by_name[layer]
        values = numpy.load(os.path.join(folder, f"{number}.npy"))
        weight, row = _slots(holder)[variable]
        if row is not None:
            whole = keras.ops.convert_to_numpy(weight).copy()
            whole[row] = values
            values = whole
        weight.assign(values)
    model.save_weights(path)


def _slots(layer: Any) -> list[tuple[Any, int | None]]:
    """The variables of a layer that hold an array each, in order: of the biases of a GRU, each of
    its two rows."""
    slots: list[tuple[Any, int | None]] = []
    for weight in layer.weights:
        rows = weight.name == "bias" and "gru_cell" in weight.path and len(weight.shape) == 2
        slots += [(weight, 0), (weight, 1)] if rows else [(weight, None)]
    return slots


if __name__ == "__main__":
    write(*sys.argv[1:])
