import keras
from keras import layers, ops


@keras.saving.register_keras_serializable()
class GeneralAttention(layers.Layer):
    """Multi-head attention by position: (batch, length, features) -> the same.

    Each token sees the tokens less than `window` positions away. Queries and keys are
    normalised (`qk_norm`), then the first `rotary_share` of their features turned by
    the position: pair i of n by position / rotary ** (i / n) (Su et al. 2021). Fewer
    `key_heads` serve several heads each (Ainslie et al. 2023).
    """

    def __init__(
        self,
        heads: int,
        head_size: int,
        *,
        key_heads: int | None = None,
        use_bias: bool = True,
        key_bias: bool | None = None,
        output_bias: bool | None = None,
        causal: bool = False,
        window: int | None = None,
        dropout: float = 0.0,
        rotary: float | None = None,
        rotary_share: float = 1.0,
        qk_norm: bool = False,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.heads = heads
        self.head_size = head_size
        self.key_heads = key_heads or heads
        self.use_bias = use_bias
        self.key_bias = use_bias if key_bias is None else key_bias
        self.output_bias = use_bias if output_bias is None else output_bias
        self.causal = causal
        self.window = window
        self.dropout = layers.Dropout(dropout)
        self.rotary = rotary
        self.rotary_share = rotary_share
        self.qk_norm = qk_norm

    def build(
        self,
        x_shape: tuple[int | None, ...],
        memory_shape: tuple[int | None, ...] | None = None,
    ) -> None:
        def projection(heads: int, bias: bool, name: str) -> layers.EinsumDense:
            shape = (None, heads, self.head_size)
            axes = "hs" if bias else None
            return layers.EinsumDense("btf,fhs->bths", shape, bias_axes=axes, name=name)

        memory_shape = memory_shape or x_shape
        self.query_dense = projection(self.heads, self.use_bias, "query")
        self.query_dense.build(x_shape)
        self.key_dense = projection(self.key_heads, self.key_bias, "key")
        self.key_dense.build(memory_shape)
        self.value_dense = projection(self.key_heads, self.use_bias, "value")
        self.value_dense.build(memory_shape)
        self.output_dense = layers.EinsumDense(
            "bths,hsf->btf",
            (None, x_shape[-1]),
            bias_axes="f" if self.output_bias else None,
            name="attention_output",
        )
        self.output_dense.build((None, None, self.heads, self.head_size))
        if self.qk_norm:
            self.query_norm = layers.RMSNormalization(epsilon=1e-6, name="query_norm")
            self.query_norm.build((self.head_size,))
            self.key_norm = layers.RMSNormalization(epsilon=1e-6, name="key_norm")
            self.key_norm.build((self.head_size,))

    def call(
        self,
        x: keras.KerasTensor,
        memory: keras.KerasTensor | None = None,
        training: bool | None = None,
    ) -> keras.KerasTensor:
        memory = x if memory is None else memory
        q = self.query_dense(x)  # batch, length, heads, head_size
        k = self.key_dense(memory)
        v = self.value_dense(memory)
        if self.qk_norm:
            q, k = self.query_norm(q), self.key_norm(k)
        if self.rotary is not None:
            q, k = self.turn(q), self.turn(k)
        repeats = self.heads // self.key_heads
        k, v = ops.repeat(k, repeats, axis=2), ops.repeat(v, repeats, axis=2)
        scores = ops.einsum("bqhs,bkhs->bhqk", q, k) / self.head_size**0.5
        if self.causal or self.window is not None:
            scores = ops.where(self.mask(x.shape[1]), scores, float("-inf"))
        weights = self.dropout(ops.softmax(scores), training=training)
        return self.output_dense(ops.einsum("bhqk,bkhs->bqhs", weights, v))

    def turn(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Turns features of the first half, each with the one of the second half."""
        dtype = keras.backend.result_type(x.dtype, "float32")
        turned = int(self.head_size * self.rotary_share)
        exponents = ops.arange(0, turned, 2, dtype=dtype) / turned
        positions = ops.arange(x.shape[1], dtype=dtype)
        angles = positions[:, None, None] / ops.power(self.rotary, exponents)
        cos, sin = (
            ops.cast(ops.cos(angles), x.dtype),
            ops.cast(ops.sin(angles), x.dtype),
        )
        a, b = x[..., : turned // 2], x[..., turned // 2 : turned]
        parts = [a * cos - b * sin, b * cos + a * sin, x[..., turned:]]
        return ops.concatenate(parts, axis=-1)

    def mask(self, length: int) -> keras.KerasTensor:
        """Which keys (columns) each query sees."""
        positions = ops.arange(length)
        distances = positions[:, None] - positions
        window = length if self.window is None else self.window
        seen = ops.abs(distances) < window
        return ops.logical_and(seen, distances >= 0) if self.causal else seen

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "heads": self.heads,
            "head_size": self.head_size,
            "key_heads": self.key_heads,
            "use_bias": self.use_bias,
            "key_bias": self.key_bias,
            "output_bias": self.output_bias,
            "causal": self.causal,
            "window": self.window,
            "dropout": self.dropout.rate,
            "rotary": self.rotary,
            "rotary_share": self.rotary_share,
            "qk_norm": self.qk_norm,
        }
