import torch
from torch import Tensor, nn


class FeaturePReLU(nn.Module):
    """PReLU with one learned slope for each feature: (batch, tokens, features)."""

    def __init__(self, features: int, init: float = 0.25) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((features,), init))

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, self.weight * x)
