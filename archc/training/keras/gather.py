"""Batches that TensorFlow gathers of an array itself: a call of Python between two of its steps
would take as long as a step of a small network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from archc.training.keras.images import ImageSet

LARGEST_ARRAY = 1 << 28
"""Bytes of images, which TensorFlow holds once more: steps of larger sets take longer, too."""


def can_gather(data: ImageSet) -> bool:
    """Whether TensorFlow may gather the batches of a set of images."""
    images = data.images
    if keras.backend.backend() != "tensorflow" or not isinstance(images, np.ndarray):
        return False
    return images.nbytes <= LARGEST_ARRAY


class Gatherer:
    """The images and labels of a set, and the order in which an epoch takes them."""

    def __init__(self, data: ImageSet, size: int, length: int) -> None:
        """Take batches of a `size`, and the `length` of an epoch in images."""
        import tensorflow as tf  # it may be JAX that computes

        self.size = size
        with tf.device("CPU"):
            self.images = tf.constant(data.images)
            self.labels = tf.constant(data.labels)
            self.order = tf.Variable(np.zeros(length, np.int64), trainable=False)

    def begin_epoch(self, order: Sequence[np.ndarray]) -> None:
        """Take the images of each step of an epoch."""
        self.order.assign(np.concatenate(order))

    def batches(self, span: range) -> Any:
        """The batches of some steps of each epoch, as a `tf.data.Dataset`."""
        import tensorflow as tf

        def gather(step: Any) -> tuple[Any, Any]:
            chosen = self.order[step * self.size : (step + 1) * self.size]
            return tf.gather(self.images, chosen), tf.gather(self.labels, chosen)

        steps = tf.data.Dataset.range(span.start, span.stop)
        return steps.map(gather, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
