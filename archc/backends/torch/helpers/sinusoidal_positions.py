import torch
from torch import Tensor, nn


class SinusoidalPositions(nn.Module):
    """Adds sines and cosines of the position: (batch, length, features).

    Their wavelengths grow from 2 pi to 10000 * 2 pi (Vaswani et al. 2017, section 3.5).
    """

    def forward(self, x: Tensor) -> Tensor:
        _, length, features = x.shape
        dtype = torch.promote_types(x.dtype, torch.float32)
        positions = torch.arange(length, dtype=dtype, device=x.device)
        even = torch.arange(0, features, 2, dtype=dtype, device=x.device)
        angles = positions[:, None] / 10000 ** (even / features)  # length, features / 2
        waves = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
        return x + waves[:, :features].to(x.dtype)
