import torch
from torch import Tensor, nn


class RadialBasis(nn.Module):
    """The squared distance of the input to each of some fixed codes.

    `codes` holds the codes one after the other, each of `in_features` values: rows of
    numbers, or of pixels where `#` is +1 and `.` is -1.
    """

    codes: Tensor

    def __init__(
        self, in_features: int, codes: tuple[str, ...] | tuple[tuple[float, ...], ...]
    ) -> None:
        super().__init__()
        pixels = {"#": 1.0, ".": -1.0}
        values = [pixels[v] if isinstance(v, str) else v for row in codes for v in row]
        table = torch.tensor(values).view(-1, in_features)
        self.register_buffer("codes", table, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return (x.unsqueeze(1) - self.codes).square().sum(2)
