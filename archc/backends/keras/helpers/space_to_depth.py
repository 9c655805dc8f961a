import keras
from keras import layers, ops


@keras.saving.register_keras_serializable()
class SpaceToDepth(layers.Layer):
    """Stacks the positions of each block of a map as channels of one position.

    (batch, height, width, channels) -> (batch, height / n, width / n, channels * n * n)
    for `n` the block size: those of one channel lie beside each other, row by row.
    """

    def __init__(self, block_size: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.block_size = block_size

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        n, (height, width, channels) = self.block_size, x.shape[1:]
        rows, columns = height // n, width // n
        x = ops.reshape(x, (-1, rows, n, columns, n, channels))
        x = ops.transpose(x, (0, 1, 3, 5, 2, 4))
        return ops.reshape(x, (-1, rows, columns, channels * n * n))

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "block_size": self.block_size}
