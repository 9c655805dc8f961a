"""Optimizers as their papers and PyTorch define them, where Keras' own differ.

Keras adds epsilon before a bias is corrected or under the root, puts the learning rate
into the momentum, where it goes on after the rate has changed, and has no weight decay
in the gradient.
"""

from __future__ import annotations

import math

import keras
from keras import ops


class MomentumDescent(keras.optimizers.SGD):
    """Gradient descent whose momentum gathers gradients, not steps.

    `decay` times the weights is added to the gradient.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        momentum: float = 0.0,
        *,
        nesterov: bool = False,
        decay: float = 0.0,
    ) -> None:
        super().__init__(learning_rate, momentum, nesterov)
        self.decay = decay

    def update_step(
        self,
        gradient: keras.KerasTensor,
        variable: keras.Variable,
        learning_rate: keras.KerasTensor,
    ) -> None:
        gradient = gradient + self.decay * variable
        if self.momentum:
            gathered = self.momentums[self._get_variable_index(variable)]
            total = self.momentum * gathered + gradient
            self.assign(gathered, total)
            gradient = gradient + self.momentum * total if self.nesterov else total
        self.assign_sub(variable, learning_rate * gradient)


class CorrectedAdam(keras.optimizers.Adam):
    """Adam, epsilon added to the corrected root (Kingma, Ba 2015, algorithm 1).

    `decay` times the weights is added to the gradient; of `weight_decay`, this times
    the learning rate is what weights lose (Loshchilov, Hutter 2019).
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        *,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        decay: float = 0.0,
        weight_decay: float | None = None,
    ) -> None:
        super().__init__(
            learning_rate,
            beta_1,
            beta_2,
            epsilon,
            weight_decay=weight_decay,
        )
        self.decay = decay

    def update_step(
        self,
        gradient: keras.KerasTensor,
        variable: keras.Variable,
        learning_rate: keras.KerasTensor,
    ) -> None:
        if self.decay:
            gradient = gradient + self.decay * variable
        index = self._get_variable_index(variable)
        mean, square = self._momentums[index], self._velocities[index]
        self.assign_add(mean, (1 - self.beta_1) * (gradient - mean))
        self.assign_add(square, (1 - self.beta_2) * (ops.square(gradient) - square))
        step = ops.cast(self.iterations + 1, "float32")
        root = ops.sqrt(square / share_so_far(self.beta_2, step)) + self.epsilon
        rate = learning_rate / share_so_far(self.beta_1, step)
        self.assign_sub(variable, rate * mean / root)


def share_so_far(beta: float, step: keras.KerasTensor) -> keras.KerasTensor | float:
    """1 - beta**step, without the digits that float32 would lose in it."""
    return -ops.expm1(step * math.log(beta)) if beta else 1.0


class RootMeanSquare(keras.optimizers.RMSprop):
    """RMSprop, epsilon added to the root, whose momentum gathers gradients.

    `decay` times the weights is added to the gradient.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        *,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-8,
        decay: float = 0.0,
    ) -> None:
        super().__init__(learning_rate, rho, momentum, epsilon)
        self.decay = decay

    def update_step(
        self,
        gradient: keras.KerasTensor,
        variable: keras.Variable,
        learning_rate: keras.KerasTensor,
    ) -> None:
        gradient = gradient + self.decay * variable
        index = self._get_variable_index(variable)
        square = self._velocities[index]
        self.assign_add(square, (1 - self.rho) * (ops.square(gradient) - square))
        gradient = gradient / (ops.sqrt(square) + self.epsilon)
        if self.momentum:
            gathered = self._momentums[index]
            self.assign(gathered, self.momentum * gathered + gradient)
            gradient = gathered
        self.assign_sub(variable, learning_rate * gradient)
