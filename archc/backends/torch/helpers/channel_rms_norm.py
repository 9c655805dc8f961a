from torch import Tensor, nn


class ChannelRMSNorm(nn.RMSNorm):
    """RMS normalisation over the channels of each position of a feature map."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)
