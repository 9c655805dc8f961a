"""Random augmentation of a batch of training images, computed on the whole batch at once.

Images are float32 in the units of the data: (batch, channels, height, width).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from archc.language.recipe import Augment
from archc.training.data.views import FLIPPED_AXES, changes_parts, is_mirrored, place
from archc.training.task import IMAGE_RANK
from archc.training.torch.batches import BatchDraws

FILLS = {"nearest": "border", "zero": "zeros"}
"""What `grid_sample` calls the fill modes."""


def augment_images(
    images: Tensor, draws: BatchDraws, augment: Augment, shape: tuple[int, ...]
) -> Tensor:
    """Change the training images of a batch at random, and crop them to the `shape` of an input
    with the channels last: (batch, channels, height, width). Other inputs are left as they are."""
    is_first = augment.crop.resizes or not augment.moves
    if len(shape) == IMAGE_RANK and is_first and not draws.data.gives_parts(augment):
        images = take_parts(images, draws, augment, shape)
    if augment.moves:
        images = move_images(
            images,
            draws,
            rotation=augment.rotation,
            shift=augment.shift,
            zoom=augment.zoom,
            shear=augment.shear,
            fill=FILLS[augment.fill],
        )
        if not is_first:
            images = take_parts(images, draws, augment, shape)
    if augment.lighting:
        images = light_images(images, draws, augment.lighting)
    return images


def move_images(
    images: Tensor,
    draws: BatchDraws,
    *,
    rotation: float = 0.0,
    shift: float = 0.0,
    zoom: float = 0.0,
    shear: float = 0.0,
    fill: str = "border",
) -> Tensor:
    """Rotate, shear, zoom and shift each image about its middle, in one resampling.

    `rotation` and `shear` are the most degrees, `shift` the largest share of a side,
    `zoom` the largest change of either side's scale. `fill` tells what comes in from
    beyond an edge: "border" the nearest pixel, "zeros" zeros.
    """
    height, width = images.shape[-2:]
    angle = torch.deg2rad(draws.uniform(-rotation, rotation))
    slope = torch.deg2rad(draws.uniform(-shear, shear)).tan()
    scale_x = draws.uniform(1 - zoom, 1 + zoom)
    scale_y = draws.uniform(1 - zoom, 1 + zoom)
    # Sides are 2 long in the units of the grid, whatever they count in pixels.
    shift_x = draws.uniform(-2 * shift, 2 * shift)
    shift_y = draws.uniform(-2 * shift, 2 * shift)
    sine, cosine = angle.sin(), angle.cos()
    rows = (
        cosine * scale_x,
        (cosine * slope - sine) * scale_y * (height / width),
        shift_x,
        sine * scale_x * (width / height),
        (sine * slope + cosine) * scale_y,
        shift_y,
    )
    matrices = torch.stack(rows, dim=1).view(-1, 2, 3)
    # One product for all images: `affine_grid` takes a small one of each, longer than the sampling.
    grid = (matrices @ pixel_centres(height, width, images.device)).movedim(1, -1)
    grid = grid.view(-1, height, width, 2)
    return functional.grid_sample(images, grid, padding_mode=fill, align_corners=False)


def pixel_centres(height: int, width: int, device: torch.device) -> Tensor:
    """x, y and 1 of each pixel, (3, height * width), where both sides go from -1 to 1."""
    y, x = (((2 * torch.arange(size, device=device) + 1) / size - 1) for size in (height, width))
    plane = torch.ones(height, width, device=device)
    return torch.stack([x * plane, y[:, None] * plane, plane]).view(3, -1)


def take_parts(
    images: Tensor, draws: BatchDraws, augment: Augment, shape: tuple[int, ...]
) -> Tensor:
    """Take a part of each image at random, as large as an input of `shape`, and mirror half of
    them."""
    if not changes_parts(tuple(images.shape[2:]), augment, shape):
        return images
    views = draws.views()
    images = crop_images(images, views, shape)
    for axis in FLIPPED_AXES[augment.flip]:
        mirrored = torch.from_numpy(is_mirrored(views, axis)).to(images.device)
        images = torch.where(mirrored.view(-1, 1, 1, 1), images.flip(axis - 2), images)
    return images


def crop_images(images: Tensor, draws: np.ndarray, shape: tuple[int, ...]) -> Tensor:
    """Take a part of each image at random, as large as an input of `shape`."""
    height, width = images.shape[-2:]
    if (height, width) == shape[:2]:
        return images
    tops, lefts = (
        torch.from_numpy(one).to(images.device)
        for one in place(draws, (height - shape[0], width - shape[1]))
    )
    rows = tops[:, None] + torch.arange(shape[0], device=tops.device)
    columns = lefts[:, None] + torch.arange(shape[1], device=tops.device)
    batch = torch.arange(len(images), device=tops.device)[:, None, None]
    cropped = images.movedim(1, -1)[batch, rows[:, :, None], columns[:, None, :]]
    return cropped.movedim(-1, 1)


def light_images(images: Tensor, draws: BatchDraws, deviation: float) -> Tensor:
    """Add noise along the principal components of the training images' colours.

    Krizhevsky, Sutskever, Hinton 2012, section 4.1, with colours from 0 to 1.
    """
    assert draws.data.colours is not None
    noise = draws.normal(deviation, images.shape[1]) @ draws.data.colours
    return images + noise[:, :, None, None]
