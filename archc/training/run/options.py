"""Requests to train and to predict."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

DEVICES = ("auto", "cpu", "cuda")
IN_MEMORY = 1 << 30
"""Bytes of decoded images up to which a folder is held in memory."""


class FitOptions(NamedTuple):
    """A request to train. `epochs`, `seed` and `precision` are None where the recipe's hold.

    Folders whose decoded images fill more than `in_memory` bytes are streamed: decoded anew in each
    epoch by so many `workers`, one for each core if None.
    """

    data: Path
    out: Path
    validation: Path | None = None
    resume: bool = False
    epochs: int | None = None
    seed: int | None = None
    device: str = "auto"
    precision: str | None = None
    quiet: bool = False
    in_memory: int = IN_MEMORY
    workers: int | None = None


class FitSettings(NamedTuple):
    """A request to train with nothing left open. `epochs` is None for a recipe in steps."""

    data: Path
    out: Path
    validation: Path | None
    resume: bool
    epochs: int | None
    seed: int
    device: str
    precision: str
    quiet: bool
    in_memory: int
    workers: int | None


class PredictOptions(NamedTuple):
    """A request to label images with the weights of a run: `best`, `last`, or those of a file."""

    run: Path
    data: Path
    out: Path
    weights: str = "best"
    device: str = "auto"
    quiet: bool = False
    in_memory: int = IN_MEMORY
    workers: int | None = None


Options = FitOptions | PredictOptions
