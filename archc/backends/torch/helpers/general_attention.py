import torch
from torch import Tensor, nn
from torch.nn import functional


class GeneralAttention(nn.Module):
    """Multi-head attention by position: (batch, length, features) -> the same.

    Each token sees the tokens less than `window` positions away. Queries and keys are
    normalised (`qk_norm`), then the first `rotary_share` of their features turned by
    the position: pair i of n by position / rotary ** (i / n) (Su et al. 2021). Fewer
    `key_heads` serve several heads each (Ainslie et al. 2023).
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
        window: int | None = None,
        dropout: float = 0.0,
        rotary: float | None = None,
        rotary_share: float = 1.0,
        qk_norm: bool = False,
    ) -> None:
        super().__init__()
        head_size = head_size or features // heads
        keys = head_size * (key_heads or heads)
        memory_features = memory_features or features
        key_bias = bias if key_bias is None else key_bias
        output_bias = bias if output_bias is None else output_bias
        self.head_size = head_size
        self.causal = causal
        self.window = window
        self.dropout = dropout
        self.rotary = rotary
        self.turned = int(head_size * rotary_share)
        self.query = nn.Linear(features, heads * head_size, bias=bias)
        self.key = nn.Linear(memory_features, keys, bias=key_bias)
        self.value = nn.Linear(memory_features, keys, bias=bias)
        self.output = nn.Linear(heads * head_size, features, bias=output_bias)
        self.query_norm = nn.RMSNorm(head_size, eps=1e-6) if qk_norm else nn.Identity()
        self.key_norm = nn.RMSNorm(head_size, eps=1e-6) if qk_norm else nn.Identity()

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        memory = x if memory is None else memory
        out = functional.scaled_dot_product_attention(
            self.turn(self.query_norm(self.split(self.query(x)))),
            self.turn(self.key_norm(self.split(self.key(memory)))),
            self.split(self.value(memory)),
            attn_mask=self.mask(x),
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=self.causal and self.window is None,
            enable_gqa=True,
        )
        return self.output(out.transpose(1, 2).flatten(2))

    def split(self, x: Tensor) -> Tensor:
        x = x.unflatten(2, (-1, self.head_size))
        return x.transpose(1, 2)  # batch, heads, length, head_size

    def turn(self, x: Tensor) -> Tensor:
        """Turns features of the first half, each with the one of the second half."""
        if self.rotary is None:
            return x
        dtype = torch.promote_types(x.dtype, torch.float32)
        even = torch.arange(0, self.turned, 2, dtype=dtype, device=x.device)
        positions = torch.arange(x.shape[2], dtype=dtype, device=x.device)
        angles = positions[:, None] / self.rotary ** (even / self.turned)
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        turned, kept = x.tensor_split([self.turned], dim=-1)
        a, b = turned.chunk(2, dim=-1)  # batch, heads, length, turned / 2
        return torch.cat([a * cos - b * sin, b * cos + a * sin, kept], dim=-1)

    def mask(self, x: Tensor) -> Tensor | None:
        """Which keys (columns) each query sees; None where no window limits that."""
        if self.window is None:
            return None
        seen = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device)
        return seen.tril(0 if self.causal else self.window - 1).triu(1 - self.window)
