"""Emitted models in this process, each framework with its own layout of arrays: for what evaluation
with given weights does not show."""

from __future__ import annotations

from typing import Any

import numpy as np

from archc.api import Network
from tests.backends.networks import module
from tests.backends.ops.reference.tensor import Array


class TorchModel:
    """The emitted PyTorch module."""

    def __init__(self, network: Network, seed: int = 0) -> None:
        import torch

        torch.manual_seed(seed)
        self.model = module(network.emit("torch")).build_model()

    def arrays(self) -> list[Array]:
        """All arrays in order: those of a convolution or dense layer have the outputs first."""
        state = self.model.state_dict()
        return [value.numpy().copy() for key, value in state.items() if "num_batches" not in key]

    def train(self, x: Array) -> Array:
        """The output of one pass in training."""
        import torch

        return self.model.train()(torch.from_numpy(x)).detach().numpy()


class KerasModel:
    """The emitted Keras model."""

    def __init__(self, network: Network, seed: int = 0) -> None:
        import keras

        keras.utils.set_random_seed(seed)
        self.model = module(network.emit("keras")).build_model()

    def arrays(self) -> list[Array]:
        """All arrays in order: those of a convolution or dense layer have the outputs first."""
        import keras

        values = [keras.ops.convert_to_numpy(one) for one in self.model.weights]
        return [np.transpose(value, (-1, *range(value.ndim - 1))) for value in values]

    def train(self, x: Array) -> Array:
        """The output of one pass in training."""
        import keras

        stored = np.moveaxis(x, 1, -1) if x.ndim > 3 else x
        output = keras.ops.convert_to_numpy(self.model(stored, training=True))
        return np.moveaxis(output, -1, 1) if x.ndim > 3 else output


MODELS: dict[str, type[Any]] = {"torch": TorchModel, "keras": KerasModel}
