"""Reading images and labels: CSV as Kaggle has it, MNIST's idx files, .npz, folders."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from archc.training.data.csv import read_csv
from archc.training.data.folder import read_image_folder
from archc.training.data.idx import read_idx_pair
from archc.training.data.images import ImageData, InputFormat
from archc.training.data.npz import read_npz
from archc.training.errors import DataError


def read_data(
    path: Path,
    expected: InputFormat,
    *,
    labelled: bool,
    classes: tuple[str, ...] | None = None,
) -> ImageData:
    """Read the images to train or validate with (`labelled`), or those to predict.

    Takes a CSV file, an .npz file, an idx file of images, or a folder: with `train.csv`
    and `test.csv`, with MNIST's four files, or with a folder of images for each class.
    `classes`: what the labels stand for where that is known already, as `all_classes`
    names them; a folder of another name is then refused.
    Raises DataError for all that is wrong with the data; OSError.
    """
    if path.is_dir():
        data = read_folder(path, expected, labelled=labelled, classes=classes)
    elif not path.exists():
        raise FileNotFoundError(2, os.strerror(2), str(path))
    else:
        data = read_file(path, expected, labelled=labelled)
    if not len(data.images):
        raise DataError(path, "there are no images")
    if labelled and data.labels is None:
        raise DataError(path, "there are no labels")
    return data


def read_file(path: Path, expected: InputFormat, *, labelled: bool) -> ImageData:
    """Read the one file that images are in, by its name."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise DataError(path, "is no file")
    name = path.name.removesuffix(".gz")
    if name.endswith(".csv"):
        return read_csv(path, expected)
    if path.name.endswith(".npz"):
        return read_npz(path, expected, labelled=labelled)
    if "idx" in name:
        return read_idx_pair(path, expected)
    raise DataError(path, "is neither .csv, .npz nor an idx file (both may end in .gz)")


def read_folder(
    folder: Path,
    expected: InputFormat,
    *,
    labelled: bool,
    classes: tuple[str, ...] | None,
) -> ImageData:
    """Read a folder, by what is in it."""
    found = find_file(folder, labelled=labelled)
    if found is not None:
        return read_file(found, expected, labelled=labelled)
    return read_image_folder(folder, expected, labelled=labelled, classes=classes)


def find_file(folder: Path, *, labelled: bool) -> Path | None:
    """The file in a folder that holds all images to train or to predict with."""
    split, idx_split = ("train", "train") if labelled else ("test", "t10k")
    files = [
        folder / f"{name}{end}"
        for name in (
            f"{split}.csv",
            f"{idx_split}-images-idx3-ubyte",
            f"{idx_split}-images.idx3-ubyte",
        )
        for end in ("", ".gz")
    ]
    found = [path for path in files if path.exists()]
    if len(found) > 1:
        both = f"{found[0].name} and {found[1].name}"
        raise DataError(folder, f"holds both {both}: name the one that is meant")
    return found[0] if found else None
