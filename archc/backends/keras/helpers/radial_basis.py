import keras
from keras import layers, ops


@keras.saving.register_keras_serializable()
class RadialBasis(layers.Layer):
    """The squared distance of the input to each of some fixed codes.

    `codes` holds the codes one after the other, each as long as the input: rows of
    numbers, or of pixels where `#` is +1 and `.` is -1.
    """

    def __init__(
        self, codes: tuple[str, ...] | tuple[tuple[float, ...], ...], **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        self.codes = codes

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        pixels = {"#": 1.0, ".": -1.0}
        values = [value for row in self.codes for value in row]
        numbers = [pixels[v] if isinstance(v, str) else v for v in values]
        table = ops.convert_to_tensor(numbers, dtype=x.dtype)
        table = ops.reshape(table, (-1, x.shape[-1]))
        return ops.sum(ops.square(ops.expand_dims(x, 1) - table), axis=2)

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "codes": self.codes}
