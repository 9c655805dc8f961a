"""Folders of image files."""

from __future__ import annotations

import math
import os
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from archc.language.recipe import Inputs
from archc.training.data.images import MOST_CLASSES, ImageData, InputFormat, check_memory
from archc.training.data.listing import list_images
from archc.training.data.prepare import Images, pad_images, padded_shape
from archc.training.data.regular import open_regular
from archc.training.data.stream import StreamedImages, alone, map_files
from archc.training.data.views import View, crop_view, evaluation_view, take_parts
from archc.training.errors import DataError, RunError, describe_shape

if TYPE_CHECKING:
    from PIL import Image

IMAGE_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
FILES_AT_ONCE = 1024  # that wait for a thread
HEADERS_AT_ONCE = 256  # that a process reads in one go
LARGEST_IMAGE = 1 << 26  # pixels
SHARPNESS = 2
"""A JPEG is decoded at a lower resolution, but at this many times the size that it is resized to:
closer to one that is decoded as a whole than the eye can tell."""
ORIENTATION = 0x0112
TURNED = (5, 6, 7, 8)
"""The tag of the orientation in Exif, and its values for images that lie on their side."""
LARGE_IMAGE = 1 << 22  # pixels, of ten bytes each while they are decoded
"""Larger images are decoded one after the other: by one thread, since each would keep the memory of
the largest one, or by one process at a time."""
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


def decode_images(folder: Path, files: Sequence[Path], expected: InputFormat) -> Images:
    """Images of files as uint8 (count, height, width, channels), by several threads; streamed where
    there are too many for the memory."""
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

        def decode_alone(decode: Callable[[], np.ndarray]) -> np.ndarray:
            return one_thread.submit(decode).result()

        first = decode_image(files[0], expected, decode_alone)
        streaming = expected.streaming
        is_large = streaming is not None and len(files) * first.nbytes > streaming.in_memory
        if streaming is not None and (is_large or expected.augment.crop.resizes):
            return stream_images(files, expected, first.shape, streaming.workers)
        check_memory(folder, len(files) * first.nbytes)
        images: np.ndarray = np.empty((len(files), *first.shape), np.uint8)

        def place(index: int) -> None:
            image = decode_image(files[index], expected, decode_alone)
            check_shape(files[index], image.shape, first.shape)
            images[index] = image

        for start in range(0, len(files), FILES_AT_ONCE):
            indices = range(start, min(start + FILES_AT_ONCE, len(files)))
            for _ in threads.map(place, indices):
                pass
    return images


def stream_images(
    files: Sequence[Path], expected: InputFormat, shape: tuple[int, ...], workers: int
) -> StreamedImages:
    """Images that are decoded when they are needed, each of a `shape` before it is padded. All
    headers are read now. Raises DataError for the first file that is no image, or of another size.
    """
    check = partial(header_error, expected=expected, shape=shape)
    for error in map_files(check, files, workers, HEADERS_AT_ONCE):
        if error is not None:
            raise error
    decode = partial(decode_files, expected=expected, shape=shape)
    padded = padded_shape((len(files), *shape), expected.inputs.pad)
    return StreamedImages(files, padded, decode, workers)


def header_error(
    files: Sequence[Path], *, expected: InputFormat, shape: tuple[int, ...]
) -> DataError | OSError | None:
    """What the headers of some files tell that they cannot be read as images of a shape."""
    for path in files:
        try:
            with open_image(path) as image:
                view = evaluation_view(*upright_size(image), expected.inputs.resize)
            check_shape(path, (*view.size, shape[-1]), shape)
        except (DataError, OSError) as error:
            return error
    return None


def check_shape(path: Path, shape: tuple[int, ...], first: tuple[int, ...]) -> None:
    """Refuse an image of another shape than the first one's."""
    if shape != first:
        size, other = map(describe_shape, (shape, first))
        raise DataError(
            path, f"is {size}, and the first image is {other}: resize them in the recipe"
        )


def decode_files(
    files: Sequence[Path],
    draws: np.ndarray | None,
    *,
    expected: InputFormat,
    shape: tuple[int, ...],
) -> np.ndarray:
    """Images of some files, resized to a `shape` and padded; or the parts of them that `draws`
    choose, as large as the network's input."""
    if draws is not None and expected.augment.crop.resizes:
        return decode_parts(files, draws, expected)
    images: np.ndarray = np.empty((len(files), *shape), np.uint8)
    for index, path in enumerate(files):
        image = decode_image(path, expected, alone)
        check_shape(path, image.shape, shape)
        images[index] = image
    images = pad_images(images, expected.inputs.pad)
    if draws is None:
        return images
    return take_parts(images, draws, expected.augment, expected.shape)


def decode_parts(files: Sequence[Path], draws: np.ndarray, expected: InputFormat) -> np.ndarray:
    """Parts of some files' images, of random size, resized to the network's input, half of them
    mirrored."""
    height, width, _ = expected.shape
    images: np.ndarray = np.empty((len(files), *expected.shape), np.uint8)
    for index, (path, numbers) in enumerate(zip(files, draws, strict=True)):
        crop = expected.augment.crop
        choose = partial(crop_view, crop=crop, draws=numbers, size=(height, width))
        images[index] = decode_image(path, expected, alone, choose)
    return take_parts(images, draws, expected.augment, expected.shape)


def decode_image(
    path: Path,
    expected: InputFormat,
    alone: Callable[[Callable[[], np.ndarray]], np.ndarray] | None = None,
    choose: Callable[[int, int], View] | None = None,
) -> np.ndarray:
    """An image as uint8 (height, width, channels), upright, resized by the recipe; or the view of
    it that is chosen by its height and width. `alone` calls what decodes a large one, where several
    images are decoded at once."""
    choose = choose or partial(evaluation_view, resize=expected.inputs.resize)
    with open_image(path) as image:
        pixels = image.width * image.height
        view = choose(*upright_size(image))
        reduction = reduce_resolution(image, view)
        if "progressive" not in image.info:  # of which all is in memory, whatever the resolution
            pixels = image.width * image.height
        decode = partial(decode_view, image, view, reduction, choose, expected.shape[-1])
        return decode() if alone is None or pixels <= LARGE_IMAGE else alone(decode)


def decode_view(
    image: Image.Image,
    view: View,
    reduction: int,
    choose: Callable[[int, int], View],
    channels: int,
) -> np.ndarray:
    """A view of an opened image, turned as its Exif tells, whose sides are shorter than those that
    the view is of by a reduction. It is chosen anew where the Exif is known only now."""
    from PIL import Image, ImageOps

    if image.format == "PNG":
        image.load()  # its Exif may be behind the pixels
        view = choose(*upright_size(image))
    ImageOps.exif_transpose(image, in_place=True)
    # Copies of large images are what fills the memory: none is made without need.
    upright = image if image.mode == MODES[channels] else image.convert(MODES[channels])
    left, top, right, bottom = (side / reduction for side in view.box)
    box = left, top, min(right, upright.width), min(bottom, upright.height)
    size = view.size[::-1]
    if (size, box) != (upright.size, (0, 0, *upright.size)):
        upright = upright.resize(size, Image.Resampling.BILINEAR, box)
    pixels: np.ndarray = np.asarray(upright)
    return pixels.reshape(*view.size, channels)


def reduce_resolution(image: Image.Image, view: View) -> int:
    """Have a JPEG decoded at a half, a quarter or an eighth of its resolution, where the view of it
    is small enough. Returns by how many times its sides become shorter."""
    left, top, right, bottom = view.box
    height, width = view.size
    times = min((right - left) / width, (bottom - top) / height) / SHARPNESS
    if image.format != "JPEG" or times < 2:
        return 1
    full = image.width
    image.draft(None, (math.ceil(full / times), math.ceil(image.height / times)))
    return round(full / image.width)


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Height and width of an opened image, turned as its Exif tells it."""
    # Pillow decodes a whole PNG to look for Exif in it.
    has_exif = image.format != "PNG" or "exif" in image.info
    is_turned = has_exif and image.getexif().get(ORIENTATION) in TURNED
    return (image.width, image.height) if is_turned else (image.height, image.width)


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """An image of which the header is read. What Pillow finds wrong with it then, and while its
    pixels are decoded, is a DataError."""
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
            yield image
    except IMAGE_FAULTS as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        # Of a file that is none at all Pillow has no more to tell.
        reason = "" if isinstance(error, UnidentifiedImageError) else f" ({error})"
        raise DataError(path, f"is no image that can be read{reason}") from None
    except Image.DecompressionBombError as error:
        raise DataError(path, f"is too large ({error})") from None
