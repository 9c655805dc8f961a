"""The training images' statistics, kept with a run for whoever predicts with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from archc.training.data.images import ImageData
from archc.training.data.pixels import PixelStatistics
from archc.training.data.stream import StreamedImages
from archc.training.errors import RunError
from archc.training.plan import Plan
from archc.training.run.files import write_whole
from archc.training.run.options import FitSettings
from archc.training.run.record import read_record

# Numbers that the record of a run has room for; more go into a file beside it.
RECORDED_NUMBERS = 1024
COLOURS = 3
STATISTICS_FILE = "statistics.safetensors"
# What NumPy and safetensors raise at others than were written.
STATISTICS_FAULTS = (
    LookupError,
    OverflowError,
    TypeError,
    ValueError,
    SafetensorError,
)


def statistics_record(statistics: PixelStatistics) -> object:
    """Tell what a run's record has of the statistics: them, or the file's name."""
    if statistics.mean.size > RECORDED_NUMBERS:
        return STATISTICS_FILE
    return {name: values.tolist() for name, values in named_arrays(statistics).items()}


def named_arrays(statistics: PixelStatistics) -> dict[str, np.ndarray]:
    """The statistics that there are, by their names."""
    arrays = statistics._asdict()
    return {name: values for name, values in arrays.items() if values is not None}


def write_statistics(run: Path, statistics: PixelStatistics) -> None:
    """Write what is too long for a run's record."""
    if statistics.mean.size > RECORDED_NUMBERS:
        arrays = named_arrays(statistics)
        text = save({name: np.ascontiguousarray(one) for name, one in arrays.items()})
        write_whole(run / STATISTICS_FILE, lambda stream: stream.write(text))


def read_statistics(
    run: Path,
    record: Mapping[str, object],
    shape: tuple[int, ...],
) -> PixelStatistics:
    """The statistics of a run, the mean and the deviation broadcast to the `shape` of an input."""
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
            colours = np.asarray(kept["colours"], np.float32) if "colours" in kept else None
    except STATISTICS_FAULTS as error:
        message = f"{path}: has no statistics of this network's images"
        raise RunError(message) from error
    statistics = PixelStatistics(mean, deviation, colours)
    check_statistics(path, statistics)
    return statistics


def kept_statistics(options: FitSettings, plan: Plan, data: ImageData) -> PixelStatistics | None:
    """The statistics of the run that is resumed, where its images are streamed: computing them
    again would take an epoch. `start_run` refuses a run of other data."""
    record = read_record(options.out, plan.task.name) if options.resume else None
    if record is None or not isinstance(data.images, StreamedImages):
        return None
    statistics = read_statistics(options.out, record, plan.task.shape)
    has_colours = statistics.colours is not None
    return statistics if has_colours == (plan.recipe.augment.lighting > 0) else None


def check_statistics(path: Path, statistics: PixelStatistics) -> None:
    """Refuse what pixels cannot be standardized by: of `path`, data or a record."""
    arrays = named_arrays(statistics)
    has_shape = statistics.colours is None or statistics.colours.shape == (COLOURS, COLOURS)
    finite = has_shape and all(np.isfinite(one).all() for one in arrays.values())
    if not finite or statistics.deviation.min() <= 0:
        message = (
            f"{path}: the statistics of the images are no finite numbers with deviations above 0"
        )
        raise RunError(message)
