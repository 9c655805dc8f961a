"""What a script must know of images, in either framework."""

from __future__ import annotations

from archc.language.recipe import Inputs
from archc.training.task import Task

MODES = {1: "L", 3: "RGB"}
"""What Pillow calls images of so many channels."""


def resized(inputs: Inputs) -> tuple[int, int] | None:
    """Height and width to which images are resized."""
    size = inputs.resize
    return (size, size) if isinstance(size, int) else size


def crops(task: Task, inputs: Inputs) -> bool:
    """Whether images are larger than the network's input: padded ones of a size that is not known
    may be."""
    size = resized(inputs)
    if len(task.shape) != 3 or size is None:
        return False
    return tuple(side + 2 * inputs.pad for side in size) != task.shape[:2]
