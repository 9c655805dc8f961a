"""The idx files that MNIST comes in."""

from __future__ import annotations

import gzip
import math
import struct
from io import BufferedIOBase
from pathlib import Path
from typing import cast

import numpy as np

from archc.training.data.images import (
    MOST_CLASSES,
    ImageData,
    InputFormat,
    check_labels,
    check_memory,
    largest_content,
    unpacking,
)
from archc.training.data.regular import check_inside, open_regular
from archc.training.errors import DataError, describe_shape

UBYTE = 8  # the code of unsigned bytes


def read_idx_pair(path: Path, expected: InputFormat | None) -> ImageData:
    """Read a file of images, and that of its labels where it lies beside it; `expected` is None
    without a network."""
    images = read_idx(path, len(("images", "rows", "columns")))
    beside = [
        path.with_name(name.removesuffix(".gz") + end)
        for name in [path.name.replace("images", "labels").replace("idx3", "idx1")]
        for end in ("", ".gz")
    ]
    found = next((one for one in beside if one != path and one.exists()), None)
    data = ImageData(images[..., np.newaxis])
    if expected is not None and len(expected.shape) == 1:
        data = ImageData(images.reshape(len(images), math.prod(images.shape[1:])))
    if found is None:
        return data
    check_inside(found, path.parent.resolve())
    classes = MOST_CLASSES if expected is None else expected.classes
    labels = check_labels(found, read_idx(found, 1), len(images), classes)
    return data._replace(labels=labels)


def read_idx(path: Path, rank: int) -> np.ndarray:
    """An array of unsigned bytes, as MNIST has them: magic, sizes, values."""
    packed = path.name.endswith(".gz")
    with open_regular(path) as file, unpacking(path):
        size = largest_content(path) if packed else path.stat().st_size
        stream = cast("BufferedIOBase", gzip.GzipFile(fileobj=file) if packed else file)
        magic = stream.read(4)
        if not magic:
            raise DataError(path, "is empty")
        if magic != bytes((0, 0, UBYTE, rank)):
            wanted = f"00 00 {UBYTE:02x} {rank:02x}"
            raise DataError(path, f"begins with {magic.hex(' ')}, not with {wanted}")
        head = stream.read(4 * rank)
        if len(head) != 4 * rank:
            raise DataError(path, "is cut off in its sizes")
        shape = struct.unpack(f">{rank}I", head)
        length = math.prod(shape)
        told = f"{describe_shape(shape)} values"
        if length + 4 + 4 * rank > size:
            fault = "is cut off" if not packed else "cannot hold so much"
            raise DataError(path, f"{fault}: its sizes tell of {told}")
        check_memory(path, length)
        values: np.ndarray = np.empty(length, np.uint8)
        if stream.readinto(values.data) != length:
            raise DataError(path, f"is cut off: its sizes tell of {told}")
        if stream.read(1):
            raise DataError(path, f"goes on behind the {told} that its sizes tell of")
    return values.reshape(shape)
