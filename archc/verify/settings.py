"""Settings of a verification, and its tolerances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

TOLERANCES = {"float64": (1e-9, 1e-9), "float32": (1e-5, 1e-4)}
"""By dtype, the absolute and the relative tolerance: |a - b| <= absolute + relative * |b|."""


class Settings(NamedTuple):
    """`backends` are compared with the first of them; none stands for all that can run. `batch` is
    the batch size, at least two, since one sample has no variance; `runtime` is used by backends
    that have several, by default the first that computes the network exactly."""

    backends: tuple[str, ...] = ()
    dtype: str = "float64"
    runtime: str | None = None
    seed: int = 0
    batch: int = 2

    @property
    def tolerance(self) -> tuple[float, float]:
        """The absolute and the relative tolerance."""
        return TOLERANCES[self.dtype]


class FixedTensors(NamedTuple):
    """Arrays in place of random ones, in canonical layout: `weights` by their keys, `inputs` by the
    inputs' paths, with the batch as their first axis."""

    weights: Mapping[str, Any] = {}
    inputs: Mapping[str, Any] = {}
