from torch import Tensor, nn
from torch.nn import functional


class DropoutSelfAttention(nn.Module):
    """Multi-head attention of a sequence to itself: (batch, length, features).

    In training a share `dropout` of its weights is dropped (Vaswani et al. 2017,
    section 3.2).
    """

    def __init__(
        self,
        features: int,
        heads: int,
        *,
        dropout: float,
        bias: bool = True,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.causal = causal
        self.dropout = dropout
        self.query = nn.Linear(features, features, bias=bias)
        self.key = nn.Linear(features, features, bias=bias)
        self.value = nn.Linear(features, features, bias=bias)
        self.output = nn.Linear(features, features, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.query(x), self.key(x), self.value(x)
        # batch, heads, length, head_size
        q, k, v = (y.unflatten(2, (self.heads, -1)).transpose(1, 2) for y in (q, k, v))
        dropout = self.dropout if self.training else 0.0
        out = functional.scaled_dot_product_attention(
            q, k, v, dropout_p=dropout, is_causal=self.causal
        )
        return self.output(out.transpose(1, 2).flatten(2))
