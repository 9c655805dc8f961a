import keras
from keras import layers, ops


@keras.saving.register_keras_serializable()
class LocalResponseNormalization(layers.Layer):
    """Divides by (k + alpha * sum of squares) ** beta over neighbouring channels.

    `size` counts those channels; of an even size, the extra one lies before.
    Krizhevsky et al. 2012, section 3.3: alpha is not divided by the size.
    """

    def __init__(
        self,
        size: int = 5,
        *,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 2.0,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        around = [(0, 0)] * (len(x.shape) - 1)
        around.append((self.size // 2, (self.size - 1) // 2))
        squares = ops.pad(ops.square(x), around)
        channels = x.shape[-1]
        total = sum(squares[..., i : i + channels] for i in range(self.size))
        return x / (self.k + self.alpha * total) ** self.beta

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "size": self.size,
            "alpha": self.alpha,
            "beta": self.beta,
            "k": self.k,
        }
