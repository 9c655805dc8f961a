"""What a training script for Keras has of a recipe: constants, and the calls that make the
optimizer and the schedules."""

from __future__ import annotations

from archc.codegen.tree import (
    Binary,
    Call,
    Expr,
    Ref,
    Value,
    call,
)
from archc.ir.graph import About
from archc.language.recipe import (
    Adam,
    AdamW,
    Cosine,
    Optimizer,
    Plateau,
    RmsProp,
    Sgd,
    Training,
)
from archc.training.script.images import (
    ENDINGS,
    MODES,
    crop_constants,
    resized,
    streams,
)
from archc.training.task import Task

PROGRAM = tuple(
    f"archc.training.script.programs.keras.{one}"
    for one in ("constants", "images", "layers", "train")
)
"""The modules that a script is a specialization of, in the order of their statements."""
FILLS = {"nearest": "nearest", "zero": "constant"}


def constructor(about: About) -> str:
    """What a script imports of the network's module."""
    return "build_model"


def constants(task: Task, recipe: Training) -> dict[str, Value]:
    """The values of the program's constants."""
    inputs, augment = recipe.inputs, recipe.augment
    size = resized(inputs)
    optimizer = recipe.optimizer
    return {
        "INPUT": task.shape,
        "CLASSES": task.classes,
        "MODE": MODES.get(task.shape[-1], "RGB"),
        "ENDINGS": ENDINGS,
        "STREAMS": streams(task, recipe),
        "RESIZES": size is not None,
        "SQUARE": isinstance(inputs.resize, int),
        "RESIZE": (0, 0) if size is None else size[::-1],
        "PAD": inputs.pad,
        **crop_constants(task, recipe),
        "TEN_CROPS": recipe.evaluation == "ten_crop",
        "SCALE": float(inputs.scale),
        "STANDARDIZE": inputs.standardize,
        "MOVES": augment.moves,
        "ROTATION": augment.rotation,
        "SHEAR": augment.shear,
        "SHIFT": augment.shift,
        "ZOOM": augment.zoom,
        "FILL": FILLS[augment.fill],
        "FLIP": augment.flip,
        "LIGHTING": augment.lighting,
        "BATCH_SIZE": recipe.batch_size,
        "EPOCHS": recipe.epochs or 0,
        "STEPS": recipe.steps or 0,
        "STEPS_PER_EPOCH": recipe.steps_per_epoch or 0,
        "OPTIMIZER": optimizer.name,
        "FACTOR": getattr(recipe.schedule, "factor", 0.1),
        "EVERY": getattr(recipe.schedule, "every", getattr(recipe.schedule, "patience", 0)),
        "CHANGES": getattr(recipe.schedule, "epochs", ()),
        "FACTORS": (1.0, *getattr(recipe.schedule, "factors", ())),
        "MINIMUM": float(getattr(recipe.schedule, "minimum", 0.0)),
        "LEARNING_RATE": optimizer.learning_rate,
        "WEIGHT_DECAY": optimizer.weight_decay,
        "SCHEDULE": recipe.schedule.name,
        "WARMUP": recipe.warmup,
        "LOSS": recipe.loss,
        "LABEL_SMOOTHING": recipe.label_smoothing,
        "REJECTION": recipe.rejection,
        "VALIDATION": recipe.validation,
        "METRIC": recipe.metric,
        "MONITOR": f"val_{recipe.metric}" if recipe.validation else recipe.metric,
        "PATIENCE": recipe.early_stopping or 0,
        "PRECISION": recipe.precision,
        "OUTPUT": task.output,
        "SEED": recipe.seed,
    }


def names(_recipe: Training) -> dict[str, str]:
    """The names in place of the program's: none."""
    return {}


def absent(task: Task, recipe: Training) -> set[str]:
    """What parts of images are drawn with, where none are taken."""
    return set() if crop_constants(task, recipe)["PARTS"] else {"generator"}


def definitions(_task: Task, recipe: Training) -> dict[str, Expr]:
    """The expressions in place of the program's calls of functions that depend on the recipe."""
    schedule = recipe.schedule
    rate: Expr = Ref("LEARNING_RATE")
    if isinstance(schedule, Cosine):
        steps, begin = Ref("steps"), Ref("begin")
        keywords: dict[str, Expr | Value] = {}
        if schedule.minimum:
            keywords["alpha"] = Binary("/", Ref("MINIMUM"), rate)
        name = "keras.optimizers.schedules.CosineDecay"
        if recipe.warmup:
            keywords |= {"warmup_target": rate, "warmup_steps": begin}
            rate = call(name, 0.0, Binary("-", steps, begin), **keywords)
        else:
            rate = call(name, rate, steps, **keywords)
    expressions: dict[str, Expr] = {"make_optimizer": _constructor(recipe.optimizer, rate)}
    if isinstance(schedule, Plateau):
        expressions["make_plateau"] = _plateau(schedule)
    return expressions


def _plateau(schedule: Plateau) -> Call:
    keywords: dict[str, Expr | Value] = {}
    keywords |= {} if schedule.factor == 0.1 else {"factor": schedule.factor}
    keywords |= {"patience": schedule.patience, "min_delta": 0.0}
    keywords |= {"min_lr": schedule.minimum} if schedule.minimum else {}
    return call("callbacks.ReduceLROnPlateau", Ref("MONITOR"), **keywords)


def _constructor(optimizer: Optimizer, rate: Expr) -> Call:
    """Keras' optimizer, without what has Keras' defaults."""
    keywords: dict[str, Expr | Value] = {}
    name = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop"}[optimizer.name]
    prefix = "keras.optimizers."
    match optimizer:
        case Sgd():
            keywords |= {"momentum": optimizer.momentum} if optimizer.momentum else {}
            keywords |= {"nesterov": True} if optimizer.nesterov else {}
        case RmsProp():
            keywords |= {} if optimizer.rho == 0.9 else {"rho": optimizer.rho}
            keywords |= {"momentum": optimizer.momentum} if optimizer.momentum else {}
            keywords["epsilon"] = optimizer.epsilon
        case Adam():
            keywords |= {} if optimizer.beta_1 == 0.9 else {"beta_1": optimizer.beta_1}
            keywords |= {} if optimizer.beta_2 == 0.999 else {"beta_2": optimizer.beta_2}
            keywords["epsilon"] = optimizer.epsilon
    if isinstance(optimizer, AdamW):
        keywords["weight_decay"] = Ref("WEIGHT_DECAY")
    elif optimizer.weight_decay:
        prefix, name = "", f"Decayed{name}"
    return call(f"{prefix}{name}", rate, **keywords)
