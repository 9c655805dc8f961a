import keras
from keras import layers, ops


@keras.saving.register_keras_serializable()
class PaddedAveragePooling(layers.Layer):
    """The mean of those elements of each window that lie inside the map.

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
        inside = ops.ones((1, *x.shape[1:-1], 1), dtype=x.dtype)
        return self.pool(x) / self.pool(inside)

    def pool(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Means in which the padding counts as zeros."""
        padded = ops.pad(x, [(0, 0), *self.padding, (0, 0)])
        return ops.average_pool(padded, self.pool_size, self.strides)

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "strides": self.strides,
            "padding": self.padding,
        }
