"""How long a run is: it may be given more epochs where its schedule allows, and it may be finished
already."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archc.language.recipe import Cosine, Training
from archc.training.errors import RunError
from archc.training.run.metrics import METRICS, read_metrics
from archc.training.run.options import FitSettings
from archc.training.run.record import (
    read_record,
    recorded_epochs,
    recorded_start,
    write_record,
)

FINISHED = "finished"
"""In the record of a finished run: the number of its epochs."""


def finished_message(options: FitSettings, name: str, recipe: Training) -> str | None:
    """What there is to say of a run that is finished; None for one to go on with. Raises RunError
    where it cannot have the number of epochs that it is to have."""
    record = read_record(options.out, name) if options.resume else None
    if record is None:
        return None
    before, now = recorded_epochs(record), options.epochs
    finished = record.get(FINISHED)
    if before != now:
        _check_epochs(options.out, recipe, before, now)
        if isinstance(finished, int) and isinstance(before, int) and finished < before:
            message = f"{options.out} has stopped early, after {finished} epochs"
            raise RunError(f"{message}; {_afresh(options.out)}")
        return None
    if not isinstance(finished, int) or not _is_asked_for(record, options):
        return None
    message = f"{options.out} is finished: {finished} epochs"
    if now is not None and finished < now:
        return f"{message} of {now}, where it stopped early"
    if now is None or isinstance(recipe.schedule, Cosine):
        return message
    return f"{message}; `--resume --epochs N` trains for longer"


def _is_asked_for(record: Mapping[str, Any], options: FitSettings) -> bool:
    """Whether a record is of a run with these options, as far as they tell; the data are not read
    for that. Others are refused in full, before the run goes on."""
    recipe = record["recipe"]
    asked = (options.seed, options.precision, options.start)
    return asked == (recipe["seed"], recipe["precision"], recorded_start(options.out, record))


def _check_epochs(run: Path, recipe: Training, before: object, now: int | None) -> None:
    """Refuse another number of epochs where the learning rates so far would have been others, or
    where the run has trained for more. Raises RunError."""
    if before is None or now is None:
        message = f"{run} counts in steps: it cannot be given epochs"
        raise RunError(message)
    if isinstance(recipe.schedule, Cosine):
        message = (
            f"the cosine schedule of {run} is laid out for {before} epochs: with {now} all its"
            " learning rates would have been others"
        )
        raise RunError(f"{message}; {_afresh(run)}")
    rows = read_metrics(run / METRICS)
    if rows and now < rows[-1]["epoch"]:
        message = f"{run} has trained for {rows[-1]['epoch']} epochs already, not {now}"
        raise RunError(message)


def _afresh(run: Path) -> str:
    return f"start another run from its weights: --weights {run / 'last.safetensors'}"


def finish_run(options: FitSettings, name: str, epochs: int) -> None:
    """Note in the record of a run that it is finished, after so many epochs."""
    record = read_record(options.out, name)
    assert record is not None
    write_record(options.out, {**record, FINISHED: epochs})
