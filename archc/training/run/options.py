"""Requests to train, to predict and to evaluate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from archc.training.file_format import DEFAULT_FORMAT, FileFormat

DEVICES = ("auto", "cpu", "cuda")
IN_MEMORY = 1 << 30
"""Bytes of decoded images up to which a folder is held in memory."""


class Start(NamedTuple):
    """What a run starts from: weights of the file at `path`, of which the run's folder has the
    `loaded` arrays, in a file with the digest `sha256`. Without a file these are None and 0.

    `skip` and `freeze` are the parts of the network that the file's weights do not go to, and those
    that do not train, each with its number of arrays.
    """

    path: str | None = None
    sha256: str | None = None
    loaded: int = 0
    skip: Mapping[str, int] = {}
    freeze: Mapping[str, int] = {}


class FitOptions(NamedTuple):
    """A request to train. `epochs`, `seed` and `precision` are None where the recipe's hold,
    `start` where all weights are new, or a run that resumes has them. `settings` are the values of
    parameters and of the recipe that were set from outside, as `NAME=VALUE`.

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
    start: Start | None = None
    settings: tuple[str, ...] = ()
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
    in_memory: int
    workers: int | None
    file_format: FileFormat
    start: Start | None = None
    settings: tuple[str, ...] = ()


class PredictOptions(NamedTuple):
    """A request to label images with the weights of a run: `best`, `last`, or those of a file.
    `force`: whether a file that exists is overwritten."""

    run: Path
    data: Path
    out: Path
    weights: str = "best"
    device: str = "auto"
    quiet: bool = False
    in_memory: int = IN_MEMORY
    workers: int | None = None
    force: bool = False
    file_format: FileFormat = DEFAULT_FORMAT


class EvaluateOptions(NamedTuple):
    """A request to score labelled images with the weights of a run."""

    run: Path
    data: Path
    weights: str = "best"
    device: str = "auto"
    as_json: bool = False
    in_memory: int = IN_MEMORY
    workers: int | None = None
    file_format: FileFormat = DEFAULT_FORMAT


Options = FitOptions | PredictOptions | EvaluateOptions
