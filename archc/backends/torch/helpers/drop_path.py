from torch import Tensor, nn


class DropPath(nn.Module):
    """Stochastic depth: drops whole samples in training and scales the rest up.

    `rate` is the share of the samples dropped (Huang et al. 2016).
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        kept = x.new_empty(len(x), *[1] * (x.dim() - 1)).bernoulli_(1 - self.rate)
        return x * kept / (1 - self.rate)
