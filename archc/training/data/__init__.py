"""Reading images and labels: CSV as Kaggle has it, MNIST's idx files, .npz, folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from archc.training.data.csv import read_csv
from archc.training.data.folder import read_image_folder
from archc.training.data.idx import read_idx_pair
from archc.training.data.images import ImageData, InputFormat
from archc.training.data.listing import class_numbers
from archc.training.data.npz import read_npz
from archc.training.data.regular import check_inside, check_regular
from archc.training.errors import DataError, describe_shape
from archc.training.file_format import DEFAULT_FORMAT, FileFormat

TRAINING = ("train",)
VALIDATION = ("val", "train")
PREDICTION = ("test",)
"""The splits that are read, the first one that there is, of data that have several."""
FILES = {
    "train": ("train.csv", "train-images-idx3-ubyte", "train-images.idx3-ubyte"),
    "val": ("val.csv", "t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte"),
    "test": ("test.csv", "t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte"),
}
"""The files of a folder that hold all images of a split; each may end in .gz."""


def read_data(
    path: Path,
    expected: InputFormat,
    *,
    labelled: bool,
    classes: tuple[str, ...] | None = None,
    splits: Sequence[str] | None = None,
    file_format: FileFormat = DEFAULT_FORMAT,
) -> ImageData:
    """Read the images to train or validate with (`labelled`), or those to predict.

    Takes a CSV file, an .npz file, an idx file of images, or a folder: with `train.csv`
    and `test.csv`, with MNIST's four files, or with a folder of images for each class.
    `classes`: what the labels stand for where that is known already, as `all_classes`
    names them; a class of another name is then refused. `splits`: which of several to
    read, by default those to train with, or to predict.
    Raises DataError for all that is wrong with the data; OSError.
    """
    splits = splits or (TRAINING if labelled else PREDICTION)
    file = find_file(path, splits)
    if file is not None:
        data = read_file(file, expected, splits, file_format)
        if data.classes is not None:
            numbers, named = class_numbers(file, data.classes, expected.classes, classes)
            data = data._replace(labels=np.array(numbers)[data.known_labels], classes=named)
    else:
        data = read_image_folder(path, expected, labelled=labelled, classes=classes)
        check_images(path, data)
    if labelled and data.labels is None:
        raise DataError(path, "there are no labels")
    return data


def read_file(
    path: Path,
    expected: InputFormat | None,
    splits: Sequence[str],
    file_format: FileFormat = DEFAULT_FORMAT,
) -> ImageData:
    """Read the one file that images are in, by its name; `expected` is None without a network."""
    check_regular(path, path.stat().st_mode)
    name = path.name.removesuffix(".gz")
    if name.endswith(".csv"):
        data = read_csv(path, expected, file_format)
    elif path.name.endswith(".npz"):
        data = read_npz(path, expected, splits, file_format)
    elif "idx" in name:
        data = read_idx_pair(path, expected)
    else:
        raise DataError(path, "is neither .csv, .npz nor an idx file (both may end in .gz)")
    check_images(path, data)
    return data


def check_images(path: Path, data: ImageData) -> None:
    """Refuse data without images, and images without pixels."""
    if not len(data.images):
        raise DataError(path, "there are no images")
    if 0 in data.images.shape:
        raise DataError(path, f"images of {describe_shape(data.images.shape[1:])} have no pixels")


def find_file(path: Path, splits: Sequence[str]) -> Path | None:
    """The file that holds all images: the path itself, or one in a folder, of the first of some
    splits that there is. None for a folder of image files. Raises DataError, OSError."""
    if not path.is_dir():
        if not path.exists():
            raise FileNotFoundError(2, os.strerror(2), str(path))
        return path
    for split in splits:
        files = [path / f"{name}{end}" for name in FILES[split] for end in ("", ".gz")]
        found = [file for file in files if file.exists()]
        if len(found) > 1:
            both = f"{found[0].name} and {found[1].name}"
            raise DataError(path, f"holds both {both}: name the one that is meant")
        if found:
            check_inside(found[0], path.resolve())
            return found[0]
    return None
