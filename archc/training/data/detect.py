"""Reading data of which no network says what they are: their shape follows from them."""

from __future__ import annotations

import gzip
import math
import zipfile
from contextlib import suppress
from pathlib import Path

from archc.language.recipe import Inputs
from archc.training.data import find_file, read_data
from archc.training.data.csv import LONGEST_HEADER
from archc.training.data.images import ImageData, InputFormat, unpacking
from archc.training.data.npz import NPZ_FAULTS
from archc.training.errors import DataError

MOST_CLASSES = 100_000
"""The limit of labels; the number of classes is only known with a network."""
COLOURED = 3
IMAGES = InputFormat((1, 1, COLOURED), MOST_CLASSES, Inputs())
VECTORS = InputFormat((1,), MOST_CLASSES, Inputs())
"""Stand-ins for all shapes of this rank: readers check only the rank of files with images."""


def file_in(path: Path, *, labelled: tuple[bool, ...]) -> Path | None:
    """The file that holds all images: the path itself, or one in a folder, of the first of some
    splits that there is. None for a folder of image files."""
    if not path.is_dir():
        return path
    files = (find_file(path, labelled=one) for one in labelled)
    return next(filter(None, files), None)


def read_file_of_any_shape(file: Path, *, labelled: bool | None = None) -> ImageData:
    """Read a CSV, .npz or idx file; of an .npz file with two splits that for training
    (`labelled`) or that to predict; by default that for training where there is one.
    Raises DataError, OSError."""
    if file.exists() and not file.is_file():  # opening a pipe would block
        raise DataError(file, "is not a file")
    name = file.name.removesuffix(".gz")
    if name.endswith(".npz"):
        return _read_npz(file, labelled)
    is_csv = name.endswith(".csv")
    expected = IMAGES._replace(shape=_row_shape(file)) if is_csv else IMAGES
    return read_data(file, expected, labelled=False)


def _row_shape(file: Path) -> tuple[int, ...]:
    """The shape of a CSV file's rows: a square of one or three channels, else a vector. The reader
    reports errors in the header."""
    with (
        unpacking(file),
        gzip.open(file, "rb") if file.name.endswith(".gz") else file.open("rb") as stream,
    ):
        header = stream.readline(LONGEST_HEADER)
    names = header.decode("utf-8-sig", "replace").split(",")
    features = len(names) - (names[0].strip().strip('"') == "label")
    for channels in (1, COLOURED):
        side = math.isqrt(features // channels)
        if side * side * channels == features:
            return side, side, channels
    return (features,)


def _read_npz(file: Path, labelled: bool | None) -> ImageData:
    """Images, or else vectors."""
    if labelled is None:
        labelled = False
        with suppress(*NPZ_FAULTS, OSError), zipfile.ZipFile(file) as archive:
            labelled = "x_train.npy" in archive.namelist()
    try:
        return read_data(file, IMAGES, labelled=labelled)
    except DataError:
        with suppress(DataError):
            return read_data(file, VECTORS, labelled=labelled)
        raise
