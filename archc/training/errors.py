"""Errors of training: of the data, of the run, and an interruption."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

LONGEST_FAULT = 200
"""Characters of what is told of data, which may be anybody's."""
LONGEST_EXCERPT = 40


class DataError(Exception):
    """Data that cannot be trained with, or labelled: the file, and the row in it."""

    def __init__(self, path: Path, fault: str, row: int | None = None) -> None:
        super().__init__(path, fault, row)  # by which it is sent from one process to another

    def __str__(self) -> str:
        path, fault, row = self.args
        place = f"{path}" if row is None else f"{path}:{row}"
        return f"{place}: {shortened(fault, LONGEST_FAULT)}"


class RunError(Exception):
    """A request that this run, or this machine, cannot fulfil."""


class InterruptionError(Exception):
    """Ctrl-C or SIGTERM: the checkpoint is written."""


def describe_shape(shape: Sequence[int]) -> str:
    """A shape in words: 28 x 28 x 1."""
    return " x ".join(map(str, shape)) or "no axis"


def shortened(text: str, longest: int = LONGEST_EXCERPT) -> str:
    """A text for a message, cut off where it is long."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
