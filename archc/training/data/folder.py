"""Folders of image files."""

from __future__ import annotations

import math
import os
import re
import stat
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from archc.training.data.images import (
    ImageData,
    InputFormat,
    all_classes,
    check_memory,
    some_names,
)
from archc.training.data.prepare import Images, pad_images, padded_shape
from archc.training.data.stream import StreamedImages, map_files
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
MODES = {1: "L", 3: "RGB"}  # by channels
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


class ImageFiles(NamedTuple):
    """The image files of a folder, with what they are called and their classes'."""

    files: list[Path]
    names: tuple[str, ...]
    labels: np.ndarray | None = None
    classes: tuple[str, ...] | None = None


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
    )


def list_images(folder: Path, count: int, classes: tuple[str, ...] | None) -> ImageFiles:
    """Find the images of a folder, in the order of their names, of at most `count` classes."""
    root = folder.resolve()
    entries = visible_entries(folder)
    folders = [one for one in entries if one.is_dir()]
    if not folders:
        files = [check_file(one, root) for one in entries]
        return ImageFiles(files, tuple(one.name for one in files))
    for one in entries:
        if one not in folders:
            raise DataError(one, "lies beside the classes' folders")
    names = tuple(one.name for one in folders)
    numbers, classes = class_numbers(folder, names, count, classes)
    files = []
    labels = []
    for number, one in zip(numbers, folders, strict=True):
        inside = visible_entries(one)
        if not inside:
            raise DataError(one, "holds no images")
        files += [check_file(file, root) for file in inside]
        labels += [number] * len(inside)
    told = tuple(file.relative_to(folder).as_posix() for file in files)
    return ImageFiles(files, told, np.array(labels, np.int64), classes)


def visible_entries(folder: Path) -> list[Path]:
    """What is in a folder, by name; systems put hidden files of their own there."""
    entries = [one for one in folder.iterdir() if not one.name.startswith(".")]
    return sorted(map(check_name, entries), key=lambda one: one.name)


def check_name(path: Path) -> Path:
    """Refuse a name that could not be written down."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        raise DataError(path, "has a name that is no text in UTF-8") from None
    return path


def class_numbers(
    folder: Path,
    names: tuple[str, ...],
    count: int,
    classes: tuple[str, ...] | None,
) -> tuple[list[int], tuple[str, ...] | None]:
    """The number of each folder's class, and the classes' names.

    Folders called 0, 1, 2 ... are the classes of these numbers, and have no names.
    """
    if classes is None and all(re.fullmatch(r"0|[1-9]\d{0,8}", one) for one in names):
        classes = all_classes(None, count)
        named = None
    else:
        classes = names if classes is None else classes
        named = classes
    if len(classes) > count:
        fault = f"holds {len(classes)} classes, and the network knows {count}"
        raise DataError(folder, fault)
    numbers = {name: number for number, name in enumerate(classes)}
    unnamed = set(all_classes(classes, count)[len(classes) :])
    for name in names:
        if name not in numbers:
            fault = f"is none of the classes that are known: {some_names(classes)}"
            raise DataError(folder / name, fault)
        if name in unnamed:
            fault = "is called like a class that has no folder, by its number"
            raise DataError(folder / name, fault)
    return [numbers[name] for name in names], named


def check_file(path: Path, root: Path) -> Path:
    """Refuse what is no file, and what a link leads to outside of the folder."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise DataError(path, "is no file")
    if not path.resolve().is_relative_to(root):
        raise DataError(path, "is a link that leads out of the folder")
    return path


def decode_images(folder: Path, files: Sequence[Path], expected: InputFormat) -> Images:
    """Images of files as uint8 (count, height, width, channels), by several threads; streamed where
    there are too many for the memory."""
    if not files:
        return np.empty((0, *expected.shape), np.uint8)
    if not expected.has_images or expected.shape[-1] not in MODES:
        fault = f"is an image, and the network takes {describe_shape(expected.shape)}"
        raise DataError(files[0], fault)
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as threads:
        warnings.simplefilter("ignore")  # Pillow's, of what is refused here
        first = decode_image(files[0], expected)
        streaming = expected.streaming
        is_large = streaming is not None and len(files) * first.nbytes > streaming.in_memory
        if streaming is not None and (is_large or expected.augment.crop.resizes):
            return stream_images(files, expected, first.shape, streaming.workers)
        check_memory(folder, len(files) * first.nbytes)
        images: np.ndarray = np.empty((len(files), *first.shape), np.uint8)

        def place(index: int) -> None:
            image = decode_image(files[index], expected)
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
        image = decode_image(path, expected)
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
        images[index] = decode_image(path, expected, choose)
    return take_parts(images, draws, expected.augment, expected.shape)


def decode_image(
    path: Path, expected: InputFormat, choose: Callable[[int, int], View] | None = None
) -> np.ndarray:
    """An image as uint8 (height, width, channels), upright, resized by the recipe; or the view of
    it that is chosen by its height and width."""
    choose = choose or partial(evaluation_view, resize=expected.inputs.resize)
    channels = expected.shape[-1]
    with open_image(path) as image:
        from PIL import Image, ImageOps

        if image.format == "PNG":
            image.load()  # its Exif may be behind the pixels
        view = choose(*upright_size(image))
        reduction = reduce_resolution(image, view)
        upright = ImageOps.exif_transpose(image).convert(MODES[channels])
        left, top, right, bottom = (side / reduction for side in view.box)
        box = left, top, min(right, upright.width), min(bottom, upright.height)
        resized = upright.resize(view.size[::-1], Image.Resampling.BILINEAR, box)
        pixels: np.ndarray = np.asarray(resized)
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
        from PIL import Image  # images alone need it
    except ImportError:
        message = "reading images takes Pillow: pip install pillow"
        raise RunError(message) from None
    try:
        with Image.open(path, formats=IMAGE_FORMATS) as image:
            if image.width * image.height > LARGEST_IMAGE:
                raise DataError(path, f"{image.width} x {image.height} are too large")
            if image.mode[0] in "IF":
                raise DataError(path, f"has pixels of more than 8 bits ({image.mode})")
            yield image
    except IMAGE_FAULTS as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(path, f"is no image that can be read ({error})") from None
    except Image.DecompressionBombError as error:
        raise DataError(path, f"is too large ({error})") from None
