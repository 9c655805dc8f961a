"""Seeded random values: each array depends on the seed of the run and its own key alone, so that
two processes have the same values without exchanging them."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, NamedTuple


class Distribution(NamedTuple):
    """A distribution: normal with mean zero, or uniform between `low` and `high`."""

    deviation: float = 0.0
    low: float = 0.0
    high: float = 0.0


def random_array(seed: int, key: str, shape: tuple[int, ...], distribution: Distribution) -> Any:
    """An array of float64 from a distribution, by the seed and the key."""
    import numpy

    digest = int.from_bytes(sha256(key.encode("utf-8")).digest()[:8], "little")
    generator = numpy.random.default_rng([seed, digest])
    if distribution.deviation:
        values = generator.standard_normal(shape)
        values *= distribution.deviation
        return values
    return generator.uniform(distribution.low, distribution.high, shape)
