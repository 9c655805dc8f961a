"""What a training script for PyTorch has of a recipe: constants, and the calls that make the
optimizer and the schedules."""

from __future__ import annotations

from itertools import pairwise

from archc.codegen.tree import (
    Attribute,
    Binary,
    Call,
    Expr,
    ListOf,
    Lit,
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
    Piecewise,
    Plateau,
    RmsProp,
    Sgd,
    Step,
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

PARTS = ("constants", "images", "batches", "train")
PROGRAM = tuple(f"archc.training.script.programs.torch.{one}" for one in PARTS)
"""The modules that a script is a specialization of, in the order of their statements."""
FILLS = {"nearest": "border", "zero": "zeros"}
FLIPS = {"none": (), "horizontal": (-1,), "vertical": (-2,), "both": (-1, -2)}
MEANS = ("pixel_mean", "channel_mean")
"""Ways of standardizing that only subtract a mean."""
MEMORY_FORMATS = {3: "channels_last", 4: "channels_last_3d"}


def constructor(about: About) -> str:
    """What a script imports of the network's module."""
    return about.class_name


def constants(task: Task, recipe: Training) -> dict[str, Value]:
    """The values of the program's constants."""
    inputs, augment = recipe.inputs, recipe.augment
    *spatial, channels = task.shape
    size = resized(inputs)
    return {
        "INPUT": (channels, *spatial),
        "CLASSES": task.classes,
        "MODE": MODES.get(channels, "RGB"),
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
        "FLIPS": FLIPS[augment.flip],
        "LIGHTING": augment.lighting,
        "BATCH_SIZE": recipe.batch_size,
        "EPOCHS": recipe.epochs or 0,
        "STEPS": recipe.steps or 0,
        "STEPS_PER_EPOCH": recipe.steps_per_epoch or 0,
        "LEARNING_RATE": recipe.optimizer.learning_rate,
        "SCHEDULE": recipe.schedule.name,
        "WARMUP": recipe.warmup,
        "LOSS": recipe.loss,
        "LABEL_SMOOTHING": recipe.label_smoothing,
        "REJECTION": recipe.rejection,
        "VALIDATION": recipe.validation,
        "METRIC": recipe.metric,
        "PATIENCE": recipe.early_stopping or 0,
        "PRECISION": recipe.precision,
        "SYNC_BATCH_NORM": recipe.sync_batch_norm,
        "OUTPUT": "logits" if task.softmax is not None else task.output,
        "SOFTMAX": task.softmax is not None,
        "MEMORY_FORMAT": MEMORY_FORMATS.get(len(task.shape), "") if task.is_wide else "",
        "SEED": recipe.seed,
    }


def definitions(task: Task, recipe: Training) -> dict[str, Expr]:
    """The expressions in place of the program's calls of functions that depend on the recipe."""
    expressions = {
        "make_optimizer": _optimizer(recipe.optimizer),
        "make_schedule": _schedule(recipe),
        "standardize": _standardized(recipe),
    }
    if task.softmax is not None:
        softmax = Lit(str(task.softmax))
        expressions["leave_out_softmax"] = call("model.set_submodule", softmax, call("nn.Identity"))
    if isinstance(recipe.schedule, Plateau):
        expressions["make_plateau"] = _plateau(recipe.schedule)
    return expressions


def names(recipe: Training) -> dict[str, str]:
    """The names in place of the program's: what is best is measured by the metric."""
    return {} if recipe.metric == "loss" else {"metric": "accuracy"}


def absent(_task: Task, recipe: Training) -> set[str]:
    """The statistics that images are not standardized by."""
    standardize = recipe.inputs.standardize
    if standardize == "none":
        return {"mean", "deviation"}
    return {"deviation"} if standardize in MEANS else set()


def _standardized(recipe: Training) -> Expr:
    """Images less their mean, over their standard deviation: in the place of the batch, as new
    memory would cost more than the arithmetic."""
    if recipe.inputs.standardize == "none":
        return Ref("images")
    less = call(Attribute(Ref("images"), "sub_"), Ref("mean"))
    if recipe.inputs.standardize in MEANS:
        return less
    return call(Attribute(less, "div_"), Ref("deviation"))


def _optimizer(optimizer: Optimizer) -> Call:
    """PyTorch's optimizer, without what has PyTorch's defaults. Adam, which has a dozen operations
    for each weight, does them in one pass: `fused`."""
    keywords: dict[str, Expr | Value] = {"lr": Ref("LEARNING_RATE")}
    match optimizer:
        case Sgd():
            name = "SGD"
            keywords |= _nonzero(momentum=optimizer.momentum, nesterov=optimizer.nesterov)
        case RmsProp():
            name = "RMSprop"
            keywords["alpha"] = optimizer.rho
            keywords |= {} if optimizer.epsilon == 1e-8 else {"eps": optimizer.epsilon}
            keywords |= _nonzero(momentum=optimizer.momentum)
        case Adam():
            name = "AdamW" if isinstance(optimizer, AdamW) else "Adam"
            betas = (optimizer.beta_1, optimizer.beta_2)
            keywords |= {} if betas == (0.9, 0.999) else {"betas": betas}
            keywords |= {} if optimizer.epsilon == 1e-8 else {"eps": optimizer.epsilon}
        case _:
            raise TypeError(f"no optimizer of PyTorch: {optimizer.name}")
    if isinstance(optimizer, AdamW) or optimizer.weight_decay:
        keywords["weight_decay"] = optimizer.weight_decay
    if isinstance(optimizer, Adam):
        keywords["fused"] = True
    return call(f"torch.optim.{name}", call("model.parameters"), **keywords)


def _nonzero(**values: float | bool) -> dict[str, Expr | Value]:
    """Those that are not 0 or False."""
    return {name: value for name, value in values.items() if value}


def _schedule(recipe: Training) -> Expr:
    """PyTorch's schedulers of single steps; the warm-up ends after `begin` of them."""
    optimizer, begin = Ref("optimizer"), Ref("begin")
    start = Binary("/", Lit(1), begin)
    rises = Binary("-", begin, Lit(1))
    rise = call("lr_scheduler.LinearLR", optimizer, start_factor=start, total_iters=rises)
    match recipe.schedule:
        case Cosine(minimum=minimum):
            steps: Expr = Ref("steps")
            steps = Binary("-", steps, begin) if recipe.warmup else steps
            lowest = _nonzero(eta_min=minimum)
            fall = call("lr_scheduler.CosineAnnealingLR", optimizer, steps, **lowest)
            if not recipe.warmup:
                return fall
            both = ListOf((rise, fall))
            milestones = ListOf((begin,))
            return call("lr_scheduler.SequentialLR", optimizer, both, milestones=milestones)
        case Piecewise():
            falls = _falls(recipe.schedule)
            if not recipe.warmup and len(falls) == 1:
                return falls[0]
            parts = ListOf((rise, *falls) if recipe.warmup else falls)
            return call("lr_scheduler.ChainedScheduler", parts)
        case Step(every=every, factor=factor):
            steps = Binary("*", Lit(every), Ref("epoch_steps"))
            gamma = {} if factor == 0.1 else {"gamma": factor}
            fall = call("lr_scheduler.StepLR", optimizer, steps, **gamma)
            if not recipe.warmup:
                return fall
            return call("lr_scheduler.ChainedScheduler", ListOf((rise, fall)))
    return rise


def _falls(schedule: Piecewise) -> tuple[Expr, ...]:
    """A scheduler for each change, or one for all where they are alike."""
    before = (1.0, *schedule.factors)
    # Without the digits that the division adds.
    ratios = [float(f"{b / a:.12g}") for a, b in pairwise(before)]
    groups = [(schedule.epochs, ratios[0])]
    if len({*ratios}) > 1:
        groups = [((epoch,), ratio) for epoch, ratio in zip(schedule.epochs, ratios, strict=True)]
    falls = []
    for epochs, ratio in groups:
        milestones = ListOf(tuple(Binary("*", Lit(one), Ref("epoch_steps")) for one in epochs))
        gamma = {} if ratio == 0.1 else {"gamma": ratio}
        falls.append(call("lr_scheduler.MultiStepLR", Ref("optimizer"), milestones, **gamma))
    return tuple(falls)


def _plateau(schedule: Plateau) -> Call:
    keywords: dict[str, Expr | Value] = {}
    keywords |= {} if schedule.factor == 0.1 else {"factor": schedule.factor}
    # PyTorch waits for one epoch more.
    keywords["patience"] = schedule.patience - 1
    keywords |= _nonzero(threshold=0.0, min_lr=schedule.minimum)
    return call("lr_scheduler.ReduceLROnPlateau", Ref("optimizer"), "max", **keywords)
