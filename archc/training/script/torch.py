"""What of a PyTorch training script depends on the recipe: the optimizer, its learning rate, the
loss and the changes to training images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from archc.codegen.docs import lit
from archc.codegen.printer import render
from archc.codegen.tree import (
    Assign,
    Call,
    Expr,
    FunctionDef,
    Import,
    ImportFrom,
    Lit,
    Module,
    Parameter,
    Raw,
    Ref,
    Return,
    Statement,
    Value,
    call,
)
from archc.language.recipe import (
    Adam,
    AdamW,
    Augment,
    Cosine,
    Optimizer,
    Plateau,
    RmsProp,
    Schedule,
    Sgd,
    Step,
    Training,
)

IMPORTS: tuple[Statement, ...] = (
    ImportFrom("__future__", ("annotations",)),
    Import("math"),
    Import("torch"),
    ImportFrom("torch", ("Tensor", "nn")),
    ImportFrom("torch.nn", ("functional",)),
)
"""What any of the functions uses; a script takes over those that its own use."""
MEMORY_FORMATS = {3: "channels_last", 4: "channels_last_3d"}
"""By the axes of an input: height, width and channels, or depth before them."""
FILL = "zeros"
"""What `grid_sample` calls zeros beyond the edges; what it calls the nearest is the default."""


def functions(recipe: Training, constants: Mapping[str, Value]) -> str:
    """Source of `make_network`, `make_optimizer`, `learning_rate`, `sample_losses` and
    `augment_images`."""
    body: tuple[Statement, ...] = (
        *IMPORTS,
        Assign(Ref("LEARNING_RATE"), Lit(recipe.optimizer.learning_rate)),
        Raw(_network(constants)),
        _optimizer(recipe.optimizer),
        Raw(_learning_rate(recipe.schedule, recipe.warmup)),
        Raw(_losses(recipe, constants)),
        _augmentation(recipe, constants),
    )
    return render(Module(body=body))


def _network(constants: Mapping[str, Value]) -> str:
    softmax = constants.get("SOFTMAX")
    head = "def make_network() -> nn.Module:"
    memory = MEMORY_FORMATS.get(len(cast("tuple[int, ...]", constants["INPUT_SHAPE"])))
    placed = "" if memory is None else f".to(memory_format=torch.{memory})"
    if softmax is None:
        lines = ['    """Build the network."""', f"    return build_model(){placed}"]
    else:
        lines = [
            '    """Build the network, with the logarithms of its probabilities as output."""',
            "    network = build_model()",
            "    # Of a probability near 0 the logarithm has no gradient.",
            f"    network.set_submodule({lit(softmax)}, nn.LogSoftmax(dim=1))",
            f"    return network{placed}",
        ]
    return "\n".join([head, *lines])


def _optimizer(optimizer: Optimizer) -> FunctionDef:
    return FunctionDef(
        "make_optimizer",
        (Parameter("model", Ref("nn.Module")),),
        Ref("torch.optim.Optimizer"),
        "Make the optimizer of the recipe.",
        (Return(_optimizer_call(optimizer)),),
    )


def _optimizer_call(optimizer: Optimizer) -> Call:
    """PyTorch's optimizer, without what has PyTorch's defaults. `fused` updates all weights in one
    pass; RMSprop has none."""
    keywords: dict[str, Expr | Value] = {"lr": Ref("LEARNING_RATE")}
    decay = optimizer.weight_decay
    match optimizer:
        case Sgd():
            name = "SGD"
            keywords |= _given(momentum=optimizer.momentum, nesterov=optimizer.nesterov)
        case RmsProp():
            name = "RMSprop"
            keywords["alpha"] = optimizer.rho
            keywords |= {} if optimizer.epsilon == 1e-8 else {"eps": optimizer.epsilon}
            keywords |= _given(momentum=optimizer.momentum)
        case Adam():
            name = "AdamW" if isinstance(optimizer, AdamW) else "Adam"
            betas = (optimizer.beta_1, optimizer.beta_2)
            keywords |= {} if betas == (0.9, 0.999) else {"betas": betas}
            keywords |= {} if optimizer.epsilon == 1e-8 else {"eps": optimizer.epsilon}
        case _:
            raise TypeError(f"no optimizer of PyTorch: {optimizer.name}")
    if decay or isinstance(optimizer, AdamW):
        keywords["weight_decay"] = decay
    if not isinstance(optimizer, RmsProp):
        keywords["fused"] = True
    return call(f"torch.optim.{name}", call("model.parameters"), **keywords)


def _given(**values: float | bool) -> dict[str, Expr | Value]:
    """Those that are not 0 or False."""
    return {name: value for name, value in values.items() if value}


def _learning_rate(schedule: Schedule, warmup: float) -> str:
    lines: list[str] = []
    rate, told = "LEARNING_RATE", "stays"
    match schedule:
        case Step():
            steps = f"{lit(schedule.every)} * moment.epoch_steps"
            lines = [f"    times = moment.step // ({steps})"]
            rate = f"LEARNING_RATE * {lit(schedule.factor)}**times"
            told = "falls in steps"
        case Cosine():
            lines, rate = _cosine(schedule, warmup)
            told = "falls along half a cosine"
        case Plateau():
            lines, rate = _plateau(schedule), "rate"
            told = "falls on plateaus"
    argument = "moment" if lines or warmup else "_moment"
    if warmup:
        lines.insert(0, "    begin = max(1, round(WARMUP * moment.epoch_steps))")
        lines.append("    rise = min(1.0, (moment.step + 1) / begin)")
        rate, told = f"rise * {_factor(rate)}", f"rises, then {told}"
    head = [
        f"def learning_rate({argument}: TrainingMoment) -> float:",
        f'    """Tell the learning rate of a step: it {told}."""',
    ]
    return "\n".join([*head, *lines, f"    return {rate}"])


def _factor(rate: str) -> str:
    return f"({rate})" if " + " in rate else rate


def _plateau(schedule: Plateau) -> list[str]:
    fallen = f"rate * {lit(schedule.factor)}"
    if schedule.minimum:
        fallen = f"max({fallen}, {lit(schedule.minimum)})"
    return [
        "    rate, best, waited = LEARNING_RATE, -math.inf, 0",
        "    for value in moment.history:",
        "        waited = 0 if value > best else waited + 1",
        "        best = max(best, value)",
        f"        if waited == {lit(schedule.patience)}:",
        f"            rate, waited = {fallen}, 0",
    ]


def _cosine(schedule: Cosine, warmup: float) -> tuple[list[str], str]:
    share = "moment.step / moment.steps"
    if warmup:
        share = "max(0, moment.step - begin) / max(1, moment.steps - begin)"
    lines = [f"    share = {share}", "    height = 0.5 * (1 + math.cos(math.pi * share))"]
    if not schedule.minimum:
        return lines, "LEARNING_RATE * height"
    lowest = lit(schedule.minimum)
    return lines, f"{lowest} + (LEARNING_RATE - {lowest}) * height"


def _losses(recipe: Training, constants: Mapping[str, Value]) -> str:
    output = str(constants["OUTPUT"])
    head = "def sample_losses(output: Tensor, labels: Tensor) -> Tensor:"
    if recipe.loss == "mean_squared_error":
        given = "output.exp()" if output == "log_probabilities" else "output"
        lines = [
            '    """Tell the mean squared error of each sample: (batch,)."""',
            "    targets = functional.one_hot(labels, CLASSES)",
            f"    return ({given} - targets).square().mean(dim=1)",
        ]
    else:
        lines = ['    """Tell the cross-entropy of each sample: (batch,)."""']
        if output == "logits":
            lines.append("    output = output.log_softmax(dim=1)")
        loss = 'functional.nll_loss(output, labels, reduction="none")'
        if recipe.label_smoothing:
            lines += [
                f"    losses = {loss}",
                "    # A share of each label stands for all classes alike.",
                "    others = -output.mean(dim=1)",
                "    return (1 - LABEL_SMOOTHING) * losses + LABEL_SMOOTHING * others",
            ]
        else:
            lines.append(f"    return {loss}")
    return "\n".join([head, *lines])


def _augmentation(recipe: Training, constants: Mapping[str, Value]) -> FunctionDef:
    steps = _changes(recipe, constants)
    body: list[Statement] = [Assign(Ref("images"), one) for one in steps[:-1]]
    body.append(Return(steps[-1] if steps else Ref("images")))
    return FunctionDef(
        "augment_images",
        (
            Parameter("images", Ref("Tensor")),
            Parameter("draws" if steps else "_draws", Ref("BatchDraws")),
        ),
        Ref("Tensor"),
        "Change training images at random: (batch, channels, height, width)."
        if steps
        else "Leave training images as they are.",
        tuple(body),
    )


def _changes(recipe: Training, constants: Mapping[str, Value]) -> list[Expr]:
    augment = recipe.augment
    images: tuple[Expr, Expr] = Ref("images"), Ref("draws")
    steps: list[Expr] = []
    if augment.moves:
        steps.append(call("move_images", *images, **_moves(augment)))
    axes = {"none": (), "horizontal": (-1,), "vertical": (-2,), "both": (-1, -2)}[augment.flip]
    steps += [call("flip_images", *images, Lit(axis)) for axis in axes]
    if _may_crop(recipe, constants):
        steps.append(call("crop_images", *images))
    if augment.lighting:
        steps.append(call("light_images", *images, Lit(augment.lighting)))
    return steps


def _moves(augment: Augment) -> dict[str, Expr | Value]:
    keywords = _given(
        rotation=augment.rotation, shift=augment.shift, zoom=augment.zoom, shear=augment.shear
    )
    return keywords if augment.fill == "nearest" else {**keywords, "fill": FILL}


def _may_crop(recipe: Training, constants: Mapping[str, Value]) -> bool:
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
