import keras
from keras import layers


@keras.saving.register_keras_serializable()
class Bias(layers.Layer):
    """A learned offset for each feature."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = (input_shape[-1],)
        self.bias = self.add_weight(name="bias", shape=shape, initializer="zeros")

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return x + self.bias
