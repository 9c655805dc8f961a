"""Views of data before training: its size, some images, its labels.

The data is read by the same code as in training.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from archc.training.data import PREDICTION, TRAINING, find_file, read_file
from archc.training.data.folder import ANY_IMAGE, decode_image
from archc.training.data.images import ImageData
from archc.training.data.listing import ImageFiles, list_images
from archc.training.errors import DataError, RunError
from archc.training.file_format import DEFAULT_FORMAT, FileFormat
from archc.training.report.files import display_name
from archc.training.report.pictures import picture, shrink
from archc.training.report.sheet import COLUMNS, Cell
from archc.training.run.results import as_bytes

MOST_ROWS = 16
"""The largest number of classes with a row each on a sheet."""
COLOURED = 3
VECTORS = 2
"""The axes of an array of vectors: their number, their values."""
LARGEST_PICTURE = 512
"""The sides of a picture that is kept of an image file."""
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


def view(
    path: Path, count: int | None, seed: int, file_format: FileFormat = DEFAULT_FORMAT
) -> DataView:
    """Read data and sample `count` images of it with `seed`, evenly over the classes and in their
    order; all images if there are fewer. With None, a row for each class, or 64 images if those
    are too many rows.

    In a folder of images only these are decoded. Raises InvalidDataError, UnreadableDataError,
    OSError.
    """
    try:
        splits = TRAINING + PREDICTION
        file = find_file(path, splits)
        if file is None:
            return _view_folder(path, count, seed)
        return _view_data(read_file(file, None, splits, file_format), count, seed)
    except DataError as error:
        raise InvalidDataError(str(error)) from None
    except RunError as error:
        raise UnreadableDataError(str(error)) from None


def _view_folder(path: Path, count: int | None, seed: int) -> DataView:
    """Lists all files, but decodes only the sampled ones, one after the other: there may be
    millions, each of millions of pixels."""
    listing = list_images(path, ANY_IMAGE.classes, None)
    if not listing.files:
        raise DataError(path, "there are no images")
    chosen = sample(listing.labels, len(listing.files), count, seed)
    images, shapes, figures = [], set(), []
    for index in chosen:
        image = decode_image(listing.files[index], ANY_IMAGE)
        shapes.add(image.shape[:2])
        figures += _figures(image.reshape(-1, COLOURED))
        images.append(shrink(image, LARGEST_PICTURE, LARGEST_PICTURE))
    channels = 1 if all(one.is_grey for one in figures) else COLOURED
    sizes = [TIMES.join(map(str, (*shape, channels))) for shape in sorted(shapes)]
    size = sizes[0]
    if len(sizes) > 1:
        size = f"{len(sizes)} sizes from {sizes[0]} to {sizes[-1]}"
    scope = "" if len(chosen) == len(listing.files) else f" (of the {len(chosen):,} shown)"
    return DataView(
        _cells([image[:, :, :channels] for image in images], chosen, listing),
        (
            f"{len(listing.files):,} images, {size}{scope}",
            f"{_facts(figures, channels)}{scope}",
            *listing.notes,
        ),
        _classes(listing),
    )


def _view_data(data: ImageData, count: int | None, seed: int) -> DataView:
    chosen = sample(data.labels, len(data.array), count, seed)
    images = list(as_bytes(data.array[chosen]))
    sizes = TIMES.join(map(str, data.array.shape[1:]))
    channels = data.array.shape[-1]
    if data.array.ndim == VECTORS:
        sizes += " values"
        channels = channels if channels <= COLOURED else 1
    figures = _figures(data.array.reshape(-1, channels))
    return DataView(
        _cells(images, chosen, data),
        (
            f"{len(data.array):,} images, {sizes}, {data.array.dtype}",
            _facts(figures, channels),
            *data.notes,
        ),
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


class _Figures(NamedTuple):
    """Of some pixels their number, and for each channel the mean, the sum of the squared deviations
    from it, and the range; and whether all channels have the same values."""

    total: int
    mean: np.ndarray
    squares: np.ndarray
    lowest: float
    highest: float
    is_grey: bool


def _figures(pixels: np.ndarray) -> list[_Figures]:
    """The figures of pixels, (count, channels), some at a time."""
    figures = []
    rows = max(1, VALUES_AT_ONCE // pixels.shape[1])
    for start in range(0, len(pixels), rows):
        some = pixels[start : start + rows]
        means, squares = [], []
        for column in some.T:
            values = column.astype(np.float64)
            means.append(values.mean())
            values -= means[-1]
            squares.append(values @ values)
        is_grey = bool((some == some[:, :1]).all())
        mean, square = np.array(means), np.array(squares)
        figures.append(_Figures(len(some), mean, square, some.min(), some.max(), is_grey))
    return figures


def _facts(figures: list[_Figures], channels: int) -> str:
    """Range, mean and standard deviation of the values, per channel if there are few."""
    counts = np.array([[one.total] for one in figures])
    means = np.array([one.mean for one in figures])
    total = counts.sum()
    mean = (counts * means).sum(0) / total
    # Chan, Golub, LeVeque 1983: deviations of parts from their means, and of these from the mean.
    squares = sum(one.squares for one in figures) + (counts * np.square(means - mean)).sum(0)
    texts = (
        " / ".join(f"{figure:.5g}" for figure in values[:channels].tolist())
        for values in (mean, np.sqrt(squares / total))
    )
    lowest, highest = min(one.lowest for one in figures), max(one.highest for one in figures)
    between = f"{lowest:.5g} to {highest:.5g}"
    return "values {}, mean {}, deviation {}".format(between, *texts)
