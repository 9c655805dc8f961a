"""Activations: element by element, or along the channels."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tests.backends.ops.reference.tensor import Array, Arrays, Tensor


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def relu6(x: Array) -> Array:
    return np.minimum(np.maximum(x, 0), 6)


def elementwise(function: Callable[..., Array]) -> Callable[..., Tensor]:
    """An activation of single elements without arrays."""

    def meaning(arrays: Arrays, x: Tensor, **fields: float) -> Tensor:
        return x.with_array(function(x.array, **fields))

    return meaning


def leaky_relu(x: Array, slope: float = 0.01) -> Array:
    return np.where(x > 0, x, slope * x)


def prelu(arrays: Arrays, x: Tensor, *, slope: float = 0.25) -> Tensor:
    """One learned slope a channel (He et al. 2015)."""
    return x.with_array(np.where(x.array > 0, x.array, x.along_channels(arrays["slope"]) * x.array))


def elu(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def selu(x: Array) -> Array:
    """With the constants of Klambauer et al. 2017."""
    return 1.0507009873554804934193349852946 * elu(x, 1.6732632423543772848170429916717)


def gelu(x: Array, approximate: str = "none") -> Array:
    """x * Phi(x), or its approximation by tanh (Hendrycks & Gimpel 2016)."""
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def log_softmax(arrays: Arrays, x: Tensor) -> Tensor:
    """Along the channels or features."""
    shifted = x.array - x.array.max(axis=x.channel_axis, keepdims=True)
    return x.with_array(shifted - np.log(np.exp(shifted).sum(axis=x.channel_axis, keepdims=True)))


def softmax(arrays: Arrays, x: Tensor) -> Tensor:
    """Along the channels or features."""
    return x.with_array(np.exp(log_softmax(arrays, x).array))


MEANINGS = {
    "relu": elementwise(lambda x: np.maximum(x, 0)),
    "relu6": elementwise(relu6),
    "leaky_relu": elementwise(leaky_relu),
    "prelu": prelu,
    "elu": elementwise(elu),
    "selu": elementwise(selu),
    "gelu": elementwise(gelu),
    "silu": elementwise(lambda x: x * sigmoid(x)),
    "sigmoid": elementwise(sigmoid),
    "hard_sigmoid": elementwise(lambda x: relu6(x + 3) / 6),
    "hard_swish": elementwise(lambda x: x * relu6(x + 3) / 6),
    "tanh": elementwise(np.tanh),
    "scaled_tanh": elementwise(lambda x: 1.7159 * np.tanh(2 * x / 3)),
    "softplus": elementwise(lambda x: np.logaddexp(x, 0)),
    "softsign": elementwise(lambda x: x / (1 + np.abs(x))),
    "softmax": softmax,
    "log_softmax": log_softmax,
}
