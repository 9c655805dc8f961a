"""Losses of labels that are numbers of classes."""

from __future__ import annotations

import keras
from keras import ops


class SmoothedCrossEntropy(keras.losses.Loss):
    """Cross-entropy with a share of each label spread uniformly over all classes, of outputs of a
    kind: `logits`, `probabilities` or `log_probabilities`."""

    def __init__(self, output: str, smoothing: float) -> None:
        super().__init__()
        self.output = output
        self.smoothing = smoothing

    def call(self, labels: keras.KerasTensor, outputs: keras.KerasTensor) -> keras.KerasTensor:
        """The loss of each sample: (batch,)."""
        return keras.losses.categorical_crossentropy(
            one_hot_labels(labels, outputs.shape[-1]),
            outputs,
            from_logits=self.output != "probabilities",
            label_smoothing=self.smoothing,
        )


class SquaredError(keras.losses.Loss):
    """Mean squared difference to 1 for the label's class and 0 for the others."""

    def __init__(self, output: str) -> None:
        super().__init__()
        self.output = output

    def call(self, labels: keras.KerasTensor, outputs: keras.KerasTensor) -> keras.KerasTensor:
        """The loss of each sample: (batch,)."""
        values = ops.exp(outputs) if self.output == "log_probabilities" else outputs
        targets = one_hot_labels(labels, outputs.shape[-1])
        return ops.mean(ops.square(values - targets), axis=-1)


class MaximumAPosteriori(keras.losses.Loss):
    """The loss of distances y, which come in negative: y_D + log(e^-j + sum of e^-y_i), where D is
    the label and j the `rejection` (LeCun et al. 1998, equation 9)."""

    def __init__(self, rejection: float) -> None:
        super().__init__()
        self.rejection = rejection

    def call(self, labels: keras.KerasTensor, outputs: keras.KerasTensor) -> keras.KerasTensor:
        """The loss of each sample: (batch,)."""
        rejects = ops.full_like(outputs[:, :1], -self.rejection)
        scores = ops.logsumexp(ops.concatenate([outputs, rejects], axis=1), axis=1)
        return scores - ops.sum(outputs * one_hot_labels(labels, outputs.shape[-1]), axis=1)


def one_hot_labels(labels: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """Labels as rows of 0 and 1: (batch, classes)."""
    return ops.one_hot(ops.cast(ops.reshape(labels, (-1,)), "int32"), classes)


def class_probabilities(outputs: keras.KerasTensor, kind: str) -> keras.KerasTensor:
    """The probabilities of the classes, of an output of a kind: (batch, classes)."""
    return outputs if kind == "probabilities" else ops.softmax(outputs)
