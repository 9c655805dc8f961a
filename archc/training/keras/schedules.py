"""Learning rates that change with the steps taken, or between epochs."""

from __future__ import annotations

import math

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from archc.language.recipe import Plateau
from archc.training.keras.state import RunState
from archc.training.run.plateau import plateau_rate


class StepDecay(LearningRateSchedule):
    """The rate times `factor`, again and again after so many steps."""

    def __init__(self, rate: float, steps: int, factor: float) -> None:
        self.rate = rate
        self.steps = steps
        self.factor = factor

    def __call__(self, step: keras.KerasTensor) -> keras.KerasTensor:
        times = ops.cast(step // self.steps, "float32")
        return self.rate * self.factor**times

    def get_config(self) -> dict[str, float]:
        """The arguments."""
        return dict(vars(self))


class CosineDecay(LearningRateSchedule):
    """From the rate along half a cosine to `minimum`, which the last step comes near.

    It begins after `begin` steps, which are left to a warm-up.
    """

    def __init__(
        self,
        rate: float,
        steps: int,
        begin: int,
        minimum: float,
    ) -> None:
        self.rate = rate
        self.steps = steps
        self.begin = begin
        self.minimum = minimum

    def __call__(self, step: keras.KerasTensor) -> keras.KerasTensor:
        done = ops.maximum(ops.cast(step, "float32") - self.begin, 0.0)
        share = done / max(1, self.steps - self.begin)
        half = (1 + ops.cos(math.pi * share)) / 2
        return self.minimum + (self.rate - self.minimum) * half

    def get_config(self) -> dict[str, float]:
        """The arguments."""
        return dict(vars(self))


class WarmUp(LearningRateSchedule):
    """A rate that rises in a straight line over the first steps."""

    def __init__(
        self,
        rate: float | keras.Variable | LearningRateSchedule,
        steps: int,
    ) -> None:
        self.rate = rate
        self.steps = steps

    def __call__(self, step: keras.KerasTensor) -> keras.KerasTensor:
        rate = self.rate(step) if callable(self.rate) else self.rate
        share = (ops.cast(step, "float32") + 1) / self.steps
        return rate * ops.minimum(share, 1.0)

    def get_config(self) -> dict[str, object]:
        """The arguments."""
        return dict(vars(self))


class PlateauRate(keras.callbacks.Callback):
    """Lowers the learning rate where the metric has stopped improving."""

    def __init__(
        self, state: RunState, variable: keras.Variable, schedule: Plateau, rate: float
    ) -> None:
        """Set `variable` from the initial `rate` on."""
        super().__init__()
        self.state = state
        self.variable = variable
        self.schedule = schedule
        self.rate = rate

    def on_epoch_begin(self, _epoch: int, _logs: object = None) -> None:
        """Set the rate that follows from the epochs done."""
        self.variable.assign(plateau_rate(self.schedule, self.rate, self.state.history))
