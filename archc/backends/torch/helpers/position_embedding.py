import torch
from torch import Tensor, nn


class PositionEmbedding(nn.Module):
    """Adds a learned vector to the token of each position: (batch, length, features).

    There are vectors for `tokens` positions; a sequence may have fewer.
    """

    def __init__(self, tokens: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(tokens, features))
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight[: x.shape[1]]
