"""Packing data of any form into one .npz file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from archc.training.data import PREDICTION, TRAINING, check_images, find_file, read_file
from archc.training.data.folder import ANY_IMAGE, read_image_folder
from archc.training.data.images import ImageData
from archc.training.data.npz import CLASSES
from archc.training.file_format import DEFAULT_FORMAT, FileFormat
from archc.training.run.files import write_arrays


def pack(
    path: Path, output: Path, *, labelled: bool, file_format: FileFormat = DEFAULT_FORMAT
) -> ImageData:
    """Write the images of a path, and the labels where there are any; of two splits those for
    training (`labelled`), or those to predict. Returns what was written.

    Raises DataError where the data are faulty or have no images of one size; RunError, OSError.
    """
    data = _read(path, labelled=labelled, file_format=file_format)
    arrays = {"images": data.array}
    if data.labels is not None:
        arrays["labels"] = data.labels
    if data.classes is not None:
        arrays[CLASSES] = np.array(data.classes)
    if data.names is not None:
        arrays["names"] = np.array(data.names)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(output, arrays)
    return data


def _read(path: Path, *, labelled: bool, file_format: FileFormat) -> ImageData:
    splits = TRAINING if labelled else PREDICTION
    file = find_file(path, splits)
    if file is not None:
        return read_file(file, None, splits, file_format)
    data = read_image_folder(path, ANY_IMAGE, labelled=False, classes=None)
    check_images(path, data)
    if all((image == image[..., :1]).all() for image in data.array):
        data = data._replace(images=data.array[..., :1])
    return data
