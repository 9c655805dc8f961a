import torch
from torch import Tensor, nn


class ScaledTanh(nn.Module):
    """1.7159 * tanh(2x / 3) (LeCun et al. 1998, appendix A)."""

    def forward(self, x: Tensor) -> Tensor:
        return 1.7159 * torch.tanh(2 * x / 3)
