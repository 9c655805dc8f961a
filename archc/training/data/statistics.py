"""The training images' statistics, kept with a run for whoever predicts with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from archc.training.errors import RunError
from archc.training.run.files import write_whole

# Numbers that the record of a run has room for; more go into a file beside it.
RECORDED_NUMBERS = 1024
STATISTICS_FILE = "statistics.safetensors"
# What NumPy and safetensors raise at others than were written.
STATISTICS_FAULTS = (
    LookupError,
    OverflowError,
    TypeError,
    ValueError,
    SafetensorError,
)


def statistics_record(mean: np.ndarray, deviation: np.ndarray) -> object:
    """Tell what a run's record has of the statistics: them, or the file's name."""
    if mean.size > RECORDED_NUMBERS:
        return STATISTICS_FILE
    return {"mean": mean.tolist(), "deviation": deviation.tolist()}


def write_statistics(run: Path, mean: np.ndarray, deviation: np.ndarray) -> None:
    """Write what is too long for a run's record."""
    if mean.size > RECORDED_NUMBERS:
        arrays = {"mean": mean, "deviation": deviation}
        text = save({name: np.ascontiguousarray(one) for name, one in arrays.items()})
        write_whole(run / STATISTICS_FILE, lambda stream: stream.write(text))


def read_statistics(
    run: Path,
    record: Mapping[str, object],
    shape: tuple[int, ...],
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation as `image_statistics` gave them, broadcast to the `shape` of an input."""
    path = run / "run.json"
    kept: Any = record.get("statistics")
    try:
        if isinstance(kept, str):
            path = run / STATISTICS_FILE
            kept = load_file(path)
        with np.errstate(over="ignore"):
            mean, deviation = (
                np.broadcast_to(np.asarray(kept[name], np.float32), shape)
                for name in ("mean", "deviation")
            )
    except STATISTICS_FAULTS as error:
        message = f"{path}: has no statistics of this network's images"
        raise RunError(message) from error
    check_statistics(path, mean, deviation)
    return mean, deviation


def check_statistics(path: Path, mean: np.ndarray, deviation: np.ndarray) -> None:
    """Refuse what pixels cannot be standardized by: of `path`, data or a record."""
    finite = np.isfinite(mean).all() and np.isfinite(deviation).all()
    if not finite or deviation.min() <= 0:
        message = (
            f"{path}: the statistics of the images are no finite numbers with deviations above 0"
        )
        raise RunError(message)
