"""Whether a layer drops at random what its op says: counted over many samples of ones."""

from __future__ import annotations

from math import sqrt
from typing import Any

from archc.ops.base import Unit

DEVIATIONS = 6.0
"""Standard deviations by which a count may differ from its expectation."""
ROUNDING = 1e-6
"""The relative error of a factor that frameworks may keep in float32."""


def dropping_error(values: Any, rate: float, unit: Unit) -> str | None:
    """How a layer drops wrongly; None if it does not. `values` are what it leaves of ones, samples
    along the first axis. A share `rate` of the units must be zero, each by itself, and all others
    1 / (1 - rate)."""
    import numpy

    kept = values != 0
    if unit == "sample":
        samples = kept.reshape(len(kept), -1)
        if (samples != samples[:, :1]).any():
            return "drops parts of a sample, expected whole samples"
        kept = samples[:, 0]
    share = float(1 - kept.mean())
    if abs(share - rate) > _allowed(rate, kept.size):
        return f"drops {share:.1%} of all {unit}s, expected {rate:.1%}"
    factor = 1 / (1 - rate)
    rest = values[values != 0]
    wrong = rest[numpy.abs(rest - factor) > ROUNDING * factor]
    if wrong.size:
        return f"scales what it keeps by {wrong[0]:.7g}, expected {factor:.7g}"
    for axis in range(kept.ndim):
        pairs = kept.shape[axis] // 2
        if pairs == 0:
            continue
        first = kept.take(range(0, 2 * pairs, 2), axis)
        second = kept.take(range(1, 2 * pairs, 2), axis)
        both = float((~first & ~second).mean())
        if abs(both - rate**2) > _allowed(rate**2, first.size):
            return f"drops neighbours together along axis {axis}, expected each {unit} by itself"
    return None


def _allowed(share: float, count: int) -> float:
    """How much the share of so many trials may differ from its expectation. The second term is for
    shares of a few trials, which are not normal."""
    return DEVIATIONS * sqrt(share * (1 - share) / count) + 2 * DEVIATIONS / count
