import keras
from keras import layers, ops


@keras.saving.register_keras_serializable()
class Select(layers.Layer):
    """Some channels or features by index, counted from 0; one may be taken twice."""

    def __init__(self, channels: range | tuple[int, ...], **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.channels = tuple(channels)

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return ops.take(x, self.channels, axis=-1)

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "channels": self.channels}
