"""Views of images: which part is taken, the size it is resized to, and whether it is mirrored."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np

from archc.language.recipe import Augment, Crop, RandomResizedCrop, ScaleJitter

ATTEMPTS = 10
"""Areas and aspect ratios that are drawn until one fits into the image, as torchvision has it."""
DRAWS = 2 + 2 * ATTEMPTS + 2
"""Numbers that are drawn for an image: two for mirroring, some for the size of the part, and two
for its place."""
SIDES, PLACE = slice(2, -2), slice(-2, None)
FLIPPED_AXES = {"none": (), "horizontal": (1,), "vertical": (0,), "both": (0, 1)}
"""Axes of an image, (height, width, channels), along which it may be mirrored."""
Size: TypeAlias = "int | tuple[int, int]"


class View(NamedTuple):
    """A part of an upright image, (left, top, right, bottom) in its pixels, and the height and
    width that it is resized to."""

    box: tuple[float, float, float, float]
    size: tuple[int, int]


def evaluation_view(height: int, width: int, resize: Size | None) -> View:
    """An image resized by the recipe. To one number: the shorter side, and then the square in the
    middle is kept."""
    if not isinstance(resize, int):
        return View((0.0, 0.0, float(width), float(height)), resize or (height, width))
    side = min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    return View((left, top, left + side, top + side), (resize, resize))


def draw_views(seeds: tuple[int, ...], count: int) -> np.ndarray:
    """Numbers from 0 to 1 by which the views of a batch's images are drawn: (count, DRAWS). They
    follow from `seeds` alone, in a stream of their own."""
    sequence = np.random.SeedSequence(seeds, spawn_key=(1,))
    draws: np.ndarray = np.random.default_rng(sequence).random((count, DRAWS))
    return draws


def is_mirrored(draws: np.ndarray, axis: int) -> np.ndarray:
    """Which images, (...,), are mirrored along an axis: half of them."""
    mirrored: np.ndarray = draws[..., 1 - axis] < 0.5
    return mirrored


def place(draws: np.ndarray, room: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Where the parts of images begin that are smaller by the `room`: tops and lefts, (...,)."""
    tops, lefts = (
        np.floor(draws[..., DRAWS - 2 + axis] * (room[axis] + 1)).astype(np.int64)
        for axis in (0, 1)
    )
    return tops, lefts


def take_parts(
    images: np.ndarray, draws: np.ndarray, augment: Augment, shape: tuple[int, ...]
) -> np.ndarray:
    """A part of each image, (count, height, width, channels), as large as an input of a `shape`,
    half of them mirrored. The images may be changed."""
    height, width = shape[:2]
    room = images.shape[1] - height, images.shape[2] - width
    if room != (0, 0):
        corners = zip(images, *place(draws, room), strict=True)
        images = np.stack(
            [one[top : top + height, left : left + width] for one, top, left in corners]
        )
    for axis in FLIPPED_AXES[augment.flip]:
        mirrored = is_mirrored(draws, axis)
        images[mirrored] = np.flip(images[mirrored], 1 + axis)
    return images


def changes_parts(images: tuple[int, ...], augment: Augment, shape: tuple[int, ...]) -> bool:
    """Whether images of the given axes are larger than an input of a `shape`, or mirrored."""
    return augment.flip != "none" or images != shape[:2]


def crop_view(
    height: int, width: int, crop: Crop, draws: np.ndarray, size: tuple[int, int]
) -> View:
    """The part of an image that a crop of random size takes, resized to a `size`."""
    down, right = draws[PLACE]
    match crop:
        case RandomResizedCrop():
            rows, columns = resized_sides(height, width, crop, draws[SIDES])
            if rows == 0:
                return View(middle_box(height, width, crop.ratio), size)
            row = math.floor(down * (height - rows + 1))
            column = math.floor(right * (width - columns + 1))
            return View((column, row, column + columns, row + rows), size)
        case ScaleJitter(smallest=smallest, largest=largest):
            side = smallest + math.floor(draws[SIDES][0] * (largest - smallest + 1))
            tall, wide = (length * min(height, width) / side for length in size)
            top, left = down * (height - tall), right * (width - wide)
            return View((left, top, left + wide, top + tall), size)
    raise TypeError(f"no crop of random size: {crop.name}")


def resized_sides(
    height: int, width: int, crop: RandomResizedCrop, draws: np.ndarray
) -> tuple[int, int]:
    """Height and width of the first part that fits into an image; 0, 0 where none does."""
    most = math.log(crop.ratio)
    for area, ratio in draws.reshape(ATTEMPTS, 2).tolist():
        pixels = height * width * (crop.smallest + area * (crop.largest - crop.smallest))
        aspect = math.exp((2 * ratio - 1) * most)
        wide, tall = round(math.sqrt(pixels * aspect)), round(math.sqrt(pixels / aspect))
        if 0 < wide <= width and 0 < tall <= height:
            return tall, wide
    return 0, 0


def middle_box(height: int, width: int, ratio: float) -> tuple[float, float, float, float]:
    """The middle of an image, as large as an aspect ratio allows."""
    wide, tall = min(width, round(height * ratio)), min(height, round(width * ratio))
    left, top = (width - wide) // 2, (height - tall) // 2
    return left, top, left + wide, top + tall
