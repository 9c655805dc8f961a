"""What of a Keras training script depends on the recipe: the optimizer, its learning rate, the loss
and the changes to training images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archc.codegen.docs import lit
from archc.codegen.tree import Value
from archc.language.recipe import (
    Adam,
    AdamW,
    Augment,
    Constant,
    Cosine,
    Plateau,
    RmsProp,
    Schedule,
    Sgd,
    Step,
    Training,
)

WIDTH = 88
"""Characters of a line, as `ruff format` has it."""
IMPORTS = """\
from __future__ import annotations

import keras
import numpy as np
from keras import layers
from keras.optimizers.schedules import LearningRateSchedule
"""
"""What any of the functions uses; a script takes over those that its own use."""


def functions(recipe: Training, constants: Mapping[str, Value]) -> str:
    """Source of `make_rate`, `make_optimizer`, `schedule_callbacks`, `make_loss`, `make_trainer`
    and `training_inputs`."""
    texts = [
        f"{IMPORTS}\nLEARNING_RATE = {lit(recipe.optimizer.learning_rate)}\n",
        _rate(recipe.schedule, recipe.warmup),
        _optimizer(recipe),
        _callbacks(recipe.schedule, recipe.warmup),
        _loss(recipe, str(constants["OUTPUT"])),
        _trainer(recipe.augment),
        _inputs(recipe, constants),
    ]
    return "\n\n".join(texts)


def function(head: str, docstring: str, lines: Sequence[str]) -> str:
    """A function of its head, and the lines of its body."""
    body = "\n".join(f"    {line}" if line else "" for line in lines)
    return f'{head}\n    """{docstring}"""\n{body}\n'


def called(start: str, name: str, arguments: Sequence[str]) -> list[str]:
    """The lines of a call in a function's body: one, or else one for each argument."""
    line = f"{start}{name}({', '.join(arguments)})"
    if len(line) + 4 <= WIDTH:
        return [line]
    return [f"{start}{name}(", *(f"    {one}," for one in arguments), ")"]


def argument(name: str, *, used: bool) -> str:
    """An argument; one that is not used has a name that tells so."""
    return name if used else f"_{name}"


def _rate(schedule: Schedule, warmup: float) -> str:
    """`make_rate`: a number, or a schedule over the steps."""
    name, arguments, told = "", ["LEARNING_RATE"], "stays"
    match schedule:
        case Step():
            name = "StepDecay"
            arguments += [f"{lit(schedule.every)} * epoch_steps", lit(schedule.factor)]
            told = f"falls by a factor every {schedule.every} epochs"
        case Cosine():
            name = "CosineDecay"
            arguments.append("steps")
            if warmup:
                arguments.append("begin=begin")
            if schedule.minimum:
                arguments.append(f"minimum={lit(schedule.minimum)}")
            told = "falls along half a cosine"
        case Plateau():
            told = "falls where training stands still"
        case Constant():
            pass
    rises = "WarmUp" if warmup else ""
    made = called("rate = " if rises else "return ", name, arguments)
    if not name:
        made = ["rate = LEARNING_RATE"] if rises else ["return LEARNING_RATE"]
    if rises:
        made.insert(0, "begin = max(1, round(WARMUP * epoch_steps))")
        made.append("return WarmUp(rate, begin)")
        told = f"rises, then {told}"
    epoch_steps = argument("epoch_steps", used=bool(rises) or name == "StepDecay")
    steps = argument("steps", used=name == "CosineDecay")
    kind = "LearningRateSchedule" if name or rises else "float"
    head = f"def make_rate({epoch_steps}: int, {steps}: int) -> {kind}:"
    return function(head, f"Make the learning rate: it {told}.", made)


def _optimizer(recipe: Training) -> str:
    head = "def make_optimizer(rate: float | LearningRateSchedule) -> keras.Optimizer:"
    name, keywords = _keras_optimizer(recipe)
    arguments = ["rate", *(f"{key}={lit(value)}" for key, value in keywords.items())]
    return function(head, "Make the optimizer of the recipe.", called("return ", name, arguments))


def _keras_optimizer(recipe: Training) -> tuple[str, dict[str, float | bool]]:
    """The class of an optimizer, and its arguments without those that have its defaults."""
    optimizer = recipe.optimizer
    decay = {"decay": optimizer.weight_decay}
    match optimizer:
        case Sgd():
            chosen = {
                "momentum": float(optimizer.momentum),
                "nesterov": optimizer.nesterov and optimizer.momentum > 0,
            }
            changes = not isinstance(recipe.schedule, Constant) or recipe.warmup > 0
            if optimizer.weight_decay or (optimizer.momentum and changes):
                return "MomentumDescent", _given(chosen | decay)
            return "keras.optimizers.SGD", _given(chosen)
        case RmsProp():
            chosen = {"momentum": float(optimizer.momentum), **decay}
            given = {"rho": optimizer.rho, "epsilon": optimizer.epsilon}
            return "RootMeanSquare", _other(given, rho=0.9, epsilon=1e-8) | _given(chosen)
        case Adam():
            given = {
                "beta_1": optimizer.beta_1,
                "beta_2": optimizer.beta_2,
                "epsilon": optimizer.epsilon,
            }
            chosen = _other(given, beta_1=0.9, beta_2=0.999, epsilon=1e-8)
            if isinstance(optimizer, AdamW):
                decay = {"weight_decay": optimizer.weight_decay}
            return "CorrectedAdam", chosen | _given(decay)
    raise TypeError(f"no optimizer of Keras: {optimizer.name}")


def _given(values: Mapping[str, float | bool]) -> dict[str, float | bool]:
    """Those that are not 0 or False."""
    return {name: value for name, value in values.items() if value}


def _other(values: Mapping[str, float], **defaults: float) -> dict[str, float | bool]:
    """Those that have not their defaults."""
    return {name: value for name, value in values.items() if value != defaults[name]}


def _callbacks(schedule: Schedule, warmup: float) -> str:
    """`schedule_callbacks`: what changes the learning rate between epochs."""
    kept = isinstance(schedule, Plateau)
    names = [argument(name, used=kept) for name in ("optimizer", "state")]
    rate = argument("rate", used=kept and bool(warmup))
    head = [
        "def schedule_callbacks(",
        f"    {names[0]}: keras.Optimizer,",
        f"    {rate}: float | LearningRateSchedule,",
        f"    {names[1]}: RunState,",
        ") -> list[keras.callbacks.Callback]:",
    ]
    told = "Make what changes the learning rate between epochs."
    if not isinstance(schedule, Plateau):
        return function("\n".join(head), told, ["return []"])
    lines = ["variable = optimizer.learning_rate"]
    if warmup:
        lines = [
            "initial = keras.initializers.Constant(LEARNING_RATE)",
            'variable = optimizer.add_variable((), initial, name="rate")',
            "rate.rate = variable",
        ]
    arguments = [
        "state",
        "variable",
        f"factor={lit(schedule.factor)}",
        f"patience={lit(schedule.patience)}",
    ]
    if schedule.minimum:
        arguments.append(f"minimum={lit(schedule.minimum)}")
    lines += called("plateau = ", "PlateauRate", arguments)
    return function("\n".join(head), told, [*lines, "return [plateau]"])


def _loss(recipe: Training, output: str) -> str:
    arguments = []
    name = "keras.losses.SparseCategoricalCrossentropy"
    if recipe.loss == "mean_squared_error":
        name = "SquaredError"
    elif recipe.label_smoothing:
        name = "SmoothedCrossEntropy"
    elif output != "probabilities":
        arguments.append("from_logits=True")
    head = "def make_loss() -> keras.losses.Loss:"
    return function(head, "Make the loss: a mean over images.", called("return ", name, arguments))


def _trainer(augment: Augment) -> str:
    """`make_trainer`: the model that takes what `training_inputs` gives."""
    shape = argument("shape", used=augment.moves)
    head = [
        "def make_trainer(",
        "    network: keras.Model,",
        "    scaling: layers.Layer,",
        f"    {shape}: tuple[int, ...],",
        ") -> keras.Model:",
    ]
    told = "Make the network take batches of training images."
    size = "shape" if augment.moves else "INPUT_SHAPE"
    lines = [f"inputs = images = keras.Input({size})"]
    inputs = []
    if augment.moves:
        inputs.append('"moves": keras.Input((8,), name="moves")')
    if augment.lighting:
        inputs.append('"colours": keras.Input((3,), name="colours")')
    if inputs:
        lines = [
            "inputs = {",
            f'    "images": keras.Input({size}, name="images"),',
            *(f"    {one}," for one in inputs),
            "}",
            'images = inputs["images"]',
        ]
    if augment.moves:
        fill = "" if augment.fill == "nearest" else '"constant"'
        lines.append(f'images = ImageMoves({fill})(images, inputs["moves"])')
    if augment.lighting:
        lines.append('images = ColourNoise()(images, inputs["colours"])')
    lines.append("return keras.Model(inputs, network(scaling(images)))")
    return function("\n".join(head), told, lines)


def _inputs(recipe: Training, constants: Mapping[str, Value]) -> str:
    """`training_inputs`: the images of a batch, and what is drawn for them."""
    augment = recipe.augment
    crops = may_crop(recipe, constants)
    flips = {"none": (), "horizontal": (2,), "vertical": (1,), "both": (2, 1)}[augment.flip]
    lines = ["images = data.images[chosen]"]
    given = {"images": "images"}
    if augment.moves:
        arguments = ["random", "images.shape", *_moves(augment)]
        if flips:
            arguments.append(f"flips={lit(flips)}")
        lines += called("moves = ", "draw_moves", arguments)
        given["moves"] = "moves"
    else:
        lines += [f"images = flip_images(images, random, {axis})" for axis in flips]
        lines += ["images = crop_images(images, random)"] * crops
    if augment.lighting:
        lines.append(f"colours = draw_colours(random, len(images), data, {lit(augment.lighting)})")
        given["colours"] = "colours"
    if len(given) > 1:
        items = ", ".join(f'"{name}": {value}' for name, value in given.items())
        lines.append(f"return {{{items}}}")
        kind = "dict[str, np.ndarray]"
    else:
        lines[-1] = lines[-1].replace("images =", "return", 1)
        kind = "np.ndarray"
    draws = augment.moves or bool(flips) or crops or augment.lighting > 0
    head = [
        "def training_inputs(",
        "    data: ImageSet,",
        "    chosen: np.ndarray,",
        f"    {argument('random', used=draws)}: np.random.Generator,",
        f") -> {kind}:",
    ]
    told = "Take the images of a batch, and draw how they are changed."
    return function("\n".join(head), told if draws else "Take the images of a batch.", lines)


def _moves(augment: Augment) -> list[str]:
    names = ("rotation", "shift", "zoom", "shear")
    chosen = {name: getattr(augment, name) for name in names}
    return [f"{name}={lit(value)}" for name, value in chosen.items() if value]


def may_crop(recipe: Training, constants: Mapping[str, Value]) -> bool:
    """Whether images may be larger than the network's input: always where they keep the size that
    they come in."""
    shape, size = constants["INPUT_SHAPE"], recipe.inputs.resize
    assert isinstance(shape, tuple)
    if len(shape) != 3:
        return False
    if size is None:
        return True
    sides = (size, size) if isinstance(size, int) else size
    return tuple(side + 2 * recipe.inputs.pad for side in sides) != shape[:2]
