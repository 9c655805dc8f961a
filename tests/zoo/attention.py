"""Networks with attention, windows or recurrence beside torchvision's and Transformers'.

Their weights come to the emitted PyTorch network by the tables of the tests that compare small
networks of these families, and from there to the Keras network as `archc weights` moves them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file

from archc.api import Network
from archc.verify import FixedTensors, Settings, outputs
from archc.weights.transfer import load
from tests.backends import torch_side
from tests.backends.networks import module, shipped
from tests.backends.transformers_models import JUDGES, small, transformer
from tests.backends.vision_transformers import maxvit, swin, vit
from tests.zoo import theirs
from tests.zoo.outputs import difference
from tests.zoo.outputs import outputs as torch_outputs

Array = Any
Renaming = Callable[[Mapping[str, Any]], dict[str, Any]]
MOVED = ("attention", "window_attention", "lstm", "gru")
"""Ops whose weights the two frameworks keep in other arrays."""


def renaming(name: str) -> Renaming | None:
    """What makes of torchvision's state that of the emitted module, where it has another form."""
    if name.startswith("maxvit"):
        layers = [one.node for one in shipped(name).costs.layers]
        node = next(one for one in layers if one.op.name == "window_attention")
        return partial(maxvit, head_size=node.output.sizes[0] // node.op.heads)
    families = {"swin": swin, "vit": vit}
    return next((one for stem, one in families.items() if name.startswith(stem)), None)


def is_needed(network: Network) -> bool:
    return any(layer.node.op.name in MOVED for layer in network.costs.layers)


def canonical(network: Network, state: Mapping[str, Any]) -> dict[str, Array]:
    """The arrays of a network in canonical layout, from the state of the emitted module."""
    arrays = {key: np.ascontiguousarray(value.numpy()) for key, value in state.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "weights.safetensors")
        save_file(arrays, path)
        return load(path, network)


def keras_outputs(
    network: Network, state: Mapping[str, Any], values: list[Array], dtype: str
) -> list[Array]:
    """What the emitted Keras network makes of some inputs, with the state of the PyTorch one."""
    graph = network.costs.graph
    weights = canonical(network, state)
    inputs = {graph.nodes[n].path: one for n, one in zip(graph.inputs, values, strict=True)}
    results = outputs(
        network, "keras", FixedTensors(weights, inputs), Settings(("keras",), dtype=dtype)
    )
    return [results[graph.nodes[index].path] for index in graph.outputs]


def language_model(name: str) -> dict[str, object]:
    """A language model beside Transformers': the names and shapes of its arrays as it is, what it
    computes on a network of few and small layers."""
    judge = JUDGES[name]
    reference = transformer(name, theirs.LANGUAGE_MODELS[name], "meta")
    ours = torch_side.on_meta(module(shipped(name).emit("torch")))
    ours.load_state_dict(judge.renamed(reference.state_dict()), strict=True)
    row: dict[str, object] = {
        "reference": "transformers",
        "reference_params": sum(one.numel() for one in reference.parameters()),
        "keys": "other",
    }
    network = small(name)
    their_own = transformer(name, judge.config_fields)
    torch_side.randomize(their_own, sum(name.encode()))
    own = module(network.emit("torch")).build_model().double().eval()
    own.load_state_dict(judge.renamed(their_own.state_dict()), strict=True)
    inputs = judge.inputs(torch.Generator().manual_seed(7))
    with torch.no_grad():
        expected = [one.numpy() for one in judge.output(their_own(**inputs))]
    x = [one.numpy() for one in inputs.values()]
    row["torch"] = difference(torch_outputs(own, x), expected)
    row["keras"] = difference(keras_outputs(network, own.state_dict(), x, "float64"), expected)
    return row
