"""Reading and validating the files of a run's folder: a run may come from anywhere.

Code: ARC705 a file of a run that cannot be read.
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
from archc.training.data.npz import NPZ_FAULTS, read_array
from archc.training.errors import DataError
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
"""Larger figures are not drawn: on their scale nothing else is visible."""
RANKS = (2, 4)
"""The ranks of the mistakes' images: vectors, or height, width and channels."""


class Epoch(NamedTuple):
    """An epoch's figures by name; only finite numbers."""

    number: int
    figures: Mapping[str, float]


class Validation(NamedTuple):
    """The predictions of the best weights for the held-out images.

    `labels`, `predicted`: (count,); `probabilities`: (count, classes); `worst`: indices of the
    worst mistakes among these; `images`: their images, uint8 (mistakes, height, width, channels) or
    vectors; `indices`: positions in the data.
    """

    indices: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray
    worst: np.ndarray
    images: np.ndarray


class Run(NamedTuple):
    """A run: its unvalidated record, its epochs, its validation, its spec's text. Names of classes
    are safe to print."""

    name: str
    record: Mapping[str, Any]
    classes: tuple[str, ...]
    epochs: tuple[Epoch, ...]
    validation: Validation | None
    spec: str | None

    def class_name(self, label: int) -> str:
        """The name of a class; its number if the data has no names."""
        return self.classes[label] if label < len(self.classes) else str(label)

    def part(self, name: str) -> Mapping[str, Any]:
        """A mapping in the record; empty if there is none."""
        value = self.record.get(name)
        return value if isinstance(value, dict) else MappingProxyType({})

    def is_validated(self) -> bool:
        """Whether epochs were evaluated on held-out images."""
        return any("validation_loss" in epoch.figures for epoch in self.epochs)

    def best(self) -> Epoch | None:
        """The best epoch by the recipe's metric, whose weights are kept."""
        metric = self.part("recipe").get("metric")
        if metric not in ("accuracy", "top_5_accuracy", "loss"):
            return None
        name = f"validation_{metric}" if self.is_validated() else metric
        sign = -1 if metric == "loss" else 1

        def value(epoch: Epoch) -> float:
            figure = epoch.figures.get(name)
            return -math.inf if figure is None else sign * figure

        return max(self.epochs, key=value, default=None)


def reject(path: Path, reason: str, line: int = 1) -> NoReturn:
    """Raise SpecError (ARC705) for a file of a run."""
    span = Span(SourceText(encodable(str(path)), ""), line, 1, line, 1)
    hint = "the weights are not affected; `archc predict` may still work"
    raise SpecError([Diagnostic("ARC705", f"cannot be read: {reason}", span, hint)])


def read_run(folder: Path) -> Run:
    """Read a run. Raises SpecError (ARC705); OSError."""
    record = _record(folder / RECORD)
    name = record.get("name")
    if not isinstance(name, str):
        reject(folder / RECORD, "it has no name")
    classes = record.get("classes")
    if classes is None:
        classes = []
    if not isinstance(classes, list) or not all(isinstance(one, str) for one in classes):
        reject(folder / RECORD, "the classes are not a list of names")
    epochs = _epochs(folder / METRICS)
    validation = _validation(folder / VALIDATION)
    spec = _spec(folder / SPEC)
    return Run(name, record, tuple(map(display_name, classes)), epochs, validation, spec)


def display_name(name: str) -> str:
    """A name of a class or file for printing: escaped and truncated."""
    text = visible(name[: LONGEST_NAME + 1])
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}\u2026"


def _bytes(path: Path) -> bytes | None:
    """The content of a file; None if it does not exist."""
    try:
        # Opening a pipe would block until somebody writes to it.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            reject(path, "it is not a regular file")
        content = stream.read(LARGEST_TEXT + 1)
    if len(content) > LARGEST_TEXT:
        reject(path, f"it is larger than {LARGEST_TEXT >> 20} MiB")
    return content


def _record(path: Path) -> dict[str, Any]:
    content = _bytes(path)
    if content is None:
        reject(path, "there is no such file")
    try:
        record = json.loads(content)
    except (ValueError, RecursionError):
        reject(path, "it is not JSON")
    if not isinstance(record, dict):
        reject(path, "it is not the record of a run")
    return record


def _epochs(path: Path) -> tuple[Epoch, ...]:
    """The epochs of all complete lines; an incomplete last one was being written."""
    epochs: list[Epoch] = []
    lines = (_bytes(path) or b"").split(b"\n")
    for number, line in enumerate(lines[:-1], 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            reject(path, "the line is not JSON", number)
        epoch = row.get("epoch") if isinstance(row, dict) else None
        if type(epoch) is not int or not 0 < epoch <= LAST_EPOCH:
            reject(path, "the line has no valid epoch", number)
        if epochs and epoch <= epochs[-1].number:
            reject(path, f"epoch {epoch} follows epoch {epochs[-1].number}", number)
        epochs.append(
            Epoch(epoch, {key: value for key, value in row.items() if _is_drawable(value)})
        )
    return tuple(epochs)


def _is_drawable(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -LARGEST_FIGURE <= value <= LARGEST_FIGURE


def _spec(path: Path) -> str | None:
    content = _bytes(path)
    return None if content is None else content.decode("utf-8", "backslashreplace")


def _validation(path: Path) -> Validation | None:
    """The validated arrays; None without held-out images."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        reject(path, "it is not a regular file")
    if status.st_size > LARGEST_ARRAYS:
        reject(path, f"it is larger than {LARGEST_ARRAYS >> 30} GiB")
    # Sizes in headers are checked against the file before allocation, and nothing is unpickled.
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            missing = [name for name in Validation._fields if name not in members]
            if missing:
                reject(path, f"it has no array `{missing[0]}`")
            arrays = [read_array(path, archive, members[name]) for name in Validation._fields]
    except DataError as error:
        reject(path, str(error).removeprefix(f"{path}: "))
    except (*NPZ_FAULTS, OSError) as error:
        reject(path, f"it is not a valid .npz file ({error})")
    validation = Validation(*arrays)
    reason = _inconsistency(validation)
    if reason is not None:
        reject(path, reason)
    return validation if len(validation.labels) else None


def _inconsistency(arrays: Validation) -> str | None:
    """Why the arrays of a validation are inconsistent; None if they are not."""
    numbers = {"indices": arrays.indices, "labels": arrays.labels, "predicted": arrays.predicted}
    for name, array in {**numbers, "worst": arrays.worst}.items():
        if array.ndim != 1 or array.dtype.kind not in "iu":
            return f"`{name}` is not a list of whole numbers"
        if name != "worst" and len(array) != len(arrays.labels):
            return f"`{name}` and `labels` differ in length"
    if arrays.probabilities.ndim != 2 or arrays.probabilities.dtype.kind != "f":
        return "`probabilities` is not a table of numbers"
    count, classes = arrays.probabilities.shape
    if count != len(arrays.labels) or not 0 < classes <= MOST_CLASSES:
        return f"`probabilities` is {count} x {classes}, for {len(arrays.labels)} labels"
    for name in ("labels", "predicted"):
        if not _is_within(numbers[name], classes):
            return f"`{name}` has values outside of {classes} classes"
    if not _is_within(arrays.worst, count) or len(arrays.worst) > MOST_MISTAKES:
        return f"`worst` has values outside of {count} images"
    if arrays.images.dtype != np.uint8 or arrays.images.ndim not in RANKS:
        return "`images` is not an array of images"
    if len(arrays.images) != len(arrays.worst) or not all(arrays.images.shape[1:]):
        return f"`images` are {arrays.images.shape}, for {len(arrays.worst)} mistakes"
    return None


def _is_within(numbers: np.ndarray, end: int) -> bool:
    return bool(((numbers >= 0) & (numbers < end)).all())
