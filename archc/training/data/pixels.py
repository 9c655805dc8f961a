"""Statistics of the training images' pixels: by what inputs are standardized, and the principal
components of their colours."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from archc.training.data.images import WHITE, InputFormat
from archc.training.data.prepare import Images, centre_crop
from archc.training.data.stream import Request, StreamedImages

VALUES_AT_ONCE = 1 << 22  # of images whose statistics are taken together


class PixelStatistics(NamedTuple):
    """Statistics of the training images.

    `mean` and `deviation`, of images after scaling, by which the network's input is
    standardized, (pixels * scale - mean) / deviation: float32 arrays that broadcast over
    its axes. `colours`: a principal component of the colours a row, of an eigenvalue's
    length; (channels, channels), float32, or None where no noise of it is added.
    """

    mean: np.ndarray
    deviation: np.ndarray
    colours: np.ndarray | None = None


class PixelSums(NamedTuple):
    """Sums over uint8 images as whole numbers, int64, that are exact in any order: of each value
    and of its square, (height, width, channels), and for the colours of the products of each two
    channels of a pixel, (channels, channels)."""

    values: np.ndarray
    squares: np.ndarray
    products: np.ndarray


# What overflows is for `check_statistics` to refuse.
@np.errstate(over="ignore", invalid="ignore")
def pixel_statistics(
    images: Images,
    indices: np.ndarray,
    expected: InputFormat,
    *,
    lighting: bool = False,
    share: slice = slice(None),
    total: Callable[[PixelSums], PixelSums] = lambda sums: sums,
) -> PixelStatistics:
    """The statistics of the images of these indices; with the colours for `lighting`.

    Of several processes each sums its `share` of streamed images, and `total` adds the sums up.
    """
    ones: np.ndarray = np.ones((1,) * len(expected.shape), np.float32)
    if expected.inputs.standardize == "none" and not lighting:
        return PixelStatistics(0 * ones, ones)
    if not isinstance(images, StreamedImages) and images.dtype != np.uint8:
        mean, deviation = float_statistics(images, indices, expected)
        colours = float_colours(images, indices) if lighting else None
        return PixelStatistics(mean, deviation, colours)
    if isinstance(images, StreamedImages):
        sums = total(pixel_sums(images, indices[share], lighting=lighting))
    else:
        sums = pixel_sums(images, indices, lighting=lighting)
    mean, deviation = exact_statistics(sums, len(indices), expected)
    colours = None
    if lighting:
        pixels = len(indices) * math.prod(sums.values.shape[:-1])
        average = sums.values.reshape(-1, sums.values.shape[-1]).sum(0) / pixels
        covariance = sums.products / pixels - np.outer(average, average)
        colours = colour_components(covariance, WHITE)
    return PixelStatistics(mean, deviation, colours)


def pixel_sums(images: Images, indices: np.ndarray, *, lighting: bool) -> PixelSums:
    """The sums over the uint8 images of these indices."""
    shape = images.shape[1:]
    values: np.ndarray = np.zeros(shape, np.int64)
    squares = np.zeros_like(values)
    channels = shape[-1] if lighting else 0
    products: np.ndarray = np.zeros((channels, channels), np.int64)
    for chunk in image_chunks(images, indices):
        values += chunk.sum(0, dtype=np.int64)
        squares += np.square(chunk, dtype=np.uint16).sum(0, dtype=np.int64)
        if lighting:
            pixels: np.ndarray = chunk.reshape(-1, channels).astype(np.float64)
            products += (pixels.T @ pixels).astype(np.int64)
    return PixelSums(values, squares, products)


def image_chunks(images: Images, indices: np.ndarray) -> Iterator[np.ndarray]:
    """Images, some at a time."""
    size = max(1, VALUES_AT_ONCE // math.prod(images.shape[1:]))
    chunks = [indices[start : start + size] for start in range(0, len(indices), size)]
    if isinstance(images, StreamedImages):
        yield from images.batches(map(Request, chunks))
    else:
        yield from (images[chunk] for chunk in chunks)


def exact_statistics(
    sums: PixelSums, count: int, expected: InputFormat
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of `count` images, from sums of whole numbers."""
    scale = np.float64(expected.inputs.scale)
    axes = summed_axes(sums.values.ndim, expected.inputs.standardize)
    values = sums.values.sum(axes, keepdims=True)
    count *= sums.values.size // values.size
    mean = values / count
    variance = sums.squares.sum(axes, keepdims=True) / count - np.square(mean)
    return finished(mean * scale, variance * np.square(scale), expected)


def float_statistics(
    images: np.ndarray, indices: np.ndarray, expected: InputFormat
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of images of any type, in two passes: of large values with small
    deviations the squares would lose them."""
    axes = summed_axes(images.ndim - 1, expected.inputs.standardize)
    axes = (0, *(axis + 1 for axis in axes))
    scale = np.float64(expected.inputs.scale)
    shape = [1 if axis in axes else images.shape[axis] for axis in range(images.ndim)]
    count = len(indices) * images[0].size / math.prod(shape)
    mean = np.zeros(shape)
    for chunk in image_chunks(images, indices):
        mean += (chunk * scale).sum(axes, keepdims=True) / count
    variance = np.zeros(shape)
    for chunk in image_chunks(images, indices):
        variance += np.square(chunk * scale - mean).sum(axes, keepdims=True) / count
    return finished(mean[0], variance[0], expected)


def summed_axes(rank: int, standardize: str) -> tuple[int, ...]:
    """The axes of an image over which a statistic is taken."""
    if standardize == "pixel_mean":
        return ()
    return tuple(range(rank - (standardize != "dataset")))


def finished(
    mean: np.ndarray, variance: np.ndarray, expected: InputFormat
) -> tuple[np.ndarray, np.ndarray]:
    """What the recipe wants of a mean and a variance, as float32."""
    ones: np.ndarray = np.ones((1,) * mean.ndim, np.float32)
    match expected.inputs.standardize:
        case "none":
            return 0 * ones, ones
        case "pixel_mean":
            return centre_crop(mean, expected.shape).astype(np.float32), ones
        case "channel_mean":
            return mean.astype(np.float32), ones
    deviation = np.sqrt(variance)
    deviation[deviation == 0] = 1  # what never changes becomes 0
    return mean.astype(np.float32), deviation.astype(np.float32)


def float_colours(images: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """The colours' components in images of values from 0 to 1."""
    channels = images.shape[-1]
    values = np.zeros(channels)
    products = np.zeros((channels, channels))
    for chunk in image_chunks(images, indices):
        pixels: np.ndarray = chunk.reshape(-1, channels).astype(np.float64)
        values += pixels.sum(0)
        products += pixels.T @ pixels
    count = len(indices) * math.prod(images.shape[1:-1])
    mean = values / count
    return colour_components(products / count - np.outer(mean, mean), 1)


def colour_components(covariance: np.ndarray, white: int) -> np.ndarray:
    """Eigenvectors of the colours' covariance, a row each, times their eigenvalues: (3, 3).

    An eigenvalue is that of colours from 0 to 1, its vector in the units of the data, whose
    largest value is `white`. Krizhevsky, Sutskever, Hinton 2012, section 4.1.
    """
    values, vectors = np.linalg.eigh(covariance)
    components: np.ndarray = (vectors * values / white).T.astype(np.float32)
    return components
