"""Folders of image files."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from archc.language.recipe import Inputs
from archc.training.data.images import MOST_CLASSES, ImageData, InputFormat, check_memory
from archc.training.data.listing import list_images
from archc.training.data.prepare import resize_pixels
from archc.training.data.regular import open_regular
from archc.training.errors import DataError, RunError, describe_shape

if TYPE_CHECKING:
    from PIL import Image

IMAGE_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
FILES_AT_ONCE = 1024  # that wait for a thread
LARGEST_IMAGE = 1 << 26  # pixels
LARGE_IMAGE = 1 << 22  # pixels, of ten bytes each while they are decoded
"""Larger images are decoded by one thread, one after the other: each thread would keep the memory
of the largest one."""
MODES = {1: "L", 3: "RGB"}  # by channels
ANY_IMAGE = InputFormat((1, 1, 3), MOST_CLASSES, Inputs())
"""Images of any size in colour, without a network: only the number of channels is read of it."""
# What Pillow raises at damaged files.
IMAGE_FAULTS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


def read_image_folder(
    folder: Path,
    expected: InputFormat,
    *,
    labelled: bool,
    classes: tuple[str, ...] | None,
) -> ImageData:
    """Read a folder with a folder of images for each class, or with images alone."""
    found = list_images(folder, expected.classes, classes)
    if labelled and found.labels is None:
        fault = "holds no folders of images, no train.csv, no train-images-idx3-ubyte"
        raise DataError(folder, fault)
    return ImageData(
        decode_images(folder, found.files, expected),
        found.labels,
        found.classes,
        found.names,
        found.notes,
    )


def decode_images(folder: Path, files: Sequence[Path], expected: InputFormat) -> np.ndarray:
    """Images of files as uint8 (count, height, width, channels), by several threads."""
    if not files:
        return np.empty((0, *expected.shape), np.uint8)
    if not expected.has_images or expected.shape[-1] not in MODES:
        fault = f"is an image, and the network takes {describe_shape(expected.shape)}"
        raise DataError(files[0], fault)
    with (
        warnings.catch_warnings(),
        ThreadPoolExecutor(1) as one_thread,
        ThreadPoolExecutor(os.cpu_count()) as threads,
    ):
        warnings.simplefilter("ignore")  # Pillow's, of what is refused here
        first = decode_image(files[0], expected, one_thread)
        check_memory(folder, len(files) * first.nbytes)
        images: np.ndarray = np.empty((len(files), *first.shape), np.uint8)

        def place(index: int) -> None:
            image = decode_image(files[index], expected, one_thread)
            if image.shape != first.shape:
                size, other = map(describe_shape, (image.shape, first.shape))
                fault = f"is {size}, and {files[0].name} is {other}"
                raise DataError(files[index], f"{fault}: resize them in the recipe")
            images[index] = image

        for start in range(0, len(files), FILES_AT_ONCE):
            indices = range(start, min(start + FILES_AT_ONCE, len(files)))
            for _ in threads.map(place, indices):
                pass
    return images


def decode_image(
    path: Path, expected: InputFormat, one_thread: Executor | None = None
) -> np.ndarray:
    """An image as uint8 (height, width, channels), upright, resized by the recipe; a large one is
    decoded by the one thread, where several decode images."""
    try:
        from PIL import Image, UnidentifiedImageError  # images alone need it
    except ImportError:
        message = "reading images takes Pillow: pip install pillow"
        raise RunError(message) from None
    try:
        with open_regular(path) as stream, Image.open(stream, formats=IMAGE_FORMATS) as image:
            if image.width * image.height > LARGEST_IMAGE:
                raise DataError(path, f"{image.width} x {image.height} are too large")
            if image.mode[0] in "IF":
                raise DataError(path, f"has pixels of more than 8 bits ({image.mode})")
            if one_thread is None or image.width * image.height <= LARGE_IMAGE:
                return upright_pixels(image, expected)
            return one_thread.submit(upright_pixels, image, expected).result()
    except IMAGE_FAULTS as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        # Of a file that is none at all Pillow has no more to tell.
        reason = "" if isinstance(error, UnidentifiedImageError) else f" ({error})"
        raise DataError(path, f"is no image that can be read{reason}") from None
    except Image.DecompressionBombError as error:
        raise DataError(path, f"is too large ({error})") from None


def upright_pixels(image: Image.Image, expected: InputFormat) -> np.ndarray:
    """The pixels of an opened image, turned as its Exif tells, and resized."""
    from PIL import ImageOps

    ImageOps.exif_transpose(image, in_place=True)
    mode = MODES[expected.shape[-1]]
    pixels: np.ndarray = np.asarray(image if image.mode == mode else image.convert(mode))
    pixels = pixels.reshape(*pixels.shape[:2], expected.shape[-1])
    return resize_pixels(pixels, expected.inputs.resize)
