"""Images of any network input as RGB pictures, and as PNG."""

from __future__ import annotations

import math
import struct
import zlib
from itertools import pairwise

import numpy as np

MAP_RANK = 3
COLOURED = 3


def picture(image: np.ndarray) -> np.ndarray:
    """An image, (height, width, channels) or (features,), as uint8 (height, width, 3).

    One channel is grey, the first three of three or four are RGB, other numbers are averaged.
    Features fill a square row by row.
    """
    if image.ndim != MAP_RANK:
        features = image.reshape(-1)
        side = math.isqrt(max(len(features), 1) - 1) + 1
        square: np.ndarray = np.zeros(side * -(-len(features) // side), np.uint8)
        square[: len(features)] = features
        image = square.reshape(-1, side, 1)
    channels = image.shape[2]
    if channels in (COLOURED, COLOURED + 1):
        return image[:, :, :COLOURED]
    grey: np.ndarray = image.mean(2, keepdims=True).round().astype(np.uint8)
    return grey.repeat(COLOURED, 2)


def shrink(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """A picture scaled down to at most `height` x `width` by averaging pixels."""
    for axis, most in ((0, height), (1, width)):
        size = image.shape[axis]
        if size > most:
            edges = (np.arange(most + 1) * size // most).tolist()
            bands = (np.arange(start, end) for start, end in pairwise(edges))
            # One after the other: as floats an image takes eight times its memory.
            means: list[np.ndarray] = [image.take(band, axis).mean(axis) for band in bands]
            image = np.stack(means, axis).round().astype(np.uint8)
    return image


def fit(image: np.ndarray, side: int) -> np.ndarray:
    """A picture scaled to fit into a square: shrunk, or enlarged by an integer factor."""
    height, width = image.shape[:2]
    longest = max(height, width)
    if longest > side:
        return shrink(image, max(1, height * side // longest), max(1, width * side // longest))
    times = side // longest
    return image.repeat(times, 0).repeat(times, 1)


def png(image: np.ndarray) -> bytes:
    """A picture as a PNG file, independent of installed libraries."""
    height, width, channels = image.shape
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # each begins with its filter: none
    rows[:, 1:] = image.reshape(height, -1)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", head),
            _chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)),
            _chunk(b"IEND", b""),
        ]
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
