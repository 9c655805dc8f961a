"""A recipe in PyTorch: the network, its optimizer, learning rate and loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

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
from archc.training.plan import Plan
from archc.training.run.plateau import plateau_rate

MEMORY_FORMATS = {3: torch.channels_last, 4: torch.channels_last_3d}
"""By the axes of an input: height, width and channels, or depth before them."""


class TrainingMoment(NamedTuple):
    """The moment in training at which a learning rate is needed.

    `step` counts from 0 those done of all `steps`, `epoch_steps` are those of an epoch; `history`
    has the metric of each finished epoch, the larger the better.
    """

    step: int
    epoch_steps: int
    steps: int
    history: Sequence[float]


def make_network(plan: Plan) -> nn.Module:
    """Build the network of a plan; with the logarithm in place of a final softmax, and distances
    made negative."""
    network: nn.Module = plan.build_model()
    if plan.task.softmax is not None:
        network.set_submodule(str(plan.task.softmax), nn.LogSoftmax(dim=1))
    if plan.task.output == "distances":
        network.register_forward_hook(_negative)
    if plan.task.is_wide and len(plan.task.shape) in MEMORY_FORMATS:
        return network.to(memory_format=MEMORY_FORMATS[len(plan.task.shape)])
    return network


def _negative(_network: nn.Module, _images: object, distances: Tensor) -> Tensor:
    """Distances turned into scores: the nearest class has the highest."""
    return -distances


def make_optimizer(optimizer: Optimizer, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of a recipe. `fused` updates all weights in one pass; RMSprop has none."""
    keywords: dict[str, Any] = {
        "lr": optimizer.learning_rate,
        "weight_decay": optimizer.weight_decay,
    }
    parameters = [one for one in model.parameters() if one.requires_grad]
    match optimizer:
        case Sgd():
            momentum, nesterov = optimizer.momentum, optimizer.nesterov and optimizer.momentum > 0
            keywords |= {"momentum": momentum, "nesterov": nesterov, "fused": True}
            return torch.optim.SGD(parameters, **keywords)
        case RmsProp():
            keywords |= {"alpha": optimizer.rho, "eps": optimizer.epsilon}
            return torch.optim.RMSprop(parameters, momentum=optimizer.momentum, **keywords)
    assert isinstance(optimizer, Adam)
    betas = (optimizer.beta_1, optimizer.beta_2)
    keywords |= {"betas": betas, "eps": optimizer.epsilon, "fused": True}
    kind = torch.optim.AdamW if isinstance(optimizer, AdamW) else torch.optim.Adam
    return kind(parameters, **keywords)


def learning_rate(recipe: Training, moment: TrainingMoment) -> float:
    """The learning rate of a step: the schedule's, rising in a straight line during the warm-up."""
    if not recipe.warmup:
        return _scheduled_rate(recipe, moment, 0)
    begin = max(1, round(recipe.warmup * moment.epoch_steps))
    return min(1.0, (moment.step + 1) / begin) * _scheduled_rate(recipe, moment, begin)


def _scheduled_rate(recipe: Training, moment: TrainingMoment, begin: int) -> float:
    """The rate of the schedule; cosine decay begins after `begin` steps of warm-up."""
    rate = float(recipe.optimizer.learning_rate)
    match recipe.schedule:
        case Step(every=every, factor=factor):
            return rate * float(factor) ** (moment.step // (every * moment.epoch_steps))
        case Piecewise(epochs=epochs, factors=factors):
            passed = sum(moment.step >= epoch * moment.epoch_steps for epoch in epochs)
            return rate * (1, *factors)[passed]
        case Cosine(minimum=minimum):
            share = max(0, moment.step - begin) / max(1, moment.steps - begin)
            return minimum + (rate - minimum) * 0.5 * (1 + math.cos(math.pi * share))
        case Plateau() as plateau:
            return plateau_rate(plateau, rate, moment.history)
    return rate


def sample_losses(recipe: Training, kind: str, output: Tensor, labels: Tensor) -> Tensor:
    """The loss of each sample, (batch,), of an output of a kind: `logits`, `log_probabilities` or
    `distances`, which are negative."""
    if recipe.loss == "maximum_a_posteriori":
        # LeCun et al. 1998, equation 9: y_D + log(e^-j + sum of e^-y_i), for distances y.
        rejects = torch.full_like(output[:, :1], -recipe.rejection)
        scores = torch.cat([output, rejects], dim=1).logsumexp(dim=1)
        return scores - output.gather(1, labels[:, None])[:, 0]
    if recipe.loss == "mean_squared_error":
        values = output.exp() if kind == "log_probabilities" else output
        targets = functional.one_hot(labels, output.shape[1])
        return (values - targets).square().mean(dim=1)
    if kind == "logits":
        output = output.log_softmax(dim=1)
    losses = functional.nll_loss(output, labels, reduction="none")
    if not recipe.label_smoothing:
        return losses
    # A share of each label stands for all classes alike.
    smoothing = recipe.label_smoothing
    return (1 - smoothing) * losses - smoothing * output.mean(dim=1)
