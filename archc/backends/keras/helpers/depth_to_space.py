import keras
from keras import layers, ops


@keras.saving.register_keras_serializable()
class DepthToSpace(layers.Layer):
    """Lays channels out as the positions of a block: the reverse of space to depth.

    (batch, height, width, channels) -> (batch, height * n, width * n, channels / n**2)
    for `n` the block size.
    """

    def __init__(self, block_size: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.block_size = block_size

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        n, (height, width, channels) = self.block_size, x.shape[1:]
        kept = channels // (n * n)
        x = ops.reshape(x, (-1, height, width, kept, n, n))
        x = ops.transpose(x, (0, 1, 4, 2, 5, 3))
        return ops.reshape(x, (-1, height * n, width * n, kept))

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "block_size": self.block_size}
