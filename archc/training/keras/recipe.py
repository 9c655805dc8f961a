"""A recipe in Keras: the optimizer, its learning rate and loss, and the model that trains."""

from __future__ import annotations

from typing import TypeAlias

import keras
from keras import layers
from keras.optimizers.schedules import LearningRateSchedule

from archc.language.recipe import (
    Adam,
    AdamW,
    Augment,
    Constant,
    Cosine,
    Piecewise,
    Plateau,
    RmsProp,
    Sgd,
    Step,
    Training,
)
from archc.training.keras.augment import FILLS, ColourNoise, ImageMoves
from archc.training.keras.losses import MaximumAPosteriori, SmoothedCrossEntropy, SquaredError
from archc.training.keras.optimizers import CorrectedAdam, MomentumDescent, RootMeanSquare
from archc.training.keras.schedules import CosineDecay, PlateauRate, StepDecay, WarmUp
from archc.training.keras.state import RunState
from archc.training.task import Task

Rate: TypeAlias = "float | LearningRateSchedule"


def make_rate(recipe: Training, epoch_steps: int, steps: int) -> Rate:
    """The learning rate: a number, or a schedule over the steps."""
    rate: Rate = float(recipe.optimizer.learning_rate)
    begin = max(1, round(recipe.warmup * epoch_steps)) if recipe.warmup else 0
    match recipe.schedule:
        case Step(every=every, factor=factor):
            rate = StepDecay(rate, every * epoch_steps, factor)
        case Piecewise(epochs=epochs, factors=factors):
            # Keras has a value up to its boundary and with it.
            boundaries = [epoch * epoch_steps - 1 for epoch in epochs]
            values = [rate, *(rate * factor for factor in factors)]
            rate = keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, values)
        case Cosine(minimum=minimum):
            rate = CosineDecay(rate, steps, begin=begin, minimum=minimum)
    return WarmUp(rate, begin) if recipe.warmup else rate


def make_optimizer(recipe: Training, rate: Rate) -> keras.Optimizer:
    """The optimizer of a recipe; Keras' own where it computes the same."""
    optimizer = recipe.optimizer
    decay = optimizer.weight_decay
    match optimizer:
        case Sgd(momentum=momentum):
            nesterov = optimizer.nesterov and momentum > 0
            changes = not isinstance(recipe.schedule, Constant) or recipe.warmup > 0
            if decay or (momentum and changes):
                return MomentumDescent(rate, momentum, nesterov=nesterov, decay=decay)
            return keras.optimizers.SGD(rate, momentum, nesterov)
        case RmsProp(rho=rho, momentum=momentum, epsilon=epsilon):
            return RootMeanSquare(rate, rho=rho, momentum=momentum, epsilon=epsilon, decay=decay)
        case Adam():
            betas = {"beta_1": optimizer.beta_1, "beta_2": optimizer.beta_2}
            if isinstance(optimizer, AdamW):
                return CorrectedAdam(
                    rate, **betas, epsilon=optimizer.epsilon, weight_decay=decay or None
                )
            return CorrectedAdam(rate, **betas, epsilon=optimizer.epsilon, decay=decay)
    raise TypeError(f"no optimizer of Keras: {optimizer.name}")


def schedule_callbacks(
    recipe: Training, optimizer: keras.Optimizer, rate: Rate, state: RunState
) -> list[keras.callbacks.Callback]:
    """The callbacks that change the learning rate between epochs."""
    if not isinstance(recipe.schedule, Plateau):
        return []
    initial = float(recipe.optimizer.learning_rate)
    variable = optimizer.learning_rate
    if isinstance(rate, WarmUp):
        constant = keras.initializers.Constant(initial)
        variable = optimizer.add_variable((), constant, name="rate")
        rate.rate = variable
    return [PlateauRate(state, variable, recipe.schedule, initial)]


def make_loss(recipe: Training, output: str) -> keras.losses.Loss:
    """The loss of what a network returns (`logits`, `probabilities`, `log_probabilities`, or
    `distances` as `scored_network` has them): a mean over images."""
    if recipe.loss == "maximum_a_posteriori":
        return MaximumAPosteriori(recipe.rejection)
    if recipe.loss == "mean_squared_error":
        return SquaredError(output)
    if recipe.label_smoothing:
        return SmoothedCrossEntropy(output, recipe.label_smoothing)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=output != "probabilities")


def scored_network(network: keras.Model, task: Task) -> keras.Model:
    """The network with an output of which the highest is the answer: distances are made negative.
    Its layers are the network's."""
    if task.output != "distances":
        return network
    images = keras.Input(task.shape)
    return keras.Model(images, keras.ops.negative(network(images)))


def make_trainer(
    augment: Augment,
    network: keras.Model,
    scaling: layers.Layer,
    shape: tuple[int, ...],
    target: tuple[int, ...],
) -> keras.Model:
    """The network, applied to what `training_inputs` gives for images of a `shape`; `target` is the
    shape of the network's input."""
    inputs = {"images": keras.Input(shape if augment.moves else target, name="images")}
    images = inputs["images"]
    if augment.moves:
        inputs["moves"] = keras.Input((8,), name="moves")
        images = ImageMoves(target, FILLS[augment.fill])(images, inputs["moves"])
    if augment.lighting:
        inputs["colours"] = keras.Input((3,), name="colours")
        images = ColourNoise()(images, inputs["colours"])
    # A single input is given as it is: Keras would look its name up for each batch.
    taken = inputs if len(inputs) > 1 else inputs["images"]
    return keras.Model(taken, network(scaling(images)))
