import keras
from keras import layers


@keras.saving.register_keras_serializable()
class PositionEmbedding(layers.Layer):
    """Adds a learned vector to the token of each position: (batch, length, width)."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        initial = keras.initializers.RandomNormal(stddev=0.02)
        self.weight = self.add_weight(
            name="weight", shape=input_shape[1:], initializer=initial
        )

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return x + self.weight
