"""Preparing images: sizes, statistics, what is held out, the order of an epoch."""

import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from archc.training.script.parts.common.data import IMAGE_RANK, check_memory
from archc.training.script.parts.common.faults import DataError, RunError, describe_shape

ROWS_AT_ONCE = 1024  # images that a thread resizes in one go
VALUES_AT_ONCE = 1 << 22  # of images whose statistics are taken together


def prepare_images(images: np.ndarray, path: Path) -> np.ndarray:
    """Resize and pad images by the recipe: (count, height, width, channels).

    They come out at least as large as the network's input. Raises DataError, in the
    name of `path`, where they cannot.
    """
    if RESIZE is not None and images.shape[1:3] != resized_shape(images.shape[1:3]):
        images = resize_images(images, path)
    if PAD:
        count, height, width, channels = images.shape
        shape = (count, height + 2 * PAD, width + 2 * PAD, channels)
        check_memory(path, math.prod(shape) * images.itemsize)
        padded = np.zeros(shape, images.dtype)
        padded[:, PAD : PAD + height, PAD : PAD + width] = images
        images = padded
    sizes = images.shape[1:]
    fits = len(sizes) == len(INPUT_SHAPE) and sizes[-1] == INPUT_SHAPE[-1]
    if len(sizes) == IMAGE_RANK:
        fits = fits and all(map(int.__ge__, sizes, INPUT_SHAPE))
    else:
        fits = sizes == INPUT_SHAPE
    if not fits:
        size, taken = describe_shape(sizes), describe_shape(INPUT_SHAPE)
        padded = f", {PAD} zeros added at each side" * (PAD > 0)
        fault = f"the images are {size}{padded}, and the network takes {taken}"
        raise DataError(path, fault)
    return images


def resized_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of an image after resizing."""
    if RESIZE is None:
        return shape[0], shape[1]
    return (RESIZE, RESIZE) if isinstance(RESIZE, int) else RESIZE


def resize_images(images: np.ndarray, path: Path) -> np.ndarray:
    """Images of one size resized by the recipe, by several threads."""
    shape = (len(images), *resized_shape(images.shape[1:]), images.shape[-1])
    check_memory(path, math.prod(shape) * images.itemsize)
    resized = np.empty(shape, images.dtype)

    def resize_some(start: int) -> None:
        for index in range(start, min(start + ROWS_AT_ONCE, len(images))):
            resized[index] = resize_pixels(images[index])

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for _ in threads.map(resize_some, range(0, len(images), ROWS_AT_ONCE)):
            pass
    return resized


def resize_pixels(pixels: np.ndarray) -> np.ndarray:
    """One image, (height, width, channels), resized by the recipe, antialiased.

    To one number: the shorter side, and then the square in the middle is kept.
    """
    target = resized_shape(pixels.shape)
    height, width, channels = pixels.shape
    if RESIZE is None or target == (height, width):
        return pixels
    try:
        from PIL import Image  # resizing alone needs it
    except ImportError:
        message = "resizing images takes Pillow: pip install pillow"
        raise RunError(message) from None
    box = (0.0, 0.0, float(width), float(height))
    if isinstance(RESIZE, int):
        side = min(height, width)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
    planes = [
        np.asarray(
            Image.fromarray(pixels[:, :, channel]).resize(
                target[::-1],
                Image.Resampling.BILINEAR,
                box,
            ),
        )
        for channel in range(channels)
    ]
    return np.stack(planes, -1)


def centre_crop(images: np.ndarray) -> np.ndarray:
    """The middle of images, as large as the network's input: a view.

    Takes (..., height, width, channels), at least as large.
    """
    if len(INPUT_SHAPE) != IMAGE_RANK:
        return images
    height, width, _ = INPUT_SHAPE
    top = (images.shape[-3] - height) // 2
    left = (images.shape[-2] - width) // 2
    return images[..., top : top + height, left : left + width, :]


# What overflows is for `check_statistics` to refuse.
@np.errstate(over="ignore", invalid="ignore")
def image_statistics(
    images: np.ndarray,
    indices: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation by which the network's input is standardized.

    Of the images of these indices, after scaling: float32 arrays that broadcast over
    the axes of an input. An input is (pixels * SCALE - mean) / deviation.
    """
    ones = np.ones((1,) * len(INPUT_SHAPE), np.float32)
    if STANDARDIZE == "none":
        return 0 * ones, ones
    axes = tuple(range(images.ndim - (STANDARDIZE != "dataset")))
    if STANDARDIZE == "pixel_mean":
        axes = (0,)
    shape = [1 if axis in axes else images.shape[axis] for axis in range(images.ndim)]
    count = len(indices) * images[0].size / math.prod(shape)
    mean = np.zeros(shape)
    for chunk in float_chunks(images, indices):
        mean += chunk.sum(axes, keepdims=True) / count
    if STANDARDIZE in {"channel_mean", "pixel_mean"}:
        mean = centre_crop(mean) if STANDARDIZE == "pixel_mean" else mean
        return mean[0].astype(np.float32), ones
    variance = np.zeros(shape)
    for chunk in float_chunks(images, indices):
        variance += np.square(chunk - mean).sum(axes, keepdims=True) / count
    deviation = np.sqrt(variance)
    deviation[deviation == 0] = 1  # what never changes becomes 0
    return mean[0].astype(np.float32), deviation[0].astype(np.float32)


def float_chunks(images: np.ndarray, indices: np.ndarray) -> Iterator[np.ndarray]:
    """Scaled images as float64, some at a time."""
    size = max(1, VALUES_AT_ONCE // images[0].size)
    for start in range(0, len(indices), size):
        yield images[indices[start : start + size]] * np.float64(SCALE)


def split_validation(
    labels: np.ndarray,
    seed: int,
    path: Path,
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the images to train with, and of those held out, both rising.

    Of each class the same share is held out, to one image, and never all; which,
    follows from the seed. Raises DataError, in the name of `path`, where nothing would
    be held out.
    """
    count = len(labels)
    order = np.random.default_rng((seed, count)).permutation(count)
    order = order[np.argsort(labels[order], kind="stable")]
    # Along the classes one after another, whenever the share makes a whole image more.
    shares = np.floor(np.arange(count + 1) * VALIDATION + 1e-9)
    held_out = np.diff(shares) > 0
    _, starts = np.unique(labels[order], return_index=True)
    emptied = np.logical_and.reduceat(held_out, starts)
    held_out[starts[emptied]] = False
    if VALIDATION and not held_out.any():
        raise DataError(
            path, f"{count} images are too few to hold {VALIDATION} of them out"
        )
    return np.sort(order[~held_out]), np.sort(order[held_out])


def epoch_batches(count: int, seed: int, epoch: int) -> list[np.ndarray]:
    """For each step of an epoch, which of `count` images it takes: all at random.

    The last step of an epoch that goes once through the images may take fewer of them.
    """
    generator = np.random.default_rng((seed, epoch))
    if STEPS_PER_EPOCH is None:
        order = generator.permutation(count)
    else:
        times = math.ceil(STEPS_PER_EPOCH * BATCH_SIZE / count)
        several = [generator.permutation(count) for _ in range(times)]
        order = np.concatenate(several)[: STEPS_PER_EPOCH * BATCH_SIZE]
    return [
        order[start : start + BATCH_SIZE] for start in range(0, len(order), BATCH_SIZE)
    ]


def steps_per_epoch(count: int) -> int:
    """Steps that count as an epoch of `count` images."""
    return STEPS_PER_EPOCH or math.ceil(count / BATCH_SIZE)


def total_steps(count: int, epochs: int | None) -> int:
    """Steps of the whole training with `count` images: so many epochs, or STEPS."""
    return STEPS if epochs is None else epochs * steps_per_epoch(count)
