from torch import Tensor, nn
from torch.nn import functional


class MultiHeadAttention(nn.Module):
    """Multi-head attention: (batch, length, features) -> the same.

    Vaswani et al. 2017, section 3.2. Keys and values come from a `memory`, if there is
    one. Fewer `key_heads` serve several heads each (Ainslie et al. 2023).
    """

    def __init__(
        self,
        features: int,
        heads: int,
        *,
        key_heads: int | None = None,
        head_size: int | None = None,
        memory_features: int | None = None,
        bias: bool = True,
        key_bias: bool | None = None,
        output_bias: bool | None = None,
        causal: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        head_size = head_size or features // heads
        keys = head_size * (key_heads or heads)
        memory_features = memory_features or features
        key_bias = bias if key_bias is None else key_bias
        output_bias = bias if output_bias is None else output_bias
        self.head_size = head_size
        self.causal = causal
        self.dropout = dropout
        self.query = nn.Linear(features, heads * head_size, bias=bias)
        self.key = nn.Linear(memory_features, keys, bias=key_bias)
        self.value = nn.Linear(memory_features, keys, bias=bias)
        self.output = nn.Linear(heads * head_size, features, bias=output_bias)

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        memory = x if memory is None else memory
        out = functional.scaled_dot_product_attention(
            self.split(self.query(x)),
            self.split(self.key(memory)),
            self.split(self.value(memory)),
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=self.causal,
            enable_gqa=True,
        )
        return self.output(out.transpose(1, 2).flatten(2))

    def split(self, x: Tensor) -> Tensor:
        x = x.unflatten(2, (-1, self.head_size))
        return x.transpose(1, 2)  # batch, heads, length, head_size
