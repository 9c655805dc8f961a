"""The scores of epochs: their log, and the best one."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from archc.training.errors import RunError
from archc.training.run.files import naming, open_unlinked, write_text

METRICS = "metrics.jsonl"
"""The log in a run's folder: a line an epoch."""


class Scores(NamedTuple):
    """Means over images: the loss, and the shares that are labelled right."""

    loss: float
    accuracy: float
    top_5_accuracy: float | None = None  # right among the five most probable classes


class EpochRecord(NamedTuple):
    """What an epoch came to; `step` counts from the start of the training."""

    epoch: int
    step: int
    training: Scores
    validation: Scores | None
    learning_rate: float
    seconds: float
    samples_per_second: float

    def as_row(self) -> dict[str, float]:
        """The values by their names, without those that there are none of."""
        row: dict[str, float | None] = {"epoch": self.epoch, "step": self.step}
        row |= self.training._asdict()
        if self.validation is not None:
            validation = self.validation._asdict()
            row |= {f"validation_{name}": value for name, value in validation.items()}
        row["learning_rate"] = self.learning_rate
        row["seconds"] = round(self.seconds, 3)
        row["samples_per_second"] = round(self.samples_per_second, 1)
        return {name: value for name, value in row.items() if value is not None}

    def metric(self, name: str) -> float:
        """The value of a recipe's metric, the larger the better."""
        scores = self.training if self.validation is None else self.validation
        value: float = -scores.loss if name == "loss" else getattr(scores, name)
        return -math.inf if math.isnan(value) else value


class BestEpoch(NamedTuple):
    """The best epoch so far, and how many have passed since."""

    epoch: int = 0
    metric: float = -math.inf
    waited: int = 0

    def after(self, epoch: int, metric: float) -> BestEpoch:
        """The best epoch after one more: that one where it is better, or the first."""
        if not self.epoch or metric > self.metric:
            return BestEpoch(epoch, metric, 0)
        return self._replace(waited=self.waited + 1)

    def stops(self, patience: int | None) -> bool:
        """Whether training ends early: after `patience` epochs without improvement."""
        return patience is not None and self.waited >= patience


def check_progress(kept: Mapping[str, Any]) -> None:
    """Raise ValueError where a checkpoint's state is not that of a run.

    `kept`: what a `RunState` of either framework has.
    """
    epoch, waited = kept["best"][0], kept["best"][2]
    counts = (kept["epoch"], kept["step"], epoch, waited)
    numbers = (kept["seconds"], kept["best"][1], *kept["history"])
    whole = all(type(one) is int and one >= 0 for one in counts)
    whole = whole and all(type(one) is float for one in numbers)
    if not whole or len(kept["history"]) != kept["epoch"]:
        message = "what it tells of the run's progress is wrong"
        raise ValueError(message)


class MetricsLog:
    """`metrics.jsonl`, a line an epoch, and TensorBoard's events where it is installed.

    An epoch's line is written before its checkpoint: on resuming, lines of epochs after
    the checkpoint's are dropped.
    """

    def __init__(self, run: Path, epoch: int, began: float | None = None) -> None:
        """Open the log of a run that goes on after `epoch`, 0 for a new one; this process `began`
        then, by `time.perf_counter`."""
        self.path = run / METRICS
        self.last = time.perf_counter() if began is None else began
        kept = [row for row in read_metrics(self.path) if row["epoch"] <= epoch]
        write_text(self.path, "".join(map(json_line, kept)))
        self.events = event_writer(run)
        for row in kept:
            self.write_events(row)

    def append(self, record: EpochRecord) -> None:
        """Add an epoch's line, down to the disk. `seconds_wall` are those since the line before, or
        since the process began: the reading of the data, evaluation and writing are in them."""
        now = time.perf_counter()
        row = {**record.as_row(), "seconds_wall": round(now - self.last, 3)}
        self.last = now
        with naming(self.path), open_unlinked(self.path, "ab") as stream:
            stream.write(json_line(row).encode())
            stream.flush()
            os.fsync(stream.fileno())
        self.write_events(row)

    def write_events(self, row: Mapping[str, object]) -> None:
        """Write an epoch for TensorBoard."""
        if self.events is not None:
            self.events(row)


def check_finite(loss: float, epoch: int) -> None:
    """Raise RunError where an epoch's mean loss is no number: nothing comes of it."""
    if not math.isfinite(loss):
        kept = "no weights are written yet"
        if epoch > 1:
            kept = f"the weights of epoch {epoch - 1} are kept"
        message = f"the loss of epoch {epoch} is {loss}: try a smaller learning rate; {kept}"
        raise RunError(message)


def json_line(row: Mapping[str, object]) -> str:
    """A row as JSON; what is no finite number is null."""
    finite = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }
    return json.dumps(finite) + "\n"


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows that are whole; none where there is no file."""
    rows: list[dict[str, Any]] = []
    with suppress(FileNotFoundError):
        for line in path.read_bytes().splitlines():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                break
            if not isinstance(row, dict) or not isinstance(row.get("epoch"), int):
                break
            rows.append(row)
    return rows


def event_writer(run: Path) -> Callable[[Mapping[str, object]], None] | None:
    """What writes rows as TensorBoard shows them; None where it is not installed."""
    try:
        # The records alone: TensorBoard's own writer imports TensorFlow.
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ImportError:
        return None
    path = run / "events.out.tfevents.0"
    stream = open_unlinked(path, "wb")
    records = RecordWriter(stream)

    def write(row: Mapping[str, object]) -> None:
        event = Event(wall_time=time.time(), step=row["epoch"])
        for name, value in row.items():
            if name not in {"epoch", "step"} and isinstance(value, int | float):
                event.summary.value.add(tag=name, simple_value=value)
        with naming(path):
            records.write(event.SerializeToString())
            stream.flush()

    start = Event(wall_time=time.time(), file_version="brain.Event:2")
    records.write(start.SerializeToString())
    return write
