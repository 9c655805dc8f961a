import torch
from torch import Tensor, nn


class ClassToken(nn.Module):
    """Puts a learned token before the others: (batch, length, features)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, features))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.token.expand(len(x), -1, -1), x], dim=1)
