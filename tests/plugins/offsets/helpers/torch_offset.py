import torch
from torch import Tensor, nn


class Offset(nn.Module):
    """A learned value added to each channel; `shape` has one axis for each of a sample's."""

    def __init__(self, shape: tuple[int, ...], initial: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        self.offset = nn.Parameter(torch.full((shape[0],), initial))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.offset.view(self.shape)
