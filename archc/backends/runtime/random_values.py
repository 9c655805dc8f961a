"""Seeded values: each array drawn from the run's seed and its own key, so that two processes have
the same values and exchange none."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, NamedTuple


class Draw(NamedTuple):
    """A distribution: normal with mean zero, or uniform between `low` and `high`."""

    deviation: float = 0.0
    low: float = 0.0
    high: float = 0.0


def drawn(seed: int, key: str, shape: tuple[int, ...], draw: Draw) -> Any:
    """An array of float64."""
    import numpy

    digest = int.from_bytes(sha256(key.encode("utf-8")).digest()[:8], "little")
    generator = numpy.random.default_rng([seed, digest])
    if draw.deviation:
        values = generator.standard_normal(shape)
        values *= draw.deviation
        return values
    return generator.uniform(draw.low, draw.high, shape)
