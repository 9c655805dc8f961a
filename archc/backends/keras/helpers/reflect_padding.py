import keras
from keras import layers, ops


@keras.saving.register_keras_serializable()
class ReflectPadding(layers.Layer):
    """Pads a feature map with itself, mirrored at its edge elements.

    `padding` is the number of elements at the begin and end of each spatial axis.
    """

    def __init__(self, padding: tuple[tuple[int, int], ...], **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.padding = padding

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        for axis, (begin, end) in enumerate(self.padding, start=1):
            last = x.shape[axis] - 1
            before, after = range(begin, 0, -1), range(last - 1, last - 1 - end, -1)
            x = ops.take(x, [*before, *range(last + 1), *after], axis=axis)
        return x

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "padding": self.padding}
