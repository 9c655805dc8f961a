"""The sample of MNIST, and tasks as a spec has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from archc.language.recipe import Inputs
from archc.training.data.images import InputFormat
from archc.training.task import Task

SAMPLE = Path(__file__).with_name("data")
"""1,500 training and 500 test digits of MNIST (LeCun, Cortes, Burges 1998)."""

TASK = Task(
    name="lenet5",
    spec="specs/lenet5.yaml",
    digest="0" * 64,
    classes=10,
    shape=(32, 32, 1),
    output="logits",
    channels=16,
)


def takes(*shape: int, classes: int = 10, **inputs: Any) -> InputFormat:
    """The images of a network with an input of this shape, the channels last; 28 x 28 padded to
    32 x 32 where none is given."""
    if not shape:
        return InputFormat((32, 32, 1), classes, Inputs(pad=2))
    return InputFormat(shape, classes, Inputs(**inputs))
