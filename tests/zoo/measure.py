"""`python -m tests.zoo.measure NAME...`: networks beside their references, a line of JSON for each.

The emitted PyTorch network gets the reference's weights, or random ones, and the emitted Keras
network gets these; the outputs of all are compared on one sample, by the largest difference as a
share of the largest value: in float32, language models in float64. Of networks of more than
`MOST_PARAMS` parameters, and of `shapes:NAME`, the names and shapes of all arrays are compared,
without values.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import Any

import keras
import torch

from archc.api import Network
from archc.backends.layouts import to_framework
from tests.backends import keras_side, torch_side
from tests.backends.agreement import inputs_of, keras_outputs
from tests.backends.networks import module, shipped
from tests.zoo import applications, attention, theirs
from tests.zoo.checkpoints import in_order
from tests.zoo.outputs import difference, outputs
from tests.zoo.references import TORCHVISION
from tests.zoo.table import APPLICATIONS, MOST_PARAMS

Array = Any
SHAPES = "shapes:"
"""Before the name of a network whose values are left out."""


def main(name: str, with_values: bool = True) -> dict[str, object]:
    """The row of a network; without what it computes, if wished."""
    row: dict[str, object] = {
        "run with": f"PyTorch {torch.__version__.partition('+')[0]}, Keras {keras.__version__} on "
        f"{keras.backend.backend()}",
    }
    if name in theirs.LANGUAGE_MODELS:
        return row | attention.language_model(name)
    if shipped(name).costs.totals.params > MOST_PARAMS or not with_values:
        return row | shapes(name)
    return row | values(name)


def shapes(name: str) -> dict[str, object]:
    """Whether the arrays of a network are those of torchvision's, by names and shapes, or else
    those of keras.applications', by shapes in the order of use."""
    network = shipped(name)
    totals = network.costs.totals
    ours = torch_side.on_meta(module(network.emit("torch")))
    assert sum(one.numel() for one in ours.parameters()) == totals.params
    build = partial(keras_side.without_weights, module(network.emit("keras")))
    model, layers = keras_side.in_order_of_use(build)
    assert model.count_params() == totals.params + totals.state
    row: dict[str, object] = {"torch": None, "keras": None}
    if name in TORCHVISION:
        reference = theirs.of_torchvision(name)
        row["reference"] = "torchvision"
        row["reference_params"] = sum(one.numel() for one in reference.parameters())
        row["keys"] = take_state(name, reference, ours)
    elif name in theirs.KERAS_NAMES:
        row["reference"] = APPLICATIONS
        row["reference_params"] = applications.same_shapes(name, layers)
        row["keys"] = "other"
    return row


def values(name: str) -> dict[str, object]:
    """What a network computes, beside its reference or, without one, in both frameworks."""
    network = shipped(name)
    emitted = {backend: module(network.emit(backend)) for backend in ("torch", "keras")}
    row: dict[str, object] = {}
    with theirs.without_values():
        ours = emitted["torch"].build_model().eval()
    x = [value[:1] for value in inputs_of(network, 7)]
    expected = None
    if name in TORCHVISION:
        reference = theirs.of_torchvision(name)
        row["reference"] = "torchvision"
        row["reference_params"] = sum(one.numel() for one in reference.parameters())
        randomize(reference, name)
        row["keys"] = take_state(name, reference, ours)
        expected = outputs(reference, x)
        del reference
    else:
        randomize(ours, name)
        if theirs.ends_in_softmax(name):
            soften(ours, x)
    actual = outputs(ours, x)
    if attention.is_needed(network):
        others = attention.keras_outputs(network, ours.state_dict(), x, "float32")
    else:
        other, layers = keras_side.in_order_of_use(emitted["keras"].build_model)
        take_weights(network, ours, layers)
        if name in theirs.KERAS_NAMES:
            model, factor, count, plain = applications.reference(name, layers)
            if plain:
                applications.without_coefficients(ours)
                actual = outputs(ours, x)
            theirs_out = keras_outputs(model, [factor * one for one in x], network)
            del model
            if expected is None:
                row |= {"reference": APPLICATIONS, "reference_params": count}
                row["keys"] = "other"
                expected = theirs_out
            else:
                own = keras_outputs(other, x, network)
                row[APPLICATIONS] = {
                    "params": count,
                    "difference": difference(own, theirs_out),
                }
        others = keras_outputs(other, x, network)
    row["torch"] = None if expected is None else difference(actual, expected)
    row["keras"] = difference(others, actual if expected is None else expected)
    return row


def randomize(model: Any, name: str) -> None:
    """Draw the weights of a network, by its name; tables of distances stay."""
    distances = {key: one.clone() for key, one in model.named_buffers() if "coords_table" in key}
    torch_side.randomize(model, sum(name.encode()))
    if distances:
        model.load_state_dict(distances, strict=False)


def soften(model: Any, values: list[Array]) -> None:
    """Scale the last layer with weights so that the largest logit is 1: where random ones are far
    apart, a softmax is 1 for one of them whatever comes in."""
    head = [one for one in model.modules() if hasattr(one, "weight") and one.weight.dim() > 1][-1]
    logits: list[Any] = []
    hook = head.register_forward_hook(lambda _, __, result: logits.append(result))
    outputs(model, values)
    hook.remove()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter /= logits[0].abs().max()


def take_state(name: str, reference: Any, ours: Any) -> str:
    """Load the reference's state into the emitted network: strictly where the names are the same
    ones. What it loads else is a state that comes from the tests' own tables, or in order; that the
    spec has a table with the same values, tests of the files of weights prove."""
    state, own = reference.state_dict(), ours.state_dict()
    equal = {key: value.shape for key, value in state.items()} == {
        key: value.shape for key, value in own.items()
    }
    renamed = attention.renaming(name)
    if not equal:
        state = in_order(name, state, own) if renamed is None else renamed(state)
    ours.load_state_dict(state, strict=True, assign=True)
    return "equal" if equal else "other"


def take_weights(network: Network, ours: Any, layers: list[Any]) -> None:
    """Set the weights of the Keras layers of a network to those of the PyTorch one, as `archc
    weights` moves them."""
    weights = attention.canonical(network, ours.state_dict())
    known = {layer.name: layer for layer in layers} | dict(enumerate(layers))
    for key, stored in network.compiled("keras").variables.items():
        variables = {one.name: one for one in known[stored.layer].weights}
        variables[stored.name].assign(to_framework(weights[key], stored.layout))


if __name__ == "__main__":
    for each in sys.argv[1:]:
        print(json.dumps(main(each.removeprefix(SHAPES), SHAPES not in each)), flush=True)
        keras.utils.clear_session()
