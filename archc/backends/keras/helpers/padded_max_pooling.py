import math

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable()
class PaddedMaxPooling(layers.Layer):
    """Max pooling of a map that is padded with minus infinity, which never wins.

    `padding` is the number of elements at the begin and end of each spatial axis.
    """

    def __init__(
        self,
        pool_size: int | tuple[int, ...],
        strides: int | tuple[int, ...],
        padding: tuple[tuple[int, int], ...],
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size = pool_size
        self.strides = strides
        self.padding = padding

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        around = [(0, 0), *self.padding, (0, 0)]
        padded = ops.pad(x, around, constant_values=-math.inf)
        return ops.max_pool(padded, self.pool_size, self.strides)

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "strides": self.strides,
            "padding": self.padding,
        }
