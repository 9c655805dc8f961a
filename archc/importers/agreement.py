"""Whether the network of a spec computes what the file computes: both run, with the same seeded
weights and inputs, and the values of every layer are compared.

The file runs in the library that it is for, as it stands but for its weights: a model of ONNX in
onnxruntime, 32-bit, one of Keras in Keras and a program of PyTorch in PyTorch, 64-bit. The spec's
network runs as a backend emits it, 64-bit.
"""

from __future__ import annotations

import json
import os
import tempfile
from importlib.util import find_spec
from typing import Any, NamedTuple

from archc.backends.base import Emitted
from archc.backends.fusion import computed
from archc.backends.layouts import Layout, to_canonical
from archc.backends.lower import fused
from archc.backends.runtime.sandbox import run_isolated
from archc.importers.network import Network
from archc.importers.spec import Imported
from archc.importers.weights import emitted_for, weights_of
from archc.ir.arrays import arrays
from archc.ir.graph import known_ids
from archc.verify import FixedTensors, Settings, WorkerError, Workers, values
from archc.verify.random_values import distribution_of
from archc.verify.runtimes import runnable, runtime_of

TOLERANCE = 1e-3
"""How far apart two values may be, as a share of the largest of their array: 32-bit rounding
through a hundred layers stays well below, another operation far above."""
SEED = 0
FREE_BATCH = 2
"""Samples where the file leaves their number open."""


class Agreement(NamedTuple):
    """What running both networks gave: the values compared, the largest difference, as a share of
    the largest value of its array, and where it is; or why they did not run. `disagreement` says
    where they compute different values."""

    compared: int = 0
    largest: float = 0.0
    place: str = ""
    reason: str | None = None
    disagreement: str | None = None


def compare(imported: Imported, path: str, workers: Workers | None = None) -> Agreement:
    """Run a file and the network of its spec, and compare the values of all layers."""
    runner = imported.network.runner
    if runner is None:
        return Agreement(reason="files of this format are not run")
    backend = _installed(imported)
    if backend is None:
        return Agreement(reason="no framework is installed that computes it")
    with tempfile.TemporaryDirectory(prefix="archc-") as folder:
        emitted = emitted_for(imported)
        plan = _plan(imported, emitted, path, folder)
        plan_path = os.path.join(folder, "plan.json")
        with open(plan_path, "w", encoding="utf-8") as stream:
            json.dump(plan, stream)
        error = run_isolated(runner, "run", plan_path)
        if error is not None:
            return Agreement(reason=error)
        return _compared(imported, emitted, backend, folder, workers)


def _installed(imported: Imported) -> str | None:
    graph = imported.loaded.costs.graph
    for backend in runnable():
        if find_spec(runtime_of(backend, Settings(), graph).name) is not None:
            return backend
    return None


def _plan(imported: Imported, emitted: Emitted | None, path: str, folder: str) -> dict[str, Any]:
    """What the process that runs the file needs."""
    network, costs = imported.network, imported.loaded.costs
    graph = costs.graph
    users: list[list[int]] = [[] for _ in graph.nodes]
    for node in graph.nodes:
        for taken in node.inputs:
            users[taken].append(node.index)
    computed = weights_of(imported, emitted)
    sources: dict[str, tuple[tuple[int, ...], tuple[float, ...]]] = {}
    weights = []
    for array in arrays(costs):
        own = computed[array.key]
        weights.append(own.plain())
        distribution = distribution_of(array, graph, users)
        for name, shape in own.sources().items():
            sources.setdefault(name, (shape, tuple(distribution)))
    ids = known_ids(graph)
    batch = network.batch or FREE_BATCH
    inputs = [
        (name, (batch, *axes.sizes), ids.get(index))
        for index, (name, axes) in enumerate(network.inputs.items())
    ]
    return {
        "file": os.path.abspath(path),
        "folder": folder,
        "seed": SEED,
        "sources": sources,
        "weights": weights,
        "inputs": inputs,
        "ids": dict.fromkeys(network.inputs, "int64"),
        "input_layouts": [_layout(emitted, index) for index in graph.inputs],
        "values": _names(network),
    }


def _names(network: Network) -> list[str]:
    """The values of the file that are compared, each once."""
    return list(dict.fromkeys(layer.value for layer in network.layers if layer.value))


def _layout(emitted: Emitted | None, index: int) -> Layout | None:
    """How the file keeps the value of a node; None for the canonical layout."""
    return None if emitted is None else emitted.values[index]


def _compared(
    imported: Imported,
    emitted: Emitted | None,
    backend: str,
    folder: str,
    workers: Workers | None,
) -> Agreement:
    import numpy

    graph = imported.loaded.costs.graph
    network = imported.network
    fixed = FixedTensors(
        {
            array.key: numpy.load(os.path.join(folder, f"fixed_weight_{number}.npy"))
            for number, array in enumerate(arrays(imported.loaded.costs))
        },
        {
            graph.nodes[index].path: numpy.load(os.path.join(folder, f"fixed_input_{index}.npy"))
            for index in graph.inputs
        },
    )
    try:
        results = values(imported.loaded, backend, fixed, workers=workers)
    except WorkerError as error:
        return Agreement(reason=str(error))
    names, alive = _names(network), computed(fused(graph))
    largest, place, compared = 0.0, "", 0
    for position, node in zip(imported.order, graph.layers, strict=True):
        layer = network.layer(position)
        if not layer.value or node.index not in alive:
            continue
        expected = numpy.load(os.path.join(folder, f"value_{names.index(layer.value)}.npy"))
        if layer.restoration is not None:
            shape, axes = layer.restoration
            expected = expected.reshape(shape).transpose(axes)
        layout = _layout(emitted, node.index)
        if layout is not None:
            expected = to_canonical(expected, layout, batch=1)
        own = results[node.index].reshape(expected.shape)
        scale = float(numpy.abs(expected).max()) or 1.0
        difference = float(numpy.abs(own - expected).max()) / scale
        compared += 1
        if not difference <= TOLERANCE:
            message = (
                f"`{node.path}` differs from {layer.place} by {difference:.1e} of its largest value"
            )
            return Agreement(compared, difference, node.path, disagreement=message)
        if difference >= largest:
            largest, place = difference, node.path
    return Agreement(compared, largest, place)
