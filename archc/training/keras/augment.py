"""Random augmentation of a batch of training images.

What is random is drawn by NumPy for the whole batch; each image is cropped and mirrored
where it lies, or moved within the network's graph, in one resampling.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from archc.language.recipe import Augment
from archc.training.task import IMAGE_RANK

# Axes of a batch along which images are mirrored left to right.
WIDTH_AXIS = 2


FLIPPED_AXES = {"none": (), "horizontal": (2,), "vertical": (1,), "both": (2, 1)}
FILLS = {"nearest": "nearest", "zero": "constant"}
"""What `affine_transform` calls the fill modes."""


def training_inputs(
    images: np.ndarray,
    colours: np.ndarray | None,
    random: np.random.Generator,
    augment: Augment,
    shape: tuple[int, ...],
) -> np.ndarray | dict[str, np.ndarray]:
    """The images of a batch, and the random numbers by which the trainer changes them; `colours`
    are the principal components."""
    inputs = {"images": images}
    axes = FLIPPED_AXES[augment.flip]
    if augment.moves:
        inputs["moves"] = draw_moves(
            random,
            images.shape,
            shape,
            rotation=augment.rotation,
            shift=augment.shift,
            zoom=augment.zoom,
            shear=augment.shear,
            flips=axes,
        )
    elif len(shape) == IMAGE_RANK:
        for axis in axes:
            images = flip_images(images, random, axis)
        inputs["images"] = crop_images(images, random, shape)
    if augment.lighting:
        assert colours is not None
        inputs["colours"] = draw_colours(random, len(images), colours, augment.lighting)
    return inputs if len(inputs) > 1 else inputs["images"]


class ImageMoves(layers.Layer):
    """Images resampled by a matrix each, and cut to the network's input.

    Takes (batch, height, width, channels) and (batch, 8), as `draw_moves` gives it.
    """

    def __init__(self, shape: tuple[int, ...], fill_mode: str) -> None:
        super().__init__(dtype="float32")
        self.shape = shape
        self.fill_mode = fill_mode
        # XLA has no resampling of TensorFlow's.
        self.supports_jit = keras.backend.backend() != "tensorflow"

    def call(
        self,
        images: keras.KerasTensor,
        moves: keras.KerasTensor,
    ) -> keras.KerasTensor:
        moved = ops.image.affine_transform(
            images,
            moves,
            fill_mode=self.fill_mode,
            data_format="channels_last",
        )
        return moved[:, : self.shape[0], : self.shape[1]]


class ColourNoise(layers.Layer):
    """Images with a colour added to each: (batch, height, width, 3) and (batch, 3)."""

    def __init__(self) -> None:
        super().__init__(dtype="float32")

    def call(
        self,
        images: keras.KerasTensor,
        colours: keras.KerasTensor,
    ) -> keras.KerasTensor:
        return images + colours[:, None, None, :]


def draw_moves(
    random: np.random.Generator,
    shape: tuple[int, ...],
    target: tuple[int, ...],
    *,
    rotation: float = 0.0,
    shift: float = 0.0,
    zoom: float = 0.0,
    shear: float = 0.0,
    flips: tuple[int, ...] = (),
) -> np.ndarray:
    """Draw how each image of a batch is moved about its middle, mirrored and cut.

    `rotation` and `shear` are the most degrees, `shift` the largest share of a side,
    `zoom` the largest change of either side's scale, `flips` the axes along which half
    of the images are mirrored. `shape` is that of the batch, `target` that of an input. A
    row is the matrix that gives, for a pixel (x, y), the place (a x + b y + c,
    d x + e y + f) it comes from, and two zeros: (batch, 8), float32.
    """
    count, height, width = shape[:3]
    angle = np.radians(random.uniform(-rotation, rotation, count))
    slope = np.tan(np.radians(random.uniform(-shear, shear, count)))
    scale_x = random.uniform(1 - zoom, 1 + zoom, count)
    scale_y = random.uniform(1 - zoom, 1 + zoom, count)
    shift_x = random.uniform(-shift, shift, count) * width
    shift_y = random.uniform(-shift, shift, count) * height
    sine, cosine = np.sin(angle), np.cos(angle)
    a, b = cosine * scale_x, (cosine * slope - sine) * scale_y
    d, e = sine * scale_x, (sine * slope + cosine) * scale_y
    for axis in flips:
        mirrored = 1 - 2 * random.integers(2, size=count)
        a, b = (a * mirrored, b) if axis == WIDTH_AXIS else (a, b * mirrored)
        d, e = (d * mirrored, e) if axis == WIDTH_AXIS else (d, e * mirrored)
    top, left = draw_corners(random, shape, target)
    # About the middle, from the corner of the part that is kept.
    x, y = left - (width - 1) / 2, top - (height - 1) / 2
    c = a * x + b * y + (width - 1) / 2 + shift_x
    f = d * x + e * y + (height - 1) / 2 + shift_y
    nothing = np.zeros(count)
    rows = np.stack([a, b, c, d, e, f, nothing, nothing], -1)
    moves: np.ndarray = rows.astype(np.float32)
    return moves


def flip_images(
    images: np.ndarray,
    random: np.random.Generator,
    axis: int,
) -> np.ndarray:
    """Mirror half of the images: along axis 2 left to right, along 1 upside down."""
    mirrored = random.integers(2, size=len(images)).astype(bool)
    images[mirrored] = np.flip(images[mirrored], axis)
    return images


def crop_images(
    images: np.ndarray, random: np.random.Generator, target: tuple[int, ...]
) -> np.ndarray:
    """Take a part of each image at random, as large as an input of the shape `target`."""
    height, width = target[:2]
    if images.shape[1:3] == (height, width):
        return images
    corners = zip(*draw_corners(random, images.shape, target), strict=True)
    cropped: np.ndarray = np.stack(
        [
            image[top : top + height, left : left + width]
            for image, (top, left) in zip(images, corners, strict=True)
        ],
    )
    return cropped


def draw_corners(
    random: np.random.Generator,
    shape: tuple[int, ...],
    target: tuple[int, ...],
) -> tuple[np.ndarray, np.ndarray]:
    """Draw where the part of each image begins: rows and columns, (batch,) each."""
    count, height, width = shape[:3]
    if (height, width) == target[:2]:
        return np.zeros(count, int), np.zeros(count, int)
    tops = random.integers(height - target[0] + 1, size=count)
    return tops, random.integers(width - target[1] + 1, size=count)


def draw_colours(
    random: np.random.Generator,
    count: int,
    components: np.ndarray,
    deviation: float,
) -> np.ndarray:
    """Draw noise along the principal components of the training images' colours.

    Krizhevsky, Sutskever, Hinton 2012, section 4.1, with colours from 0 to 1:
    (count, 3), float32.
    """
    drawn = random.normal(0, deviation, (count, len(components)))
    colours: np.ndarray = (drawn @ components).astype(np.float32)
    return colours
