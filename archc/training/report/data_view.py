"""Data as they are before training: how much there is, what it looks like, how it is labelled.

Read by the same parts as training scripts read it.
"""

from __future__ import annotations

import gzip
import math
import zipfile
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from archc.training.data import load
from archc.training.report.files import shown_name
from archc.training.report.pictures import picture
from archc.training.report.sheet import COLUMNS, Cell

MOST_CLASSES = 100_000
"""Labels are below it: which of them are classes, a network alone would tell."""
MOST_ROWS = 16
"""Classes that have a row each on a sheet."""
VALUES_AT_ONCE = 1 << 22
COLOURED = 3
IMAGES = (1, 1, COLOURED)
VECTORS = (1,)
"""Shapes that stand for all with as many axes: readers hold images of files against no other."""
TIMES = " \u00d7 "


class InvalidDataError(Exception):
    """What is wrong with the data, with the file and the row."""


class UnreadableDataError(Exception):
    """Data that this machine cannot read: what it lacks."""


class DataView(NamedTuple):
    """Some of the data to look at, and what holds for all of it.

    `facts`: lines about the images; `classes`: names with the number of images of each, None where
    there are no labels.
    """

    cells: tuple[Cell, ...]
    facts: tuple[str, ...]
    classes: tuple[tuple[str, int], ...] | None


def view(path: Path, count: int | None, seed: int) -> DataView:
    """Read data and take `count` images of it, by `seed`: as many of each class as of any other,
    in the order of the classes; all images where there are fewer. None takes for a sheet a row of
    each class, or 64 where that would be too many rows.

    Of a folder with images these alone are decoded. Raises DataFault, NotReadable, OSError.
    """
    reading = load(CLASSES=MOST_CLASSES, INPUT_SHAPE=IMAGES, RESIZE=None, PAD=0)
    try:
        file: Path | None = path
        if path.is_dir():
            splits = (reading.find_file(path, labelled=labelled) for labelled in (True, False))
            file = next(filter(None, splits), None)
        if file is None:
            return _view_folder(reading, path, count, seed)
        return _view_file(reading, file, count, seed)
    except reading.DataError as error:
        raise InvalidDataError(str(error)) from None
    except reading.RunError as error:
        raise UnreadableDataError(str(error)) from None


def _view_folder(reading: ModuleType, path: Path, count: int | None, seed: int) -> DataView:
    """Files alone are listed, and those decoded that are shown: there may be millions."""
    found = reading.list_images(path, None)
    if not found.files:
        raise reading.DataError(path, "there are no images")
    chosen = sample(found.labels, len(found.files), count, seed)
    images = [reading.decode_image(found.files[index]) for index in chosen]
    if all((one == one[:, :, :1]).all() for one in images):
        images = [one[:, :, :1] for one in images]
    shapes = sorted({one.shape for one in images})
    sizes = TIMES.join(map(str, shapes[0]))
    if len(shapes) > 1:
        sizes = f"{len(shapes)} sizes from {sizes} to {TIMES.join(map(str, shapes[-1]))}"
    # One image of one size for all: statistics go over pixels, wherever they stand.
    pixels = np.concatenate([one.reshape(-1, one.shape[2]) for one in images])
    told = "" if len(images) == len(found.files) else f" (of the {len(images):,} shown)"
    return DataView(
        _cells(images, chosen, found),
        (f"{len(found.files):,} images, {sizes}{told}", f"{_facts(pixels)}{told}"),
        _classes(found),
    )


def _view_file(reading: ModuleType, file: Path, count: int | None, seed: int) -> DataView:
    if file.exists() and not file.is_file():  # opened, a pipe would wait
        raise reading.DataError(file, "is no file")
    name = file.name.removesuffix(".gz")
    if name.endswith(".csv"):
        _expect(reading, _row_shape(reading, file))
    data = _read_npz(reading, file) if name.endswith(".npz") else _read(reading, file)
    chosen = sample(data.labels, len(data.images), count, seed)
    images = list(reading.as_bytes(data.images[chosen]))
    sizes = TIMES.join(map(str, data.images.shape[1:]))
    sizes += " values" * (data.images.ndim == len(VECTORS) + 1)
    return DataView(
        _cells(images, chosen, data),
        (f"{len(data.images):,} images, {sizes}, {data.images.dtype}", _facts(data.images)),
        _classes(data),
    )


def _expect(reading: ModuleType, shape: tuple[int, ...]) -> None:
    """Let the reader take images of a shape: the constant that a network's script would have."""
    vars(reading)["INPUT_SHAPE"] = shape


def _read(reading: ModuleType, file: Path, *, labelled: bool = False) -> Any:
    return reading.read_data(file, labelled=labelled)


def _row_shape(reading: ModuleType, file: Path) -> tuple[int, ...]:
    """What the values of a CSV file's rows are taken for: a square of one or three channels, else
    a vector. What is wrong with the header, the reader tells."""
    with (
        reading.unpacking(file),
        gzip.open(file, "rb") if file.name.endswith(".gz") else file.open("rb") as stream,
    ):
        header = stream.readline(reading.LONGEST_HEADER)
    names = header.decode("utf-8-sig", "replace").split(",")
    features = len(names) - (names[0].strip().strip('"') == "label")
    for channels in (1, COLOURED):
        side = math.isqrt(features // channels)
        if side * side * channels == features:
            return side, side, channels
    return (features,)


def _read_npz(reading: ModuleType, file: Path) -> Any:
    """Images, or else vectors; of two splits that to train with."""
    labelled = False
    with suppress(*reading.NPZ_FAULTS, OSError), zipfile.ZipFile(file) as archive:
        labelled = "x_train.npy" in archive.namelist()
    try:
        return _read(reading, file, labelled=labelled)
    except reading.DataError:
        _expect(reading, VECTORS)
        with suppress(reading.DataError):
            return _read(reading, file, labelled=labelled)
        _expect(reading, IMAGES)
        raise


def sample(labels: np.ndarray | None, total: int, count: int | None, seed: int) -> list[int]:
    """Which of `total` to take: at random by `seed`, in turn from each class."""
    if count is None:
        classes = 0 if labels is None else len(np.unique(labels))
        count = COLUMNS * (classes if 0 < classes <= MOST_ROWS else COLUMNS)
    order = np.random.default_rng(seed).permutation(total)
    if labels is None:
        return sorted(order[:count].tolist())
    order = order[np.argsort(labels[order], kind="stable")]
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    turns = np.arange(total) - np.repeat(starts, np.diff(starts, append=total))
    # Where not all classes have a turn more, those at random that have one.
    chance = np.random.default_rng((seed, total)).permutation(total)
    taken = np.sort(np.lexsort((chance, turns))[:count])
    chosen: list[int] = order[taken].tolist()
    return chosen


def _cells(images: list[np.ndarray], chosen: list[int], data: Any) -> tuple[Cell, ...]:
    """Each image with its label and its number, from 1, or its file."""
    cells = []
    for image, index in zip(images, chosen, strict=True):
        place = f"#{index + 1}" if data.names is None else shown_name(data.names[index])
        if data.labels is None:
            lines: tuple[str, ...] = (place,)
        else:
            lines = (_class_name(data, int(data.labels[index])), place)
        cells.append(Cell(picture(image), lines))
    return tuple(cells)


def _class_name(data: Any, label: int) -> str:
    return str(label) if data.classes is None else shown_name(data.classes[label])


def _classes(data: Any) -> tuple[tuple[str, int], ...] | None:
    """Each class that there are images of, and how many."""
    if data.labels is None:
        return None
    labels, counts = np.unique(data.labels, return_counts=True)
    pairs = zip(labels.tolist(), counts.tolist(), strict=True)
    return tuple((_class_name(data, label), count) for label, count in pairs)


def _facts(images: np.ndarray) -> str:
    """Range, mean and deviation of the values, of each channel where there are few."""
    channels = images.shape[-1] if images.ndim != 2 or images.shape[-1] <= COLOURED else 1
    values = images.reshape(-1, channels)
    count = len(values)
    rows = max(1, VALUES_AT_ONCE // channels)
    chunks = [slice(start, start + rows) for start in range(0, count, rows)]
    mean = sum(values[one].sum(0, dtype=np.float64) for one in chunks) / count
    squares = sum(np.square(values[one] - mean).sum(0) for one in chunks)
    means, deviations = (
        " / ".join(f"{figure:.5g}" for figure in figures.tolist())
        for figures in (mean, np.sqrt(squares / count))
    )
    between = f"{values.min():.5g} to {values.max():.5g}"
    return f"values {between}, mean {means}, deviation {deviations}"
