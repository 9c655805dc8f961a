import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class GeneralWindowAttention(nn.Module):
    """Multi-head attention within windows: (batch, channels, height, width).

    With `shift` the windows begin so many positions later (Liu et al. 2021), with
    `grid` each takes positions spread over the whole map (Tu et al. 2022). Each head
    adds a bias by how far query and key lie apart: from a table, or from a small
    network (`continuous`). With `cosine` it weighs by their cosine times a learned
    factor of at most 100 (Liu et al. 2022, Swin Transformer V2).
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        window: int,
        *,
        shift: int = 0,
        grid: bool = False,
        relative_bias: str = "table",
        cosine: bool = False,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.shift = shift
        self.grid = grid
        self.relative_bias = relative_bias
        self.cosine = cosine
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels, bias=not cosine)
        self.value = nn.Linear(channels, channels)
        self.output = nn.Linear(channels, channels)
        if cosine:
            self.logit_scale = nn.Parameter(torch.full((heads,), math.log(10)))
        if relative_bias == "table":
            self.bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
            nn.init.normal_(self.bias_table, std=0.02)
        elif relative_bias == "continuous":
            self.distance = nn.Linear(2, 512)
            self.head = nn.Linear(512, heads, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        # Along an axis with a single window nothing is shifted.
        shifts = [self.shift if n > self.window else 0 for n in x.shape[2:]]
        x = x.movedim(1, -1).roll([-n for n in shifts], (1, 2))
        mask = self.bias(x) + self.barrier(x, shifts)
        x = self.split(x)  # batch, rows, columns, window**2, channels
        q, k, v = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(-3, -2)
            for part in (self.query, self.key, self.value)
        )
        scale = None
        if self.cosine:
            factor = self.logit_scale.clamp(max=math.log(100)).exp()
            q = functional.normalize(q, dim=-1) * factor[:, None, None]
            k = functional.normalize(k, dim=-1)
            scale = 1.0
        out = functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, scale=scale
        )
        out = self.output(out.transpose(-3, -2).flatten(-2))
        out = self.merge(out.unflatten(3, (self.window, self.window)))
        return out.roll(shifts, (1, 2)).movedim(-1, 1)

    def split(self, x: Tensor) -> Tensor:
        if self.grid:
            x = x.unflatten(2, (self.window, -1)).unflatten(1, (self.window, -1))
            return x.permute(0, 2, 4, 1, 3, 5).flatten(3, 4)
        x = x.unflatten(2, (-1, self.window)).unflatten(1, (-1, self.window))
        return x.transpose(2, 3).flatten(3, 4)

    def merge(self, x: Tensor) -> Tensor:
        order = (0, 3, 1, 4, 2, 5) if self.grid else (0, 1, 3, 2, 4, 5)
        return x.permute(order).flatten(1, 2).flatten(2, 3)

    def bias(self, x: Tensor) -> Tensor:
        """What each head adds for each query and key: (heads, window**2, window**2)."""
        if self.relative_bias == "none":
            return x.new_zeros(self.heads, 1, 1)
        if self.relative_bias == "table":
            table = self.bias_table
        else:
            apart = torch.arange(1 - self.window, self.window).to(x) / (self.window - 1)
            apart = apart.sign() * (8 * apart.abs() + 1).log2() / 3
            rows = apart[:, None].expand(-1, len(apart))
            hidden = self.distance(torch.stack([rows, rows.T], dim=-1)).relu()
            table = 16 * self.head(hidden).sigmoid().flatten(0, 1)
        places = torch.arange(self.window, device=x.device)
        apart = places[:, None] - places + self.window - 1
        rows = apart[:, None, :, None] * (2 * self.window - 1)
        index = (rows + apart[:, None, :]).flatten(2).flatten(0, 1)
        return table[index].movedim(-1, 0)

    def barrier(self, x: Tensor, shifts: list[int]) -> Tensor:
        """Minus infinity between positions that only rolling has brought together."""
        rows, columns = (
            torch.arange(n, device=x.device) >= n - shift
            for n, shift in zip(x.shape[1:3], shifts, strict=True)
        )
        part = self.split((2 * rows[:, None] + columns)[None, :, :, None])
        # rows, columns, 1, window**2, window**2
        apart = (part != part.mT)[0, :, :, None]
        return torch.zeros_like(apart, dtype=x.dtype).masked_fill(apart, -torch.inf)
