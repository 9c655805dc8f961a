"""Literals that PyTorch's constructors take."""

from __future__ import annotations

from collections.abc import Sequence

from archc.backends.base import INCOMING
from archc.backends.module import sequence_comment
from archc.codegen.tree import Lit
from archc.ops.axes import Axes

PARAMETERS = {"weight": "weight", "bias": "bias"}
"""The parameters of layers that have a kernel, or a factor and an offset for each channel."""


def incoming(x: Axes) -> Lit:
    """The channels or features that come in."""
    return Lit(x.width, INCOMING)


def tidy(value: float) -> float:
    """`value` to 12 significant digits: 1 - 0.9 becomes 0.1."""
    return float(f"{value:.12g}")


def shape_comment(axes: Axes | None) -> str | None:
    """`64 x 224 x 224`, or of a sequence `batch, length, 768`."""
    return None if axes is None else sequence_comment(axes) or " x ".join(map(str, axes.sizes))


def map_shape(channels: str, spatial: Sequence[str]) -> tuple[str, ...]:
    """`channels, H, W`."""
    return (channels, *spatial)
