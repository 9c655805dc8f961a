"""Images and labels as the readers return them, and the checks that all readers share."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from archc.language.recipe import Augment, Inputs
from archc.training.data.stream import StreamedImages, Streaming
from archc.training.errors import DataError, describe_shape, shortened
from archc.training.task import IMAGE_RANK

# A packed file may hold so many bytes, and so many for each of its own beyond that:
# images pack ten times, what is made to fill the memory a thousand times.
UNPACKED_BYTES = 1 << 26
UNPACKED_SHARE = 100
WHITE = 255
MOST_CLASSES = 100_000
"""The limit of labels where no network tells the number of classes."""
SHOWN_NAMES = 5
LONGEST_NAMES = 120
GIB = 1 << 30


class InputFormat(NamedTuple):
    """The images that a network takes: the axes of its input with the channels last, the number of
    classes, how each image is preprocessed, which folders of them are streamed (by default none),
    and how the images of a training batch are changed."""

    shape: tuple[int, ...]
    classes: int
    inputs: Inputs
    streaming: Streaming | None = None
    augment: Augment = Augment()

    @property
    def has_images(self) -> bool:
        """Whether an input has height, width and channels."""
        return len(self.shape) == IMAGE_RANK


class ImageData(NamedTuple):
    """Images with what is known of them.

    `images`: uint8 or float32, (count, height, width, channels) or the axes of the
    network's input; or the files of streamed ones, resized and padded already.
    `labels`: int64 (count,). `classes`: what a folder calls them. `names`: the images'
    files. What the data do not tell is None. `notes`: how they were read, where that is
    to be told.
    """

    images: np.ndarray | StreamedImages
    labels: np.ndarray | None = None
    classes: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    @property
    def array(self) -> np.ndarray:
        """The images of data that is not streamed."""
        assert not isinstance(self.images, StreamedImages)
        return self.images

    @property
    def known_labels(self) -> np.ndarray:
        """The labels of data that has them."""
        assert self.labels is not None
        return self.labels


def all_classes(classes: tuple[str, ...] | None, count: int) -> tuple[str, ...]:
    """A name for each of `count` classes: its number where the data have no name for it."""
    named = () if classes is None else classes
    return (*named, *map(str, range(len(named), count)))


def some_names(names: Sequence[str]) -> str:
    """Names for a message, the first ones where they are many."""
    shown = ", ".join(names[:SHOWN_NAMES]) + ", ..." * (len(names) > SHOWN_NAMES)
    return shortened(shown, LONGEST_NAMES)


@contextmanager
def unpacking(path: Path) -> Iterator[None]:
    """Report what gzip finds wrong with a file as a DataError."""
    try:
        yield
    except EOFError:
        raise DataError(path, "is cut off: its gzip stream has no end") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(path, f"is no sound gzip file ({error})") from None


def largest_content(path: Path) -> int:
    """How many bytes a packed file may hold."""
    return UNPACKED_BYTES + UNPACKED_SHARE * path.stat().st_size


def check_memory(path: Path, needed: int) -> None:
    """Refuse images that the memory cannot hold, before it is filled with them."""
    present = machine_memory()
    if needed > present:
        fault = (
            f"the images need {needed / GIB:,.1f} GiB of memory, and this machine"
            f" has {present / GIB:,.1f} GiB: take fewer of them, or smaller ones"
        )
        raise DataError(path, fault)


def machine_memory() -> float:
    """Bytes of memory that there are for this process, as far as the system tells."""
    sizes = [math.inf]
    with suppress(AttributeError, OSError, ValueError):  # Windows does not tell
        sizes.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with suppress(OSError, ValueError):  # no container, or one without a limit
        limit = Path("/sys/fs/cgroup/memory.max")
        sizes.append(int(limit.read_text(encoding="ascii")))
    return min(size for size in sizes if size > 0)


def check_label(path: Path, label: int, classes: int, row: int) -> None:
    """Refuse a label that is none of the network's classes."""
    if not 0 <= label < classes:
        raise DataError(path, f"label {label} is not one of 0 to {classes - 1}", row)


def check_labels(path: Path, labels: np.ndarray, count: int, classes: int) -> np.ndarray:
    """Labels as int64 (count,). Raises DataError where one is none of the network's classes."""
    if labels.dtype.kind not in "iu":
        raise DataError(path, f"labels are whole numbers, not {labels.dtype}")
    if labels.shape not in ((count,), (count, 1)):
        shape = describe_shape(labels.shape)
        raise DataError(path, f"{count} images have labels of shape {shape}")
    labels = labels.reshape(count)
    faulty = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(faulty):
        first = int(faulty[0])
        check_label(path, int(labels[first]), classes, first + 1)
    return labels.astype(np.int64)


def image_shape(path: Path, features: int, expected: InputFormat | None) -> tuple[int, ...]:
    """The axes of an image whose values stand in a row; without a network a square of one or three
    channels, or else a vector. Raises DataError."""
    shape = row_shape(features, expected)
    if shape is None:
        assert expected is not None
        taken = describe_shape(expected.shape)
        fault = f"{features} values a row make no image for a network of {taken}"
        raise DataError(path, fault, 1)
    return shape


def row_shape(features: int, expected: InputFormat | None) -> tuple[int, ...] | None:
    """As `image_shape`; None where so many values make no image."""
    if expected is None:
        return next(filter(None, (square(features, channels) for channels in (1, 3))), (features,))
    shape = expected.shape
    if expected.has_images:
        height, width, channels = shape
        pad = expected.inputs.pad
        shape = (height - 2 * pad, width - 2 * pad, channels)
        if expected.inputs.resize is not None or math.prod(shape) != features:
            return square(features, channels)
    return shape if math.prod(shape) == features else None


def square(features: int, channels: int) -> tuple[int, int, int] | None:
    """The axes of a square image of so many values."""
    side = math.isqrt(features // channels)
    return (side, side, channels) if side * side * channels == features else None
