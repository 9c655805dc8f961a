"""What a verification runs with, and how close two results must be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

TOLERANCES = {"float64": (1e-9, 1e-9), "float32": (1e-5, 1e-4)}
"""How far two results may lie apart: the first plus the second times the reference's size."""


class Settings(NamedTuple):
    """`backends` are compared with the first of them, all that can run where there are none;
    `batch` counts samples, two at least, since one has no variance; `runtime` is what a backend
    computes with that has a choice of it, by default the first that computes the network exactly.
    """

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
    """Arrays in place of drawn ones, in canonical layout: `weights` by their keys, `inputs` by the
    inputs' paths, with the batch as their first axis."""

    weights: Mapping[str, Any] = {}
    inputs: Mapping[str, Any] = {}
