"""What a script must know of images, in either framework."""

from __future__ import annotations

import math

from archc.codegen.tree import Value
from archc.language.recipe import Inputs, Training
from archc.training.task import IMAGE_ENDINGS, IMAGE_RANK, Task

LARGEST_SMALL = 64 * 64
"""Pixels of images of which a data set still fits into memory."""

ENDINGS = tuple(one.removeprefix(".") for one in IMAGE_ENDINGS)
"""Those of image files."""

MNIST = (28, 28)
"""Height and width of its digits, and of what was made in their form."""

MODES = {1: "L", 3: "RGB"}
"""What Pillow calls images of so many channels."""


def resized(inputs: Inputs) -> tuple[int, int] | None:
    """Height and width to which images are resized."""
    size = inputs.resize
    return (size, size) if isinstance(size, int) else size


def streams(task: Task, recipe: Training) -> bool:
    """Whether images are decoded when they are needed, in place of one array of all: those that are
    resized or cropped, and large ones."""
    if recipe.inputs.resize is not None or recipe.augment.crop.resizes:
        return True
    return len(task.shape) == IMAGE_RANK and math.prod(task.shape[:2]) > LARGEST_SMALL


def crop_constants(task: Task, recipe: Training) -> dict[str, Value]:
    """The constants of the parts of images. They are taken as an image is decoded, to train with
    (`PARTS`) and in evaluation (`MIDDLE`), or of a batch (`CROPS`): where all images are in memory,
    or moved before."""
    augment = recipe.augment
    crop = augment.crop
    bounds = (getattr(crop, "smallest", 0), getattr(crop, "largest", 0))
    are_larger = crops(task, recipe)
    decoded = crop.resizes or (streams(task, recipe) and not augment.moves)
    return {
        "CROP": crop.name,
        "PARTS": crop.resizes or (are_larger and decoded),
        "MIDDLE": are_larger and decoded and recipe.evaluation != "ten_crop",
        "CROPS": are_larger and not decoded,
        "AREAS": bounds,
        "RATIO": getattr(crop, "ratio", 0.0),
        "SIDES": bounds,
    }


def crops(task: Task, recipe: Training) -> bool:
    """Whether images may be larger than the network's input. Of those that are not resized the size
    is not known: padded ones may be, unless zeros are what MNIST lacks, and so may streamed ones.
    """
    size, pad = resized(recipe.inputs), recipe.inputs.pad
    if len(task.shape) != IMAGE_RANK:
        return False
    if size is None and (pad == 0 or tuple(side - 2 * pad for side in task.shape[:2]) == MNIST):
        return streams(task, recipe)
    return size is None or tuple(side + 2 * pad for side in size) != task.shape[:2]
