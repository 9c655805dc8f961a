import torch
from torch import Tensor, nn
from torch.nn import functional


class WindowAttention(nn.Module):
    """Multi-head attention within windows: (batch, channels, height, width).

    Each head adds a learned bias by how far query and key lie apart. With `shift` the
    windows begin so many positions later (Liu et al. 2021, Swin Transformer), with
    `grid` each takes positions spread over the whole map (Tu et al. 2022, MaxViT).
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        window: int,
        *,
        shift: int = 0,
        grid: bool = False,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.shift = shift
        self.grid = grid
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.output = nn.Linear(channels, channels)
        self.bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        nn.init.normal_(self.bias_table, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        # Along an axis with a single window nothing is shifted.
        shifts = [self.shift if n > self.window else 0 for n in x.shape[2:]]
        x = x.movedim(1, -1).roll([-n for n in shifts], (1, 2))
        mask = self.bias() + self.barrier(x, shifts)
        x = self.split(x)  # batch, rows, columns, window**2, channels
        q, k, v = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(-3, -2)
            for part in (self.query, self.key, self.value)
        )
        out = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
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

    def bias(self) -> Tensor:
        """What each head adds for each query and key: (heads, window**2, window**2)."""
        places = torch.arange(self.window, device=self.bias_table.device)
        apart = places[:, None] - places + self.window - 1
        rows = apart[:, None, :, None] * (2 * self.window - 1)
        index = (rows + apart[:, None, :]).flatten(2).flatten(0, 1)
        return self.bias_table[index].movedim(-1, 0)

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
