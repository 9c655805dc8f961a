import torch
from torch import Tensor, nn


class ChannelScale(nn.Module):
    """A learned coefficient for each channel, and with `bias` a learned offset.

    `spatial_axes` counts the axes that follow the channels: none in (batch, features).
    """

    def __init__(
        self,
        channels: int,
        *,
        spatial_axes: int = 0,
        bias: bool = False,
        initial: float = 1.0,
    ) -> None:
        super().__init__()
        self.shape = (channels, *[1] * spatial_axes)
        self.weight = nn.Parameter(torch.full((channels,), initial))
        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        x = x * self.weight.view(self.shape)
        return x if self.bias is None else x + self.bias.view(self.shape)
