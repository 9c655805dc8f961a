"""Random augmentation of a batch of training images.

What is random is drawn by NumPy for the whole batch; each image is cropped and mirrored
where it lies, or moved within the network's graph, in one resampling.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from archc.language.recipe import Augment
from archc.training.data.views import (
    FLIPPED_AXES,
    changes_parts,
    draw_views,
    is_mirrored,
    place,
    take_parts,
)
from archc.training.task import IMAGE_RANK

# The axis of an image along which it is mirrored left to right.
WIDTH_AXIS = 1


FILLS = {"nearest": "nearest", "zero": "constant"}
"""What `affine_transform` calls the fill modes."""


def training_inputs(
    images: np.ndarray,
    colours: np.ndarray | None,
    seeds: tuple[int, ...],
    augment: Augment,
    shape: tuple[int, ...],
    *,
    has_parts: bool = False,
) -> np.ndarray | dict[str, np.ndarray]:
    """The images of a batch, and the random numbers by which the trainer changes them, which follow
    from `seeds`; `colours` are the principal components. Images that are parts already are cropped
    and mirrored."""
    random = np.random.default_rng(seeds)
    is_first = augment.crop.resizes or not augment.moves
    takes_parts = len(shape) == IMAGE_RANK and is_first and not has_parts
    if takes_parts and changes_parts(images.shape[1:3], augment, shape):
        images = take_parts(images, draw_views(seeds, len(images)), augment, shape)
    inputs = {"images": images}
    if augment.moves:
        views = draw_views(seeds, len(images))
        inputs["moves"] = draw_moves(
            random,
            images.shape,
            shape,
            views,
            rotation=augment.rotation,
            shift=augment.shift,
            zoom=augment.zoom,
            shear=augment.shear,
            flips=() if is_first else FLIPPED_AXES[augment.flip],
        )
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
    views: np.ndarray,
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
    room = height - target[0], width - target[1]
    top, left = place(views, room)
    for axis in flips:
        # The part is mirrored, not the image: it lies at the other side of what is mirrored.
        is_turned = is_mirrored(views, axis)
        sign = np.where(is_turned, -1, 1)
        if axis == WIDTH_AXIS:
            a, d, left = a * sign, d * sign, np.where(is_turned, room[1] - left, left)
        else:
            b, e, top = b * sign, e * sign, np.where(is_turned, room[0] - top, top)
    # About the middle, from the corner of the part that is kept.
    x, y = left - (width - 1) / 2, top - (height - 1) / 2
    c = a * x + b * y + (width - 1) / 2 + shift_x
    f = d * x + e * y + (height - 1) / 2 + shift_y
    nothing = np.zeros(count)
    rows = np.stack([a, b, c, d, e, f, nothing, nothing], -1)
    moves: np.ndarray = rows.astype(np.float32)
    return moves


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
