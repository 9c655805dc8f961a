"""Learning rates that change with the steps taken, or between epochs."""

import math
from collections.abc import Sequence

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from archc.training.script.parts.keras.fitting import RunState


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
        return vars(self)


class CosineDecay(LearningRateSchedule):
    """From the rate along half a cosine to `minimum`, which the last step comes near.

    It begins after `begin` steps, which are left to a warm-up.
    """

    def __init__(
        self,
        rate: float,
        steps: int,
        begin: int = 0,
        minimum: float = 0.0,
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
        return vars(self)


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
        return vars(self)


class PlateauRate(keras.callbacks.Callback):
    """Lets the learning rate fall where the metric has not become better for long."""

    def __init__(
        self,
        state: RunState,
        variable: keras.Variable,
        *,
        factor: float,
        patience: int,
        minimum: float = 0.0,
    ) -> None:
        super().__init__()
        self.state = state
        self.variable = variable
        self.factor = factor
        self.patience = patience
        self.minimum = minimum

    def on_epoch_begin(self, _epoch: int, _logs: object = None) -> None:
        """Set the rate that follows from the epochs done."""
        self.variable.assign(self.rate_after(self.state.history))

    def rate_after(self, history: Sequence[float]) -> float:
        """Tell the rate after epochs of these metrics, the larger the better."""
        rate, best, waited = LEARNING_RATE, -math.inf, 0
        for value in history:
            waited = 0 if value > best else waited + 1
            best = max(best, value)
            if waited == self.patience:
                rate = max(rate * self.factor, self.minimum)
                waited = 0
        return rate
