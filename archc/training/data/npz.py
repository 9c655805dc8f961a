"""NumPy's .npz files."""

from __future__ import annotations

import errno
import math
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError

import numpy as np

from archc.training.data.images import (
    UNPACKED_BYTES,
    UNPACKED_SHARE,
    WHITE,
    ImageData,
    InputFormat,
    check_labels,
    check_memory,
)
from archc.training.errors import DataError, describe_shape

# What zipfile and NumPy raise at damaged files.
NPZ_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    TokenError,
    TypeError,
    ValueError,
)


def read_npz(path: Path, expected: InputFormat, *, labelled: bool) -> ImageData:
    """Read `images` with `labels`, or `x` with `y`.

    Of `x_train`, `y_train`, `x_test` and `y_test` those to train with (`labelled`), or
    those to predict.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return read_archive(path, archive, expected, "train" if labelled else "test")
    except NPZ_FAULTS as error:
        raise DataError(path, f"is no sound .npz file ({error})") from None
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        fault = "is no sound .npz file (it names a place before its own start)"
        raise DataError(path, fault) from None


def read_archive(
    path: Path, archive: zipfile.ZipFile, expected: InputFormat, split: str
) -> ImageData:
    """Read the arrays of an .npz file."""
    names = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    pairs = (("images", "labels"), ("x", "y"), (f"x_{split}", f"y_{split}"))
    images, labels = next((pair for pair in pairs if pair[0] in names), (None, None))
    if images is None:
        raise DataError(path, f"has no array `images` (it has: {', '.join(names)})")
    found = check_images(path, read_array(path, archive, names[images]), expected)
    if labels not in names:
        return ImageData(found)
    told = read_array(path, archive, names[labels])
    return ImageData(found, check_labels(path, told, len(found), expected.classes))


def read_array(
    path: Path,
    archive: zipfile.ZipFile,
    info: zipfile.ZipInfo,
) -> np.ndarray:
    """One array, once its head is held against the space that it takes."""
    name = info.filename
    with archive.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        read_head = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_head is None:
            raise DataError(path, f"{name} is of an unknown version")
        shape, _, dtype = read_head(stream)
        if dtype.hasobject:
            raise DataError(path, f"{name} holds objects, not numbers")
        length = math.prod(shape) * dtype.itemsize
        if stream.tell() + length != info.file_size:
            raise DataError(path, f"{name} is not as long as its shape tells")
        if length > UNPACKED_BYTES + UNPACKED_SHARE * info.compress_size:
            raise DataError(path, f"{name} unpacks to far more than images do")
    check_memory(path, length)
    with archive.open(info) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def check_images(path: Path, images: np.ndarray, expected: InputFormat) -> np.ndarray:
    """Images as uint8 or float32, with their axes as the network has them."""
    if images.ndim == len(expected.shape) and images.ndim > 1:
        images = images[..., np.newaxis]  # one channel, and no axis for it
    if images.ndim != 1 + len(expected.shape):
        shape = describe_shape(images.shape)
        raise DataError(path, f"{shape} are no images for {describe_shape(expected.shape)}")
    if images.dtype.kind == "f":
        with np.errstate(over="ignore"):
            images = images.astype(np.float32, copy=False)
        if not all(np.isfinite(image).all() for image in images):
            raise DataError(path, "the images hold values that are no finite numbers")
        return images
    if images.dtype.kind not in "iu":
        raise DataError(path, f"the images are {images.dtype}, not numbers")
    if images.dtype != np.uint8 and images.size:
        lowest, highest = images.min(), images.max()
        if lowest < 0 or highest > WHITE:
            fault = f"the images hold {lowest} to {highest}, not 0 to {WHITE}"
            raise DataError(path, fault)
    return images.astype(np.uint8, copy=False)
