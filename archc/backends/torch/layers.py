"""Literals that PyTorch's constructors take."""

from __future__ import annotations

from archc.backends.lowering import INCOMING
from archc.emit import Lit
from archc.ops.axes import Axes


def incoming(x: Axes) -> Lit:
    """The channels or features that come in."""
    return Lit(x.width, INCOMING)


def tidy(value: float) -> float:
    """`value` to 12 significant digits: 1 - 0.9 becomes 0.1."""
    return float(f"{value:.12g}")
