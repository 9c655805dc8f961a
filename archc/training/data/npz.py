"""NumPy's .npz files."""

from __future__ import annotations

import errno
import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tokenize import TokenError

import numpy as np

from archc.training.data.images import (
    MOST_CLASSES,
    UNPACKED_BYTES,
    UNPACKED_SHARE,
    WHITE,
    ImageData,
    InputFormat,
    check_labels,
    check_memory,
    some_names,
)
from archc.training.data.regular import open_regular
from archc.training.errors import DataError, describe_shape, shortened
from archc.training.file_format import DEFAULT_FORMAT, FileFormat
from archc.training.task import IMAGE_RANK

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


TEST = (("x_test", "y_test"), ("test_images", "test_labels"))
NAMES: Mapping[str, Sequence[tuple[str, str]]] = {
    "train": (("x_train", "y_train"), ("train_images", "train_labels")),
    "val": (("x_val", "y_val"), ("val_images", "val_labels"), *TEST),
    "test": TEST,
}
"""What the arrays of each split are called, images and labels: as Keras' data sets have them, and
as MedMNIST has them. Without images to validate with those to test are."""
PLAIN = (("images", "labels"), ("x", "y"))
"""What they are called in a file without splits."""
CLASSES = "classes"
LONGEST_CLASS = 255  # characters


def read_npz(
    path: Path,
    expected: InputFormat | None,
    splits: Sequence[str] = ("train",),
    file_format: FileFormat = DEFAULT_FORMAT,
) -> ImageData:
    """Read `images` with `labels`, or `x` with `y`, or those of the first of some `splits`
    ("train", "val", "test") that there is; `expected` is None without a network. Names of the
    classes that labels stand for are read with them, as `archc data pack` writes them."""
    try:
        with open_regular(path) as stream, zipfile.ZipFile(stream) as archive:
            return read_archive(path, archive, expected, splits, file_format)
    except NPZ_FAULTS as error:
        raise DataError(path, f"is no sound .npz file ({error})") from None
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        fault = "is no sound .npz file (it names a place before its own start)"
        raise DataError(path, fault) from None


def read_archive(
    path: Path,
    archive: zipfile.ZipFile,
    expected: InputFormat | None,
    splits: Sequence[str],
    file_format: FileFormat,
) -> ImageData:
    """Read the arrays of an .npz file."""
    names = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    pairs = [*PLAIN, *(pair for split in splits for pair in NAMES[split])]
    images, labels = next((pair for pair in pairs if pair[0] in names), (None, None))
    if images is None:
        fault = f"has no array `images` (it has: {some_names(list(names))})"
        raise DataError(path, fault)
    found = check_images(path, read_array(path, archive, names[images]), expected)
    notes: tuple[str, ...] = ()
    if has_channels_first(path, found.shape[1:], expected, file_format):
        notes = (f"the channels come first: {describe_shape(found.shape[1:])}",)
        found = np.ascontiguousarray(np.moveaxis(found, 1, -1))
    data = ImageData(found, notes=notes)
    if labels not in names:
        return data
    values = read_array(path, archive, names[labels])
    classes = None
    if CLASSES in names:
        with suppress(DataError):  # of an array that holds objects, which is no matter of ours
            classes = text_classes(read_array(path, archive, names[CLASSES]))
    if classes is not None:
        check_classes(path, classes)
    count = MOST_CLASSES if expected is None else expected.classes
    count = count if classes is None else len(classes)
    return data._replace(labels=check_labels(path, values, len(found), count), classes=classes)


def read_array(
    path: Path,
    archive: zipfile.ZipFile,
    info: zipfile.ZipInfo,
) -> np.ndarray:
    """One array, once its head is held against the space that it takes."""
    name = shortened(info.filename)
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


def text_classes(names: np.ndarray) -> tuple[str, ...] | None:
    """The names of classes; None for an array of anything but text, which has other things to
    tell."""
    is_text = names.dtype.kind == "U" and names.ndim == 1
    return (tuple(names.tolist()) or None) if is_text else None


def check_classes(path: Path, found: tuple[str, ...]) -> None:
    """Refuse names of classes that folders of images could not have."""
    for name in found:
        name.encode()  # what cannot be written down is a ValueError, as all else that is unsound
        if not 0 < len(name) <= LONGEST_CLASS:
            raise DataError(path, f"{shortened(name)!r} is no name of a class")
    if len({*found}) < len(found):
        raise DataError(path, "two classes have one name")


def check_images(path: Path, images: np.ndarray, expected: InputFormat | None) -> np.ndarray:
    """Images as uint8 or float32, with as many axes as the network's input has and one more;
    without a network images or vectors."""
    without_network = 1 if images.ndim == 2 else IMAGE_RANK
    rank = without_network if expected is None else len(expected.shape)
    if images.ndim == rank > 1:
        images = images[..., np.newaxis]  # one channel, and no axis for it
    if images.ndim != 1 + rank:
        shape = describe_shape(images.shape)
        taken = "" if expected is None else f" for {describe_shape(expected.shape)}"
        raise DataError(path, f"{shape} are no images{taken}")
    if images.dtype.kind == "f":
        with np.errstate(over="ignore"):
            images = images.astype(np.float32, copy=False)
        if not all(np.isfinite(image).all() for image in images):
            raise DataError(path, "the images hold values that are no finite numbers")
        return images
    if images.dtype.kind not in "iu":
        raise DataError(path, f"the images are {shortened(str(images.dtype))}, not numbers")
    if images.dtype != np.uint8 and images.size:
        lowest, highest = images.min(), images.max()
        if lowest < 0 or highest > WHITE:
            fault = f"the images hold {lowest} to {highest}, not 0 to {WHITE}"
            raise DataError(path, fault)
    return images.astype(np.uint8, copy=False)


def has_channels_first(
    path: Path, sizes: tuple[int, ...], expected: InputFormat | None, file_format: FileFormat
) -> bool:
    """Whether the first axis of an image has the channels, not the last one. Raises DataError where
    its `sizes` leave that open."""
    if len(sizes) < IMAGE_RANK or 0 in sizes or set(sizes) == {1}:
        return False
    if file_format.channels is not None:
        return file_format.channels == "first"
    if expected is None:
        is_first, is_last = (
            sizes[axis] < min(sizes[:axis] + sizes[axis + 1 :]) for axis in (0, len(sizes) - 1)
        )
        is_open = is_first == is_last
    else:
        channels = expected.shape[-1]
        is_first, is_last = sizes[0] == channels, sizes[-1] == channels
        is_open = is_first and is_last
        if is_open and expected.inputs.resize is None:
            taken = tuple(side - 2 * expected.inputs.pad for side in expected.shape[:-1])
            is_first, is_last = (
                all(map(int.__ge__, spatial, taken)) for spatial in (sizes[1:], sizes[:-1])
            )
            is_open = is_first == is_last
    if is_open:
        fault = f"images of {describe_shape(sizes)} may have their channels first or last"
        raise DataError(path, f"{fault}: say so with --channels")
    return is_first
