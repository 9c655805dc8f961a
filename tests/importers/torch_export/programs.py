"""Programs of `torch.export`, saved as PyTorch saves them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Mixed(nn.Module):
    """One operation of each kind that a convolutional network has."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(8, eps=1e-3, momentum=0.03),
            nn.ReLU(inplace=True),
        )
        self.depthwise = nn.Conv2d(8, 16, (3, 1), padding=(1, 0), groups=8)
        self.squeeze = nn.Conv2d(16, 16, 1)
        self.norm = nn.LayerNorm(16, eps=1e-6)
        self.wide = nn.Linear(16, 24)
        self.narrow = nn.Linear(24, 16)
        self.scale = nn.Parameter(torch.ones(16, 1, 1))
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.group = nn.GroupNorm(4, 24)
        self.slopes = nn.PReLU(24)
        self.head = nn.Linear(24, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(functional.pad(x, (0, 1, 1, 0)))
        x = functional.hardswish(self.depthwise(x))
        gate = functional.adaptive_avg_pool2d(x, 1)
        x = x * torch.sigmoid(self.squeeze(gate))
        y = self.norm(x.permute(0, 2, 3, 1))
        y = self.narrow(functional.gelu(self.wide(y), approximate="tanh"))
        x = x + self.scale * y.permute(0, 3, 1, 2)
        n, c, h, w = x.shape
        x = x.view(n, 4, c // 4, h, w).transpose(1, 2).contiguous().view(n, c, h, w)
        left, right = x.chunk(2, dim=1)
        left = functional.max_pool2d(left, 3, stride=2, padding=1, ceil_mode=True)
        right = functional.avg_pool2d(right, 3, stride=2, padding=1, count_include_pad=False)
        x = torch.cat([functional.silu(left), functional.leaky_relu(right, 0.2)], 1)
        x = torch.cat([self.up(x), functional.interpolate(x, scale_factor=2.0)], 1)
        x = self.slopes(self.group(x)) / 4 * 3.0
        x = functional.elu_(functional.relu6(x[:, :, 1:-2]))
        return self.head(functional.dropout(x.mean([2, 3]), 0.3, self.training)).log_softmax(-1)


class Encoder(nn.Module):
    """A vision transformer of three layers: PyTorch's own attention, one with own projections, one
    of products and a softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 12, 4, stride=4)
        self.token = nn.Parameter(torch.zeros(1, 1, 12))
        self.positions = nn.Parameter(torch.zeros(1, 17, 12))
        self.norms = nn.ModuleList(nn.LayerNorm(12) for _ in range(3))
        self.attention = nn.MultiheadAttention(12, 3, batch_first=True)
        self.query, self.key, self.value, self.out = (nn.Linear(12, 12) for _ in range(4))
        self.all = nn.Linear(12, 36, bias=False)
        self.last = nn.Linear(12, 12)
        self.drop = nn.Dropout(0.25)
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        y = self.norms[0](x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        y = self.norms[1](x)
        parts = (layer(y) for layer in (self.query, self.key, self.value))
        query, key, value = (one.unflatten(-1, (3, 4)).transpose(1, 2) for one in parts)
        y = functional.scaled_dot_product_attention(query, key, value)
        x = x + self.out(y.transpose(1, 2).flatten(2))
        y = self.all(self.norms[2](x)).reshape(-1, 17, 3, 3, 4).permute(2, 0, 3, 1, 4)
        query, key, value = y.unbind(0)
        scores = torch.bmm(query.flatten(0, 1) * 0.5, key.flatten(0, 1).transpose(1, 2))
        weights = self.drop(scores.view(-1, 3, 17, 17).softmax(-1))
        x = x + self.last((weights @ value).transpose(1, 2).reshape(x.shape))
        return self.head(x[:, 0])


class Kinds(nn.Module):
    """What the other programs have not: maps of one and three spatial axes, parts of channels,
    activations and views by all their names."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Conv1d(3, 8, 5, padding="same")
        self.wider = nn.ConvTranspose1d(8, 6, 3, stride=2, output_padding=1)
        self.thin = nn.BatchNorm1d(6)
        self.root = nn.RMSNorm(6, eps=1e-6)
        self.bulk = nn.Conv3d(3, 4, 3, padding=1)
        self.grown = nn.ConvTranspose3d(4, 4, 2, stride=2)
        self.dense = nn.Linear(6, 8)
        self.matrix = nn.Parameter(torch.ones(8, 8))
        self.rows = nn.Parameter(torch.ones(8, 8))
        self.last = nn.Parameter(torch.ones(8, 8))
        self.bias = nn.Parameter(torch.zeros(8))

    def forward(self, x: Tensor) -> Tensor:
        n = x.shape[0]
        flat, cube = self.lines(x.flatten(2)), self.cubes(x.view(n, 3, 4, 4, 16))
        x = torch.cat([flat, cube, self.planes(x)], 1)
        x = torch.softmax(functional.softplus(x) * functional.selu(x), 1)
        x = torch.mm(torch.addmm(self.bias, self.dense(x), self.matrix), self.rows.t())
        return torch.maximum(x @ self.last, torch.ops.aten.alias(x).tanh())

    def lines(self, x: Tensor) -> Tensor:
        x = functional.pad(self.line(x), (1, 1), mode="reflect")
        x = functional.max_pool1d(functional.avg_pool1d(x, 3), 2)
        x = functional.interpolate(functional.relu(x), scale_factor=2.0)
        x = self.thin(self.wider(functional.interpolate(x, scale_factor=2.0, mode="linear")))
        x = self.root(x.swapaxes(1, 2).detach()).transpose(1, 2)
        low, high = functional.hardsigmoid(x).split([2, 4], 1)
        x = torch.cat([high, low], 1)
        a = functional.adaptive_avg_pool1d(x, 1).squeeze(-1)[:, :1]
        return torch.cat([a, functional.adaptive_max_pool1d(x, 1).squeeze()[:, 1:2]], 1)

    def cubes(self, x: Tensor) -> Tensor:
        x = functional.pad(self.bulk(x), (1, 1, 1, 1, 1, 1), mode="reflect")
        x = functional.max_pool3d(functional.avg_pool3d(x, 2), (1, 1, 2))
        x = self.grown(functional.interpolate(x, scale_factor=2.0)).clamp_(min=0)
        a = functional.adaptive_avg_pool3d(x, 1).flatten(1).unflatten(1, (2, 2)).select(1, 0)
        return torch.cat([a, functional.adaptive_max_pool3d(x, 1).flatten(1)], 1).split(2, 1)[1]

    def planes(self, x: Tensor) -> Tensor:
        x = functional.pad(x, (2, 2, 2, 2), mode="reflect").to(torch.float32).clone()
        x = functional.interpolate(x, scale_factor=2.0, mode="bilinear")
        x = functional.hardtanh_(x, 0.0, 6.0).unsqueeze(2).squeeze(2)
        x = functional.elu(torch.clamp(x.mul_(0.5), min=0)).div_(2.0)
        return functional.adaptive_max_pool2d(x, 1).permute(0, 2, 1, 3).flatten(1)[:, :2]


class Further(nn.Module):
    """Operations that are several ops, or another one of archc by their arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bias = nn.Parameter(torch.zeros(16, 1, 1))
        self.instance = nn.InstanceNorm2d(16, eps=1e-3, affine=True)
        self.plain = nn.InstanceNorm1d(16)
        self.response = nn.LocalResponseNorm(4, alpha=0.2, beta=0.5, k=2.0)
        self.whole = nn.LayerNorm([8, 4, 4], elementwise_affine=False)
        self.root = nn.RMSNorm(8, elementwise_affine=False)
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.attention = nn.MultiheadAttention(8, 2)
        self.factors = nn.Parameter(torch.ones(8))
        self.offsets = nn.Parameter(torch.zeros(8))
        self.matrix = nn.Parameter(torch.ones(8, 8))
        self.row = nn.Parameter(torch.zeros(8))

    def forward(self, x: Tensor) -> Tensor:
        x = self.response(functional.mish(self.instance(self.stem(x) + self.bias)))
        n, c, h, w = x.shape
        x = x.view(n, c, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4)
        x = functional.channel_shuffle(x.reshape(n, 4 * c, h // 2, w // 2), 4)
        x = x.view(n, c, 2, 2, h // 2, w // 2).permute(0, 1, 4, 2, 5, 3).reshape(n, c, h, w)
        x = functional.pixel_shuffle(functional.pixel_unshuffle(x, 2), 2)
        x = functional.pad(x, (-1, -1, -2, 0))
        first, second = torch.tensor_split(functional.pad(x, (1, 1, 2, 0)), 2, dim=1)
        x = functional.celu(functional.softsign(first)) - functional.threshold(second, 0, 0)
        x = self.whole(functional.adaptive_max_pool2d(x, 4))
        cube = functional.interpolate(x.unsqueeze(2), scale_factor=2.0, mode="trilinear")
        lines = self.lines(torch.cat([x, x], 1).flatten(2))
        return torch.cat([self.tokens(x), cube.amax([2, 3, 4]), lines], 1)

    def lines(self, x: Tensor) -> Tensor:
        x = functional.glu(self.plain(x), 1).square() + 0
        mean = x.mean(2)
        return -x.max(-1)[0] * torch.max(mean, x.pow(2).amax(-1)).expand_as(mean)

    def tokens(self, x: Tensor) -> Tensor:
        x = self.root(x.flatten(2).mT)
        x = torch.cat([self.token.repeat(x.shape[0], 1, 1), x], 1)
        query, key, value = x.movedim(1, 0), x.movedim(0, 1), x.swapdims(0, 1)
        x = self.attention(query, key, value, need_weights=False)[0].swapdims(0, 1)
        x = (x @ self.matrix + self.row) * self.factors + self.offsets
        return functional.glu(x[:, 0].narrow(1, 2, 4))


class Gates(nn.Module):
    """Activations that are written out, and operations of which core ATen has others."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.pool = nn.MaxPool2d(2)
        self.tokens = nn.LayerNorm(8, bias=False)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(functional.relu6(self.norm(self.conv(x))))
        x = x * torch.sigmoid(x)
        x = x * (functional.relu6(x + 3) / 6)
        x = functional.relu6(x + 3).mul(x) / 6
        x = functional.adaptive_avg_pool2d(functional.pad(x, (0, 0, 1, 1), value=2.0), 2)
        return self.head(self.tokens(x.mean((2, 3)))).log_softmax(1).softmax(1)


class DoubleConv(nn.Sequential):
    """Two convolutions, each normalised and rectified."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        for width in (in_channels, channels):
            self.extend([nn.Conv2d(width, channels, 3, padding=1, bias=False)])
            self.extend([nn.BatchNorm2d(channels), nn.ReLU()])


class Down(nn.Sequential):
    """Half of the rows and columns, twice the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__(nn.MaxPool2d(2), DoubleConv(channels, 2 * channels))


class UNet(nn.Module):
    """A U of three levels (Ronneberger et al. 2015)."""

    def __init__(self) -> None:
        super().__init__()
        self.begin = DoubleConv(3, 4)
        self.downs = nn.ModuleList([Down(4), Down(8)])
        self.ups = nn.ModuleList(nn.ConvTranspose2d(2 * n, n, 2, stride=2) for n in (8, 4))
        self.convs = nn.ModuleList(DoubleConv(2 * n, n) for n in (8, 4))

    def forward(self, x: Tensor) -> Tensor:
        maps = [self.begin(x)]
        for down in self.downs:
            maps.append(down(maps[-1]))
        x = maps.pop()
        for up, conv in zip(self.ups, self.convs, strict=True):
            x = conv(torch.cat([maps.pop(), up(x)], 1))
        return x


class InPlace(nn.Module):
    """Values that are changed under their other names."""

    def forward(self, x: Tensor) -> Tensor:
        same = x.view(x.shape)
        x.relu_()
        return torch.cat([same, x * 2], 1)


class Words(nn.Module):
    """A vector for each token, normalised, and their mean."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(11, 6)
        self.norm = nn.LayerNorm(6, elementwise_affine=False)

    def forward(self, ids: Tensor) -> Tensor:
        return self.norm(self.table(ids)).mean(1).softmax(-1)


class States(nn.Module):
    """Recurrences of several layers and of both directions, batch first or second, of which the
    states after all tokens are taken, or after the last one, by its name or by its index."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(11, 6)
        self.positions = nn.Embedding(9, 6)
        self.all = nn.LSTM(6, 5, 2, dropout=0.2, bidirectional=True, batch_first=True)
        self.second = nn.GRU(10, 4, bias=False)
        self.both = nn.GRU(4, 3, bidirectional=True, batch_first=True)
        self.deep = nn.LSTM(4, 3, 2)
        self.last = nn.LSTM(4, 3)
        self.head = nn.Linear(16, 2)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.table(ids) + self.positions(torch.arange(ids.shape[1]).unsqueeze(0))
        x = self.second(self.all(x)[0].transpose(0, 1))[0]
        both = self.both(x.transpose(0, 1))[1]
        deep = self.deep(x)[1][0]
        ends = [torch.cat([both[0], both[1]], 1), deep[-1], self.last(x)[0][-1], x[-1]]
        return self.head(torch.cat(ends, 1))


IMAGES = torch.zeros(2, 3, 16, 16)


def saved(
    folder: Path,
    model: nn.Module,
    x: Tensor = IMAGES,
    *,
    free: bool = False,
    train: bool = False,
    core: bool = False,
) -> Path:
    """A program of a model, for batches of any size where `free`, of core ATen's operations where
    `core`."""
    shapes = ({0: torch.export.Dim("batch")},) if free else None
    program = torch.export.export(model.train(train), (x,), dynamic_shapes=shapes)
    if core:
        program = program.run_decompositions()
    path = folder / "model.pt2"
    torch.export.save(program, path)
    return path


def edited(path: Path, edit: Callable[[dict[str, Any]], Any], suffix: str = "model.json") -> Path:
    """The archive with one of its members of JSON changed: in place, or for what `edit` returns,
    text being written as it is."""
    target = path.with_name(f"edited_{path.name}")
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(target, "w") as result:
        for name in archive.namelist():
            data: Any = archive.read(name)
            if name.endswith(suffix):
                value = json.loads(data)
                changed = edit(value)
                data = changed if isinstance(changed, str | bytes) else json.dumps(changed or value)
            result.writestr(name, data)
    return target
