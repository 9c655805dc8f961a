"""Losses of labels that are numbers of classes."""

import keras
from keras import ops


class SmoothedCrossEntropy(keras.losses.Loss):
    """Cross-entropy, of each label a share given to all classes alike."""

    def call(
        self,
        labels: keras.KerasTensor,
        outputs: keras.KerasTensor,
    ) -> keras.KerasTensor:
        """Give the loss of each sample: (batch,)."""
        return keras.losses.categorical_crossentropy(
            one_hot_labels(labels),
            outputs,
            from_logits=OUTPUT != "probabilities",
            label_smoothing=LABEL_SMOOTHING,
        )


class SquaredError(keras.losses.Loss):
    """Mean squared difference to 1 for the label's class and 0 for the others."""

    def call(
        self,
        labels: keras.KerasTensor,
        outputs: keras.KerasTensor,
    ) -> keras.KerasTensor:
        """Give the loss of each sample: (batch,)."""
        given = ops.exp(outputs) if OUTPUT == "log_probabilities" else outputs
        return ops.mean(ops.square(given - one_hot_labels(labels)), axis=-1)


def one_hot_labels(labels: keras.KerasTensor) -> keras.KerasTensor:
    """Labels as rows of 0 and 1: (batch, classes)."""
    return ops.one_hot(ops.cast(ops.reshape(labels, (-1,)), "int32"), CLASSES)


def class_probabilities(outputs: keras.KerasTensor) -> keras.KerasTensor:
    """What the network gives as probabilities: (batch, classes)."""
    return outputs if OUTPUT == "probabilities" else ops.softmax(outputs)
