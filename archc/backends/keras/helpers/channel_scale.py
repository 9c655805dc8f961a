import keras
from keras import layers


@keras.saving.register_keras_serializable()
class ChannelScale(layers.Layer):
    """A learned coefficient for each channel or feature, and a learned offset.

    Each coefficient starts at `initial`; there are offsets only with `use_bias`.
    """

    def __init__(
        self, *, initial: float = 1.0, use_bias: bool = False, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        self.initial = initial
        self.use_bias = use_bias

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = (input_shape[-1],)
        initial = keras.initializers.Constant(self.initial)
        self.weight = self.add_weight(name="weight", shape=shape, initializer=initial)
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=shape, initializer="zeros")

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        x = x * self.weight
        return x if self.bias is None else x + self.bias

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "initial": self.initial,
            "use_bias": self.use_bias,
        }
