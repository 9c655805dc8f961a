import keras
from keras import layers, ops


@keras.saving.register_keras_serializable()
class AdaptiveAveragePooling(layers.Layer):
    """Means of a fixed number of windows, which cover each spatial axis evenly.

    Window i of n goes from floor(i * size / n) up to ceil((i + 1) * size / n).
    """

    def __init__(self, output_size: tuple[int, ...], **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.output_size = output_size

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        # Each pass pools the first spatial axis and makes it the last one.
        for count in self.output_size:
            size = x.shape[1]
            begins = [i * size // count for i in range(count)]
            ends = [-(-(i + 1) * size // count) for i in range(count)]
            windows = [x[:, slice(*edges)] for edges in zip(begins, ends, strict=True)]
            means = [ops.mean(window, axis=1) for window in windows]
            x = ops.stack(means, axis=-2)
        return x

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "output_size": self.output_size}
