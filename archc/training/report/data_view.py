"""Views of data before training: its size, some images, its labels.

The data is read by the same code as in training.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from archc.training.data.detect import (
    COLOURED,
    IMAGES,
    MOST_CLASSES,
    VECTORS,
    file_in,
    read_file_of_any_shape,
)
from archc.training.data.folder import ImageFiles, decode_image, list_images
from archc.training.data.images import ImageData
from archc.training.errors import DataError, RunError
from archc.training.report.files import display_name
from archc.training.report.pictures import picture
from archc.training.report.sheet import COLUMNS, Cell
from archc.training.run.results import as_bytes

MOST_ROWS = 16
"""The largest number of classes with a row each on a sheet."""
VALUES_AT_ONCE = 1 << 22
TIMES = " \u00d7 "


class InvalidDataError(Exception):
    """Invalid data; the message names the file and the row."""


class UnreadableDataError(Exception):
    """Data that cannot be read here; the message names what is missing."""


class DataView(NamedTuple):
    """Some of the data, and a summary of all of it.

    `facts`: lines about the images; `classes`: names with their number of images, None without
    labels.
    """

    cells: tuple[Cell, ...]
    facts: tuple[str, ...]
    classes: tuple[tuple[str, int], ...] | None


def view(path: Path, count: int | None, seed: int) -> DataView:
    """Read data and sample `count` images of it with `seed`, evenly over the classes and in their
    order; all images if there are fewer. With None, a row for each class, or 64 images if those
    are too many rows.

    In a folder of images only these are decoded. Raises InvalidDataError, UnreadableDataError,
    OSError.
    """
    try:
        file = file_in(path, labelled=(True, False))
        if file is None:
            return _view_folder(path, count, seed)
        return _view_file(file, count, seed)
    except DataError as error:
        raise InvalidDataError(str(error)) from None
    except RunError as error:
        raise UnreadableDataError(str(error)) from None


def _view_folder(path: Path, count: int | None, seed: int) -> DataView:
    """Lists all files, but decodes only the sampled ones: there may be millions."""
    listing = list_images(path, MOST_CLASSES, None)
    if not listing.files:
        raise DataError(path, "there are no images")
    chosen = sample(listing.labels, len(listing.files), count, seed)
    images = [decode_image(listing.files[index], IMAGES) for index in chosen]
    if all((one == one[:, :, :1]).all() for one in images):
        images = [one[:, :, :1] for one in images]
    shapes = sorted({one.shape for one in images})
    sizes = TIMES.join(map(str, shapes[0]))
    if len(shapes) > 1:
        sizes = f"{len(shapes)} sizes from {sizes} to {TIMES.join(map(str, shapes[-1]))}"
    # All pixels in one array: statistics do not depend on their position.
    pixels = np.concatenate([one.reshape(-1, one.shape[2]) for one in images])
    scope = "" if len(images) == len(listing.files) else f" (of the {len(images):,} shown)"
    return DataView(
        _cells(images, chosen, listing),
        (f"{len(listing.files):,} images, {sizes}{scope}", f"{_facts(pixels)}{scope}"),
        _classes(listing),
    )


def _view_file(file: Path, count: int | None, seed: int) -> DataView:
    data = read_file_of_any_shape(file)
    chosen = sample(data.labels, len(data.array), count, seed)
    images = list(as_bytes(data.array[chosen]))
    sizes = TIMES.join(map(str, data.array.shape[1:]))
    sizes += " values" * (data.array.ndim == len(VECTORS.shape) + 1)
    return DataView(
        _cells(images, chosen, data),
        (f"{len(data.array):,} images, {sizes}, {data.array.dtype}", _facts(data.array)),
        _classes(data),
    )


def sample(labels: np.ndarray | None, total: int, count: int | None, seed: int) -> list[int]:
    """Indices of a random sample of `total`, evenly over the classes."""
    if count is None:
        classes = 0 if labels is None else len(np.unique(labels))
        count = COLUMNS * (classes if 0 < classes <= MOST_ROWS else COLUMNS)
    order = np.random.default_rng(seed).permutation(total)
    if labels is None:
        return sorted(order[:count].tolist())
    order = order[np.argsort(labels[order], kind="stable")]
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    turns = np.arange(total) - np.repeat(starts, np.diff(starts, append=total))
    # In the last round, the classes are chosen at random.
    chance = np.random.default_rng((seed, total)).permutation(total)
    selected = np.sort(np.lexsort((chance, turns))[:count])
    chosen: list[int] = order[selected].tolist()
    return chosen


def _cells(
    images: list[np.ndarray], chosen: list[int], data: ImageData | ImageFiles
) -> tuple[Cell, ...]:
    """Each image with its label and its number (from 1) or file."""
    cells = []
    for image, index in zip(images, chosen, strict=True):
        caption = f"#{index + 1}" if data.names is None else display_name(data.names[index])
        if data.labels is None:
            lines: tuple[str, ...] = (caption,)
        else:
            lines = (_class_name(data, int(data.labels[index])), caption)
        cells.append(Cell(picture(image), lines))
    return tuple(cells)


def _class_name(data: ImageData | ImageFiles, label: int) -> str:
    return str(label) if data.classes is None else display_name(data.classes[label])


def _classes(data: ImageData | ImageFiles) -> tuple[tuple[str, int], ...] | None:
    """Each class with its number of images."""
    if data.labels is None:
        return None
    labels, counts = np.unique(data.labels, return_counts=True)
    pairs = zip(labels.tolist(), counts.tolist(), strict=True)
    return tuple((_class_name(data, label), count) for label, count in pairs)


def _facts(images: np.ndarray) -> str:
    """Range, mean and standard deviation of the values, per channel if there are few."""
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
