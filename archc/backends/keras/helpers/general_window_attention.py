import math

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable()
class GeneralWindowAttention(layers.Layer):
    """Multi-head attention within windows: (batch, height, width, channels).

    With `shift` the windows begin so many positions later (Liu et al. 2021), with
    `grid` each takes positions spread over the whole map (Tu et al. 2022). Each head
    adds a bias by how far query and key lie apart: from a table, or from a small
    network (`continuous`). With `cosine` it weighs by their cosine times a learned
    factor of at most 100 (Liu et al. 2022, Swin Transformer V2).
    """

    def __init__(
        self,
        heads: int,
        window: int,
        *,
        shift: int = 0,
        grid: bool = False,
        relative_bias: str = "table",
        cosine: bool = False,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.heads = heads
        self.window = window
        self.shift = shift
        self.grid = grid
        self.relative_bias = relative_bias
        self.cosine = cosine

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = input_shape[-1]
        self.query = layers.Dense(channels, name="query")
        self.key = layers.Dense(channels, use_bias=not self.cosine, name="key")
        self.value = layers.Dense(channels, name="value")
        self.output_dense = layers.Dense(channels, name="output")
        for part in (self.query, self.key, self.value, self.output_dense):
            part.build((None, channels))
        if self.cosine:
            self.logit_scale = self.add_weight(
                name="logit_scale",
                shape=(self.heads,),
                initializer=keras.initializers.Constant(math.log(10)),
            )
        if self.relative_bias == "table":
            self.bias_table = self.add_weight(
                name="bias_table",
                shape=((2 * self.window - 1) ** 2, self.heads),
                initializer=keras.initializers.RandomNormal(stddev=0.02),
            )
        elif self.relative_bias == "continuous":
            self.distance = layers.Dense(512, activation="relu", name="distance")
            self.distance.build((None, 2))
            self.head = layers.Dense(
                self.heads, activation="sigmoid", use_bias=False, name="head"
            )
            self.head.build((None, 512))

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        height, width, channels = x.shape[1:]
        # Along an axis with a single window nothing is shifted.
        shifts = [self.shift if n > self.window else 0 for n in (height, width)]
        x = self.split(ops.roll(x, [-n for n in shifts], axis=(1, 2)))
        size = channels // self.heads
        q, k, v = (
            ops.reshape(part(x), (-1, *x.shape[1:-1], self.heads, size))
            for part in (self.query, self.key, self.value)
        )
        if self.cosine:
            factor = ops.exp(ops.minimum(self.logit_scale, math.log(100)))
            q, k = self.unit(q) * factor[:, None], self.unit(k)
        else:
            q = q / math.sqrt(size)
        scores = ops.einsum("bwqhs,bwkhs->bwhqk", q, k)
        if self.relative_bias != "none":
            scores = scores + self.bias(x.dtype)
        if any(shifts):
            scores = ops.where(self.together(height, width, shifts), scores, -math.inf)
        out = ops.einsum("bwhqk,bwkhs->bwqhs", ops.softmax(scores), v)
        out = self.output_dense(ops.reshape(out, (-1, *x.shape[1:])))
        out = self.merge(out, height, width)
        return ops.roll(out, shifts, axis=(1, 2))

    def unit(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Vectors of length 1; `ops.normalize` has no gradient where all is zero."""
        squares = ops.sum(ops.square(x), axis=-1, keepdims=True)
        return x * ops.rsqrt(ops.maximum(squares, 1e-24))

    def split(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """The windows: (batch, windows, window**2, channels)."""
        n, (height, width, channels) = self.window, x.shape[1:]
        rows, columns = height // n, width // n
        if self.grid:
            x = ops.reshape(x, (-1, n, rows, n, columns, channels))
            x = ops.transpose(x, (0, 2, 4, 1, 3, 5))
        else:
            x = ops.reshape(x, (-1, rows, n, columns, n, channels))
            x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        return ops.reshape(x, (-1, rows * columns, n * n, channels))

    def merge(self, x: keras.KerasTensor, height: int, width: int) -> keras.KerasTensor:
        n, channels = self.window, x.shape[-1]
        x = ops.reshape(x, (-1, height // n, width // n, n, n, channels))
        order = (0, 3, 1, 4, 2, 5) if self.grid else (0, 1, 3, 2, 4, 5)
        return ops.reshape(ops.transpose(x, order), (-1, height, width, channels))

    def bias(self, dtype: str) -> keras.KerasTensor:
        """What each head adds for each query and key: (heads, window**2, window**2)."""
        n = self.window
        if self.relative_bias == "table":
            table = self.bias_table
        else:
            apart = ops.arange(1 - n, n, dtype=dtype) / (n - 1)
            apart = ops.sign(apart) * ops.log2(8 * ops.abs(apart) + 1) / 3
            rows, columns = ops.meshgrid(apart, apart, indexing="ij")
            pairs = ops.reshape(ops.stack([rows, columns], axis=-1), (-1, 2))
            table = 16 * self.head(self.distance(pairs))
        places = ops.arange(n)
        apart = places[:, None] - places + n - 1
        rows = apart[:, None, :, None] * (2 * n - 1)
        index = ops.reshape(rows + apart[:, None, :], (n * n, n * n))
        return ops.transpose(ops.take(table, index, axis=0), (2, 0, 1))

    def together(self, height: int, width: int, shifts: list[int]) -> keras.KerasTensor:
        """Whether two positions lie together by more than rolling."""
        rows, columns = (
            ops.cast(ops.arange(n) >= n - shift, "int32")
            for n, shift in zip((height, width), shifts, strict=True)
        )
        part = self.split((2 * rows[:, None] + columns)[None, :, :, None])[0]
        return ops.equal(part, ops.swapaxes(part, -1, -2))[:, None]

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "heads": self.heads,
            "window": self.window,
            "shift": self.shift,
            "grid": self.grid,
            "relative_bias": self.relative_bias,
            "cosine": self.cosine,
        }
