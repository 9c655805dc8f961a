import keras
from keras import layers


@keras.saving.register_keras_serializable()
class Offset(layers.Layer):
    """A learned value added to each channel."""

    def __init__(self, initial: float = 0.0, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.initial = initial

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        start = keras.initializers.Constant(self.initial)
        shape = (input_shape[-1],)
        self.offset = self.add_weight(name="offset", shape=shape, initializer=start)

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return x + self.offset

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "initial": self.initial}
