"""Requests to train and to predict."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from archc.training.file_format import DEFAULT_FORMAT, FileFormat

DEVICES = ("auto", "cpu", "cuda")


class FitOptions(NamedTuple):
    """A request to train. `epochs`, `seed` and `precision` are None where the recipe's hold."""

    data: Path
    out: Path
    validation: Path | None = None
    resume: bool = False
    epochs: int | None = None
    seed: int | None = None
    device: str = "auto"
    precision: str | None = None
    quiet: bool = False
    file_format: FileFormat = DEFAULT_FORMAT


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
    file_format: FileFormat


class PredictOptions(NamedTuple):
    """A request to label images with the weights of a run: `best`, `last`, or those of a file.
    `force`: whether a file that exists is overwritten."""

    run: Path
    data: Path
    out: Path
    weights: str = "best"
    device: str = "auto"
    quiet: bool = False
    force: bool = False
    file_format: FileFormat = DEFAULT_FORMAT


Options = FitOptions | PredictOptions
