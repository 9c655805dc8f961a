"""Models of keras.applications with the weights of emitted ones."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np
import torch

from tests.backends import keras_side
from tests.zoo import theirs

Array = Any


def reference(name: str, layers: list[Any]) -> tuple[Any, float, int, bool]:
    """keras.applications' model with the weights of the emitted one's layers, in the order of
    their use; what a sample is to be multiplied with where the model itself rescales it; its
    trainable parameters; and whether its normalizations have no coefficients, where those of the
    emitted one are then set to 1."""
    model, their_layers = keras_side.in_order_of_use(theirs.of_keras(name))
    rescalings = [one for one in their_layers if type(one).__name__ == "Rescaling"]
    plain = is_plain(their_layers)
    own = [value for layer in weighted(layers) for value in given(layer, plain)]
    position = 0
    for layer in weighted(their_layers):
        wanted = layer.get_weights()
        values = own[position : position + len(wanted)]
        layer.set_weights([a.reshape(b.shape) for a, b in zip(values, wanted, strict=True)])
        position += len(wanted)
    assert position == len(own)
    factor = 1 / rescalings[0].scale if rescalings else 1.0
    return model, factor, trainable_params(model), plain


def same_shapes(name: str, layers: list[Any]) -> int:
    """Hold the shapes of the arrays of an emitted network against keras.applications' model, in the
    order of their use; its trainable parameters."""
    model, their_layers = keras_side.in_order_of_use(
        partial(keras_side.shapes_alone, theirs.of_keras(name))
    )
    plain = is_plain(their_layers)
    own = [
        sizes(one)
        for layer in weighted(layers)
        for one in layer.weights
        if not (plain and is_normalization(layer) and one.name == "gamma")
    ]
    assert own == [sizes(one) for layer in weighted(their_layers) for one in layer.weights]
    return trainable_params(model)


def sizes(variable: Any) -> list[int]:
    """The axes of a variable that have several elements."""
    return [size for size in variable.shape if size != 1]


def trainable_params(model: Any) -> int:
    return sum(int(np.prod(one.shape)) for one in model.trainable_weights)


def is_normalization(layer: Any) -> bool:
    return type(layer).__name__ == "BatchNormalization"


def is_plain(layers: list[Any]) -> bool:
    """Whether the normalizations of a model have no coefficients."""
    return any(is_normalization(layer) and not layer.scale for layer in layers)


def weighted(layers: list[Any]) -> list[Any]:
    """Layers with weights that the emitted network has too: models are their layers, and a
    `Normalization` of the input, which is at rest, belongs to the preprocessing."""
    return [
        layer
        for layer in layers
        if layer.weights
        and not isinstance(layer, keras.Model)
        and type(layer).__name__ != "Normalization"
    ]


def given(layer: Any, plain: bool) -> list[Array]:
    """The weights of an emitted layer that the reference has too."""
    values = list(layer.get_weights())
    if plain and is_normalization(layer):
        values[0] = np.ones_like(values[0])
        layer.set_weights(values)
        return values[1:]
    return values


def without_coefficients(ours: Any) -> None:
    """Set the coefficients of the normalizations of a PyTorch network to 1."""
    for one in ours.modules():
        if isinstance(one, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(one.weight)
