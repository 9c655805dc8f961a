"""Packing data of any form into one .npz file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from archc.training.data import read_data
from archc.training.data.detect import IMAGES, file_in, read_file_of_any_shape
from archc.training.data.images import ImageData
from archc.training.errors import DataError
from archc.training.run.files import write_arrays


def pack(path: Path, output: Path, *, labelled: bool) -> tuple[int, tuple[int, ...]]:
    """Write the images of a path, and the labels where there are any; of two splits those for
    training (`labelled`), or those to predict. Returns the number of images and the shape of each.

    Raises DataError where the data are faulty or have no images of one size; RunError, OSError.
    """
    data = _read(path, labelled=labelled)
    arrays = {"images": data.array}
    if data.labels is not None:
        arrays["labels"] = data.labels
    if data.classes is not None:
        arrays["classes"] = np.array(data.classes)
    if data.names is not None:
        arrays["names"] = np.array(data.names)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(output, arrays)
    return len(data.images), data.images.shape[1:]


def _read(path: Path, *, labelled: bool) -> ImageData:
    file = file_in(path, labelled=(labelled,))
    if file is not None:
        data = read_file_of_any_shape(file, labelled=labelled)
    else:
        data = read_data(path, IMAGES, labelled=False)
        if all((image == image[..., :1]).all() for image in data.array):
            data = data._replace(images=data.array[..., :1])
    if not len(data.images):
        raise DataError(path, "there are no images")
    return data
