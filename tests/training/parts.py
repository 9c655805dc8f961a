"""The parts of training scripts with constants as a script has them, and the sample of MNIST."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from archc.language.recipe import Training
from archc.training.data import add_part, load
from archc.training.script import keras as keras_recipe
from archc.training.script import torch as torch_recipe

SAMPLE = Path(__file__).with_name("data")
"""1,500 training and 500 test digits of MNIST (LeCun, Cortes, Burges 1998)."""

CONSTANTS: dict[str, object] = {
    "NAME": "lenet5",
    "SPEC": "specs/lenet5.yaml",
    "DIGEST": "0" * 64,
    "CLASSES": 10,
    "INPUT_SHAPE": (32, 32, 1),
    "RESIZE": None,
    "PAD": 2,
    "SCALE": 1.0,
    "STANDARDIZE": "none",
    "EPOCHS": 3,
    "STEPS": None,
    "STEPS_PER_EPOCH": None,
    "BATCH_SIZE": 32,
    "VALIDATION": 0.1,
    "PATIENCE": None,
    "METRIC": "accuracy",
    "SEED": 0,
    "PRECISION": "auto",
}


RECIPES = {
    "keras": (keras_recipe, ("batches", "changes", "losses", "optimizers", "schedules")),
    "torch": (torch_recipe, ("batches", "changes")),
}
"""What a backend's script has of a recipe, and the parts that this calls."""


def parts(**constants: object) -> ModuleType:
    """The common parts with these constants in place of those above."""
    return load(**{**CONSTANTS, **constants})


def recipe_parts(backend: str, recipe: Training, **constants: object) -> ModuleType:
    """The functions of a recipe, with the parts of a backend's scripts that they call."""
    known = {"WARMUP": recipe.warmup, "LABEL_SMOOTHING": recipe.label_smoothing}
    made = parts(**{**known, **constants})
    vars(made)["__name__"] = __name__  # where dataclasses look for what annotations name
    emitter, names = RECIPES[backend]
    exec(emitter.functions(recipe, vars(made)), vars(made))
    for name in names:
        add_part(made, f"{backend}/{name}.py")
    return made
