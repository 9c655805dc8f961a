"""What a script must know of images, in either framework."""

from __future__ import annotations

import math

from archc.codegen.tree import Value
from archc.language.recipe import Crop, Inputs, Training
from archc.training.task import IMAGE_RANK, Task

LARGEST_SMALL = 64 * 64
"""Pixels of images of which a data set still fits into memory."""

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


def part_bounds(crop: Crop) -> dict[str, Value]:
    """The constants of the parts of images that are trained with."""
    return {
        "CROP": crop.name,
        "SMALLEST": getattr(crop, "smallest", 0),
        "LARGEST": getattr(crop, "largest", 0),
        "RATIO": getattr(crop, "ratio", 0.0),
    }


def crops(task: Task, inputs: Inputs) -> bool:
    """Whether images are larger than the network's input: padded ones of a size that is not known
    may be."""
    size = resized(inputs)
    if len(task.shape) != 3 or size is None:
        return False
    return tuple(side + 2 * inputs.pad for side in size) != task.shape[:2]
