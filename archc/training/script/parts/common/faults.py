"""What can go wrong, by whose fault."""

from collections.abc import Sequence
from pathlib import Path


class DataError(Exception):
    """Data that cannot be learnt from, or labelled: the file, and the row in it."""

    def __init__(self, path: Path, fault: str, row: int | None = None) -> None:
        place = f"{path}" if row is None else f"{path}:{row}"
        super().__init__(f"{place}: {fault}")


class RunError(Exception):
    """What was asked for cannot be done with this run, or on this machine."""


class InterruptionError(Exception):
    """Ctrl-C or SIGTERM: the checkpoint is written."""


def describe_shape(shape: Sequence[int]) -> str:
    """A shape in words: 28 x 28 x 1."""
    return " x ".join(map(str, shape)) or "no axis"
