"""Preparing images: sizes, what is held out, the order of an epoch."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from archc.language.recipe import Training
from archc.training.data.images import InputFormat, check_memory
from archc.training.data.stream import Request, StreamedImages
from archc.training.data.views import Size, View, crop_view, evaluation_view, take_parts
from archc.training.errors import DataError, RunError, describe_shape
from archc.training.task import IMAGE_RANK

ROWS_AT_ONCE = 1024  # images that a thread resizes in one go
Images = np.ndarray | StreamedImages


def prepare_images(images: Images, path: Path, expected: InputFormat) -> Images:
    """Resize and pad images by the recipe: (count, height, width, channels).

    Streamed ones are prepared when they are decoded. They come out at least as large as the
    network's input. Raises DataError, in the name of `path`, where they cannot.
    """
    resize, pad = expected.inputs.resize, expected.inputs.pad
    if not isinstance(images, StreamedImages):
        if resize is not None and images.shape[1:3] != resized_shape(images.shape[1:3], resize):
            images = resize_images(images, path, resize)
        if pad:
            check_memory(path, math.prod(padded_shape(images.shape, pad)) * images.itemsize)
            images = pad_images(images, pad)
    sizes = images.shape[1:]
    fits = sizes == expected.shape
    if expected.has_images and len(sizes) == len(expected.shape):
        fits = sizes[-1] == expected.shape[-1] and all(map(int.__ge__, sizes, expected.shape))
    if not fits:
        size, taken = describe_shape(sizes), describe_shape(expected.shape)
        zeros = f", {pad} zeros added at each side" * (pad > 0)
        fault = f"the images are {size}{zeros}, and the network takes {taken}"
        raise DataError(path, fault)
    return images


def padded_shape(shape: tuple[int, ...], pad: int) -> tuple[int, ...]:
    """The shape of images, (count, height, width, channels), with zeros on each side."""
    count, height, width, channels = shape
    return count, height + 2 * pad, width + 2 * pad, channels


def pad_images(images: np.ndarray, pad: int) -> np.ndarray:
    """Images with zeros on each side: (count, height, width, channels)."""
    height, width = images.shape[1:3]
    padded: np.ndarray = np.zeros(padded_shape(images.shape, pad), images.dtype)
    padded[:, pad : pad + height, pad : pad + width] = images
    return padded


def resized_shape(shape: tuple[int, ...], resize: Size | None) -> tuple[int, int]:
    """Height and width of an image after resizing."""
    if resize is None:
        return shape[0], shape[1]
    return (resize, resize) if isinstance(resize, int) else resize


def resize_images(images: np.ndarray, path: Path, resize: Size) -> np.ndarray:
    """Images of one size resized by the recipe, by several threads."""
    shape = (len(images), *resized_shape(images.shape[1:], resize), images.shape[-1])
    check_memory(path, math.prod(shape) * images.itemsize)
    resized: np.ndarray = np.empty(shape, images.dtype)
    height, width = images.shape[1:3]
    view = evaluation_view(height, width, resize)

    def resize_some(start: int) -> None:
        for index in range(start, min(start + ROWS_AT_ONCE, len(images))):
            resized[index] = resize_pixels(images[index], view)

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for _ in threads.map(resize_some, range(0, len(images), ROWS_AT_ONCE)):
            pass
    return resized


def resize_pixels(pixels: np.ndarray, view: View) -> np.ndarray:
    """A view of one image, (height, width, channels), antialiased."""
    try:
        from PIL import Image  # resizing alone needs it
    except ImportError:
        message = "resizing images takes Pillow: pip install pillow"
        raise RunError(message) from None
    planes = [
        np.asarray(
            Image.fromarray(pixels[:, :, channel]).resize(
                view.size[::-1], Image.Resampling.BILINEAR, view.box
            ),
        )
        for channel in range(pixels.shape[-1])
    ]
    resized: np.ndarray = np.stack(planes, -1)
    return resized


@dataclass(frozen=True, eq=False)
class CroppedImages:
    """Images in memory, (count, height, width, channels), of which parts of random size are taken
    by several threads."""

    images: np.ndarray
    expected: InputFormat

    @property
    def shape(self) -> tuple[int, ...]:
        """The axes of the images before parts of them are taken."""
        shape: tuple[int, ...] = self.images.shape
        return shape

    def batches(self, requests: Iterable[Request]) -> Iterator[np.ndarray]:
        """The parts of the images of each request that its draws choose, as large as the network's
        input."""
        height, width, _ = self.expected.shape
        augment = self.expected.augment

        def take(index: int, draws: np.ndarray) -> np.ndarray:
            image = self.images[index]
            rows, columns = image.shape[:2]
            view = crop_view(rows, columns, augment.crop, draws, (height, width))
            return resize_pixels(image, view)

        with ThreadPoolExecutor(os.cpu_count()) as threads:
            for indices, draws in requests:
                assert draws is not None
                parts: np.ndarray = np.stack(list(threads.map(take, indices, draws)))
                yield take_parts(parts, draws, augment, self.expected.shape)


def ten_corners(room: tuple[int, int]) -> list[tuple[int, int]]:
    """Where the parts of an image begin that are evaluated each as it is and mirrored, in images
    larger by the `room`: rows and columns of the four corners and the centre (Krizhevsky,
    Sutskever, Hinton 2012, section 4.1)."""
    down, right = room
    return [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]


def centre_crop(images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The middle of images, as large as the network's input of `shape`: a view.

    Takes (..., height, width, channels), at least as large.
    """
    if len(shape) != IMAGE_RANK:
        return images
    height, width, _ = shape
    top = (images.shape[-3] - height) // 2
    left = (images.shape[-2] - width) // 2
    return images[..., top : top + height, left : left + width, :]


def split_validation(
    labels: np.ndarray,
    share: float,
    seed: int,
    path: Path,
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the images to train with, and of those held out, both rising.

    Of each class the same `share` is held out, to one image, and never all; which,
    follows from the seed. Raises DataError, in the name of `path`, where nothing would
    be held out.
    """
    count = len(labels)
    order = np.random.default_rng((seed, count)).permutation(count)
    order = order[np.argsort(labels[order], kind="stable")]
    # Along the classes one after another, whenever the share makes a whole image more.
    shares = np.floor(np.arange(count + 1) * share + 1e-9)
    held_out = np.diff(shares) > 0
    _, starts = np.unique(labels[order], return_index=True)
    emptied = np.logical_and.reduceat(held_out, starts)
    held_out[starts[emptied]] = False
    if share and not held_out.any():
        raise DataError(path, f"{count} images are too few to hold {share} of them out")
    return np.sort(order[~held_out]), np.sort(order[held_out])


def epoch_batches(count: int, recipe: Training, seed: int, epoch: int) -> list[np.ndarray]:
    """For each step of an epoch, which of `count` images it takes: all at random.

    The last step of an epoch that goes once through the images may take fewer of them.
    """
    generator = np.random.default_rng((seed, epoch))
    size = recipe.batch_size
    if recipe.steps_per_epoch is None:
        order = generator.permutation(count)
    else:
        length = recipe.steps_per_epoch * size
        several = [generator.permutation(count) for _ in range(math.ceil(length / count))]
        order = np.concatenate(several)[:length]
    return [order[start : start + size] for start in range(0, len(order), size)]


def steps_per_epoch(count: int, recipe: Training) -> int:
    """Steps that count as an epoch of `count` images."""
    return recipe.steps_per_epoch or math.ceil(count / recipe.batch_size)


def total_steps(count: int, recipe: Training, epochs: int | None) -> int:
    """Steps of the whole training with `count` images: so many epochs, or the recipe's steps."""
    if epochs is None:
        assert recipe.steps is not None
        return recipe.steps
    return epochs * steps_per_epoch(count, recipe)
