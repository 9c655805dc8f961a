import keras
from keras import layers, ops


@keras.saving.register_keras_serializable()
class ClassToken(layers.Layer):
    """Puts a learned token before the others: (batch, length, features)."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = (1, 1, input_shape[-1])
        self.token = self.add_weight(name="token", shape=shape, initializer="zeros")

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        token = ops.broadcast_to(self.token, (ops.shape(x)[0], 1, x.shape[-1]))
        return ops.concatenate([token, x], axis=1)
