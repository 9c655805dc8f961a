"""The training images' statistics, kept with a run for whoever predicts with it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from archc.training.parts.common.faults import RunError
from archc.training.parts.common.files import write_whole

# Numbers that the record of a run has room for; more go into a file beside it.
RECORDED_NUMBERS = 1024
STATISTICS_FILE = "statistics.safetensors"


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
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation as `image_statistics` gave them."""
    kept = record.get("statistics")
    try:
        if isinstance(kept, str):
            kept = load_file(run / STATISTICS_FILE)
        mean, deviation = (
            np.broadcast_to(np.asarray(kept[name], np.float32), INPUT_SHAPE)
            for name in ("mean", "deviation")
        )
    except (KeyError, TypeError, ValueError, SafetensorError) as error:
        message = f"{run / 'run.json'}: has no statistics of this network's images"
        raise RunError(message) from error
    return mean, deviation
