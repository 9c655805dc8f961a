"""Files of keras.applications are imported without an option, by the tables of specs: each array
of the network has its place in the layer that Keras' model applies at the same point."""

from __future__ import annotations

import re
from typing import Any

import pytest

from archc.weights.files import Entry, WeightFile
from archc.weights.transfer import match_file
from tests.backends.networks import shipped

keras = pytest.importorskip("keras")

from tests.backends.keras_side import in_order_of_use, shapes_alone  # noqa: E402
from tests.zoo.applications import weighted  # noqa: E402
from tests.zoo.theirs import of_keras  # noqa: E402

pytestmark = pytest.mark.keras

SMALLEST = (
    "convnext_tiny",
    "densenet121_keras",
    "efficientnet_b0_keras",
    "efficientnet_v2_b0",
    "mobilenet",
    "mobilenet_v2_keras",
    "mobilenet_v3_small_keras",
    "nasnet_mobile",
    "resnet50_v1",
    "resnet50_v2",
    "xception",
)
"""Of each family the first; the others have its table, and layers of the same names."""


@pytest.mark.parametrize("name", SMALLEST)
def test_every_array_has_the_place_of_its_use(name: str) -> None:
    keras.utils.clear_session()  # layers without names are numbered from the start
    _, layers = shapes_alone(lambda: in_order_of_use(of_keras(name)))
    shapes: dict[str, Any] = {
        f"{layer.name}/{number}": tuple(weight.shape)
        for layer in weighted(layers)
        for number, weight in enumerate(layer.weights)
    }
    entries = {key: Entry(shape, "float32", lambda: None) for key, shape in shapes.items()}
    file = WeightFile("model.h5", "keras", entries, {})
    checkpoint, match, expected = match_file(file, shipped(name))
    assert checkpoint == "keras"
    assert [match.sources[one.array.key].name for one in expected] == [*shapes]


@pytest.mark.parametrize(
    ("name", "before"),
    [
        ("inception_v3_keras", 0),
        ("inception_v3_keras", 94),
        ("inception_resnet_v2", 0),
        ("inception_resnet_v2", 1),
    ],
)
def test_layers_without_names_are_counted(name: str, before: int) -> None:
    """Whatever was counted before: Keras goes on with the numbers of other models, and began with 1
    once. Its normalizations have no coefficients, so these are 1."""
    keras.utils.clear_session()
    _, layers = shapes_alone(lambda: in_order_of_use(of_keras(name)))
    shapes: dict[str, Any] = {}
    from_zero: list[str] = []
    for layer in weighted(layers):
        counted = re.fullmatch(r"(conv2d|batch_normalization)(?:_(\d+))?", layer.name)
        stem, number = (counted[1], int(counted[2] or 0)) if counted else (layer.name, -1)
        own = f"{stem}_{number + before}" if counted and number + before else layer.name
        for position, weight in enumerate(layer.weights):
            shapes[f"{own}/{position}"] = tuple(weight.shape)
            from_zero.append(f"{stem}_{number}/{position}" if counted else f"{stem}/{position}")
    entries = {key: Entry(shape, "float32", lambda: None) for key, shape in shapes.items()}
    file = WeightFile("model.h5", "keras", entries, {})
    checkpoint, match, expected = match_file(file, shipped(name))
    assert checkpoint == "keras"
    ones = [
        one.array.key
        for one in expected
        if one.array.node.op.name == "batch_norm" and one.array.variable.name == "weight"
    ]
    assert all((match.entries[key].read() == 1).all() for key in ones)
    others = [one for one in expected if one.array.key not in ones]
    assert [match.sources[one.array.key].name for one in others] == from_zero
