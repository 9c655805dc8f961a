"""Specs of keras.applications' models: the emitted model takes its weights in their order, and
computes the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

keras = pytest.importorskip("keras")
np = pytest.importorskip("numpy")

from tests.backends.keras_side import shapes_alone, without_weights  # noqa: E402
from tests.backends.networks import module, shipped, source  # noqa: E402

pytestmark = pytest.mark.keras

THEIRS = {"vgg16": "VGG16", "vgg19": "VGG19"}


def theirs(name: str) -> Any:
    build = getattr(keras.applications, THEIRS[name])
    return shapes_alone(lambda: build(weights=None, classifier_activation=None))


@pytest.mark.parametrize("name", sorted(THEIRS))
def test_weights_have_the_same_order_and_shapes(name: str) -> None:
    ours = without_weights(module(source("keras", name)))
    assert [one.shape for one in ours.weights] == [one.shape for one in theirs(name).weights]
    assert [one.name for one in ours.weights] == [one.name for one in theirs(name).weights]


@pytest.mark.parametrize("name", sorted(THEIRS))
def test_computes_the_same_with_the_same_weights(name: str) -> None:
    draw = np.random.default_rng(3)
    # He et al. 2015: keeps the scale of the values through the depth of the network.
    values = [
        draw.uniform(-1, 1, one.shape).astype("float32")
        * np.float32((6 / np.prod(one.shape[:-1])) ** 0.5 if len(one.shape) > 1 else 0.5)
        for one in theirs(name).weights
    ]
    index = shipped(name).costs.graph.inputs[0]
    channels, *space = shipped(name).costs.graph.nodes[index].output.sizes
    x = draw.standard_normal((1, *space, channels)).astype("float32")
    their_model = getattr(keras.applications, THEIRS[name])

    def result(build: Callable[[], Any]) -> Any:
        model = build()
        model.set_weights(values)
        return np.asarray(model(x, training=False))

    expected = result(lambda: their_model(weights=None, classifier_activation=None))
    actual = result(module(source("keras", name)).build_model)
    assert expected.std() > 1e-3, "an output that hardly moves tells nothing"
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
