"""Settings of a verification, and its tolerances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Tolerance(NamedTuple):
    """How far two values may be apart.

    Their distance is related to the scale of what the layer computes: the second value's own
    amount, the root mean square of its array, and `zero` times the largest such root mean square
    in the network, the scale of sums that cancel. The ratio may be `relative`; where changes in the
    last bits of weights and inputs make as much, up to `proof`, above which nothing is proven.
    """

    relative: float
    zero: float
    proof: float


TOLERANCES = {
    "float64": Tolerance(relative=1e-9, zero=1e-3, proof=1e-6),
    "float32": Tolerance(relative=1e-4, zero=1e-2, proof=1e-2),
}
"""The tolerance of each dtype."""


class Settings(NamedTuple):
    """`backends` are compared with the first of them; none stands for all that can be trained.
    `batch` is the batch size, at least two, since one sample has no variance; `runtime` is used by
    backends that have several, by default the first that computes the network exactly."""

    backends: tuple[str, ...] = ()
    dtype: str = "float64"
    runtime: str | None = None
    seed: int = 0
    batch: int = 2

    @property
    def tolerance(self) -> Tolerance:
        """The tolerance of the dtype."""
        return TOLERANCES[self.dtype]


class FixedTensors(NamedTuple):
    """Arrays in place of random ones, in canonical layout: `weights` by their keys, `inputs` by the
    inputs' paths, with the batch as their first axis."""

    weights: Mapping[str, Any] = {}
    inputs: Mapping[str, Any] = {}
