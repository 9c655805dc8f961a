import keras
from keras import layers, ops


@keras.saving.register_keras_serializable()
class SelectTokens(layers.Layer):
    """Some tokens of a sequence by index, counted from 0; one may be taken twice."""

    def __init__(self, tokens: tuple[int, ...], **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.tokens = tuple(tokens)

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return ops.take(x, self.tokens, axis=1)

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "tokens": self.tokens}
