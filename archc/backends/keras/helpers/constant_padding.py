import keras
from keras import layers, ops


@keras.saving.register_keras_serializable()
class ConstantPadding(layers.Layer):
    """Pads a feature map with a constant.

    `padding` is the number of elements at the begin and end of each spatial axis.
    """

    def __init__(
        self, padding: tuple[tuple[int, int], ...], value: float, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        self.padding = padding
        self.value = value

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        around = [(0, 0), *self.padding, (0, 0)]
        return ops.pad(x, around, constant_values=self.value)

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "padding": self.padding, "value": self.value}
