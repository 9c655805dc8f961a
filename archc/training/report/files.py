"""What a run's folder holds, read with nothing taken for granted: a run may come from anywhere.

Code: ARC705 a run's file that cannot be drawn.
"""

from __future__ import annotations

import json
import math
import os
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

import numpy as np

from archc.diagnostics import Diagnostic, SourceText, Span, SpecError, encodable, visible
from archc.training.data import load
from archc.training.launch import RECORD, SPEC

METRICS = "metrics.jsonl"
VALIDATION = "validation.npz"
LARGEST_TEXT = 1 << 26
LARGEST_ARRAYS = 1 << 31
MOST_CLASSES = 1 << 17
MOST_MISTAKES = 1024
LONGEST_NAME = 80
LAST_EPOCH = 10**9
LARGEST_FIGURE = 1e30
"""What is larger is drawn as if it were no number: an axis up to it shows nothing else."""
RANKS = (2, 4)
"""Axes of the mistakes' images: vectors, or height, width and channels."""


class Epoch(NamedTuple):
    """An epoch's figures by their names: those that are finite numbers."""

    number: int
    figures: Mapping[str, float]


class Validation(NamedTuple):
    """What the best weights make of the images held out.

    `labels`, `predicted`: (count,); `probabilities`: (count, classes); `worst`: places of the worst
    mistakes among these; `images`: uint8 (mistakes, height, width, channels) or vectors; `indices`:
    places among the images that were read.
    """

    indices: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray
    worst: np.ndarray
    images: np.ndarray


class Run(NamedTuple):
    """A run: its record as it stands there, its epochs, its validation, its spec's text. Names of
    classes have nothing left that a terminal or a page could take for more than text."""

    name: str
    record: Mapping[str, Any]
    classes: tuple[str, ...]
    epochs: tuple[Epoch, ...]
    validation: Validation | None
    spec: str | None

    def class_name(self, label: int) -> str:
        """What a class is called: its number where the data named none."""
        return self.classes[label] if label < len(self.classes) else str(label)

    def part(self, name: str) -> Mapping[str, Any]:
        """A mapping in the record; empty where there is none."""
        found = self.record.get(name)
        return found if isinstance(found, dict) else MappingProxyType({})

    def is_validated(self) -> bool:
        """Whether epochs were judged by images held out."""
        return any("validation_loss" in epoch.figures for epoch in self.epochs)

    def best(self) -> Epoch | None:
        """The epoch whose weights are kept as the best, by the recipe's metric."""
        metric = self.part("recipe").get("metric")
        if metric not in ("accuracy", "top_5_accuracy", "loss"):
            return None
        name = f"validation_{metric}" if self.is_validated() else metric
        sign = -1 if metric == "loss" else 1

        def value(epoch: Epoch) -> float:
            figure = epoch.figures.get(name)
            return -math.inf if figure is None else sign * figure

        return max(self.epochs, key=value, default=None)


def refuse(path: Path, reason: str, line: int = 1) -> NoReturn:
    """Raise the fault of a run's file."""
    place = Span(SourceText(encodable(str(path)), ""), line, 1, line, 1)
    hint = "the run itself is untouched; `archc predict` may still work with it"
    raise SpecError([Diagnostic("ARC705", f"cannot be drawn: {reason}", place, hint)])


def read_run(folder: Path) -> Run:
    """Read a run. Raises SpecError (ARC705); OSError."""
    record = _record(folder / RECORD)
    name = record.get("name")
    if not isinstance(name, str):
        refuse(folder / RECORD, "it tells no name")
    classes = record.get("classes")
    if classes is None:
        classes = []
    if not isinstance(classes, list) or not all(isinstance(one, str) for one in classes):
        refuse(folder / RECORD, "the classes are no list of names")
    epochs = _epochs(folder / METRICS)
    validation = _validation(folder / VALIDATION)
    spec = _spec(folder / SPEC)
    return Run(name, record, tuple(map(shown_name, classes)), epochs, validation, spec)


def shown_name(name: str) -> str:
    """A name of a class or a file as it is shown: without control characters, not endless."""
    shown = visible(name[: LONGEST_NAME + 1])
    return shown if len(shown) <= LONGEST_NAME else f"{shown[:LONGEST_NAME]}\u2026"


def _bytes(path: Path) -> bytes | None:
    """What a file holds, None where there is none."""
    try:
        # Opening a pipe would wait for somebody to write to it.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            refuse(path, "it is no regular file")
        content = stream.read(LARGEST_TEXT + 1)
    if len(content) > LARGEST_TEXT:
        refuse(path, f"it is larger than {LARGEST_TEXT >> 20} MiB")
    return content


def _record(path: Path) -> dict[str, Any]:
    content = _bytes(path)
    if content is None:
        refuse(path, "there is no such file")
    try:
        record = json.loads(content)
    except (ValueError, RecursionError):
        refuse(path, "it is no JSON")
    if not isinstance(record, dict):
        refuse(path, "it is no record of a run")
    return record


def _epochs(path: Path) -> tuple[Epoch, ...]:
    """The lines that are whole; a last one without its end was being written."""
    epochs: list[Epoch] = []
    lines = (_bytes(path) or b"").split(b"\n")
    for number, line in enumerate(lines[:-1], 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            refuse(path, "the line is no JSON", number)
        epoch = row.get("epoch") if isinstance(row, dict) else None
        if type(epoch) is not int or not 0 < epoch <= LAST_EPOCH:
            refuse(path, "the line is of no epoch", number)
        if epochs and epoch <= epochs[-1].number:
            refuse(path, f"epoch {epoch} follows on epoch {epochs[-1].number}", number)
        epochs.append(Epoch(epoch, {key: value for key, value in row.items() if _is_drawn(value)}))
    return tuple(epochs)


def _is_drawn(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -LARGEST_FIGURE <= value <= LARGEST_FIGURE


def _spec(path: Path) -> str | None:
    content = _bytes(path)
    return None if content is None else content.decode("utf-8", "backslashreplace")


def _validation(path: Path) -> Validation | None:
    """The arrays, once they are held against one another; none without images held out."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        refuse(path, "it is no regular file")
    if found.st_size > LARGEST_ARRAYS:
        refuse(path, f"it is larger than {LARGEST_ARRAYS >> 30} GiB")
    # Sizes in the heads are held against the file before anything is allocated, nothing is
    # unpickled.
    reading = load()
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            missing = [name for name in Validation._fields if name not in members]
            if missing:
                refuse(path, f"it has no array `{missing[0]}`")
            arrays = [
                reading.read_array(path, archive, members[name]) for name in Validation._fields
            ]
    except reading.DataError as error:
        refuse(path, str(error).removeprefix(f"{path}: "))
    except (*reading.NPZ_FAULTS, OSError) as error:
        refuse(path, f"it is no sound .npz file ({error})")
    validation = Validation(*arrays)
    fault = _fault(validation)
    if fault is not None:
        refuse(path, fault)
    return validation if len(validation.labels) else None


def _fault(of: Validation) -> str | None:
    """What does not fit together in a validation's arrays."""
    numbers = {"indices": of.indices, "labels": of.labels, "predicted": of.predicted}
    for name, array in {**numbers, "worst": of.worst}.items():
        if array.ndim != 1 or array.dtype.kind not in "iu":
            return f"`{name}` is no list of whole numbers"
        if name != "worst" and len(array) != len(of.labels):
            return f"`{name}` and `labels` are not of one length"
    if of.probabilities.ndim != 2 or of.probabilities.dtype.kind != "f":
        return "`probabilities` is no table of numbers"
    count, classes = of.probabilities.shape
    if count != len(of.labels) or not 0 < classes <= MOST_CLASSES:
        return f"`probabilities` is {count} x {classes}, for {len(of.labels)} labels"
    for name in ("labels", "predicted"):
        if not _is_within(numbers[name], classes):
            return f"`{name}` holds what is none of {classes} classes"
    if not _is_within(of.worst, count) or len(of.worst) > MOST_MISTAKES:
        return f"`worst` holds what is none of {count} images"
    if of.images.dtype != np.uint8 or of.images.ndim not in RANKS:
        return "`images` is no array of images"
    if len(of.images) != len(of.worst) or not all(of.images.shape[1:]):
        return f"`images` are {of.images.shape}, for {len(of.worst)} mistakes"
    return None


def _is_within(numbers: np.ndarray, end: int) -> bool:
    return bool(((numbers >= 0) & (numbers < end)).all())
