from torch import Tensor, nn
from torch.nn import functional


class CrossAttention(nn.Module):
    """Multi-head attention of a sequence to a memory: (batch, length, features).

    Vaswani et al. 2017, section 3.2.
    """

    def __init__(
        self, features: int, heads: int, *, bias: bool = True, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(features, features, bias=bias)
        self.key = nn.Linear(features, features, bias=bias)
        self.value = nn.Linear(features, features, bias=bias)
        self.output = nn.Linear(features, features, bias=bias)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        q, k, v = self.query(x), self.key(memory), self.value(memory)
        # batch, heads, length, head_size
        q, k, v = (y.unflatten(2, (self.heads, -1)).transpose(1, 2) for y in (q, k, v))
        dropout = self.dropout if self.training else 0.0
        out = functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
        return self.output(out.transpose(1, 2).flatten(2))
