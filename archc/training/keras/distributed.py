"""The devices that train together: of this machine, or of several."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from archc.training.errors import RunError


class WorkerPlace(NamedTuple):
    """This process among those of the run, the first of which alone writes.

    `replicas` counts the devices of all processes that share a batch; `scope` gives a
    context in which networks are made and trained that they share.
    """

    is_first: bool = True
    processes: int = 1
    replicas: int = 1
    scope: Callable[[], AbstractContextManager[Any]] = nullcontext


def join_devices(device_name: str) -> WorkerPlace:
    """Find the devices to train on: all GPUs, or the CPU where there is none.

    Processes that `TF_CONFIG` tells of train together on TensorFlow.
    """
    if keras.backend.backend() == "tensorflow":
        return join_tensorflow(device_name)
    if device_name == "cpu":
        import jax  # it may be TensorFlow that computes

        jax.config.update("jax_platforms", "cpu")
    devices = choose_devices(device_name)
    if len(devices) == 1:
        return WorkerPlace()
    distribution = keras.distribution.DataParallel(devices=devices)
    return WorkerPlace(replicas=len(devices), scope=distribution.scope)


def join_tensorflow(device_name: str) -> WorkerPlace:
    """Find the devices, and the other processes, by a strategy of TensorFlow."""
    import tensorflow as tf  # it may be JAX that computes

    # The same step gives the same bits: a run that resumes relies on it.
    tf.config.experimental.enable_op_determinism()
    if device_name == "cpu":
        tf.config.set_visible_devices([], "GPU")
    if "TF_CONFIG" in os.environ:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        config = json.loads(os.environ["TF_CONFIG"])
        task = config["task"]
        return WorkerPlace(
            task["type"] == "chief" or ("chief" not in config["cluster"] and task["index"] == 0),
            sum(map(len, config["cluster"].values())),
            strategy.num_replicas_in_sync,
            strategy.scope,
        )
    devices = choose_devices(device_name)
    if len(devices) == 1:
        return WorkerPlace()
    strategy = tf.distribute.MirroredStrategy(devices)
    return WorkerPlace(replicas=len(devices), scope=strategy.scope)


def choose_devices(device_name: str) -> list[str]:
    """Name the devices of one kind. Raises RunError where there is none of it."""
    if device_name == "cpu":
        cpus: list[str] = keras.distribution.list_devices("cpu")
        return cpus
    devices: list[str] = keras.distribution.list_devices()
    if device_name == "cuda":
        devices = [device for device in devices if device.startswith("gpu")]
    if not devices:
        message = f"there is no GPU that {keras.backend.backend()} can use here"
        raise RunError(message)
    return devices


def device_kind(device_name: str) -> str:
    """The kind of the devices that are chosen: `cpu` or `gpu`."""
    return choose_devices(device_name)[0].partition(":")[0]


class SharedModel(keras.Model):
    """A model that several processes train."""

    def compute_metrics(
        self,
        x: object,
        y: keras.KerasTensor,
        y_pred: keras.KerasTensor,
        sample_weight: keras.KerasTensor | None = None,
    ) -> dict[str, keras.KerasTensor]:
        """Give the scores an axis, along which Keras takes the processes' mean."""
        scores = super().compute_metrics(x, y, y_pred, sample_weight)
        return {name: ops.expand_dims(score, 0) for name, score in scores.items()}


def share_model(model: keras.Model, worker: WorkerPlace) -> keras.Model:
    """Let the processes of the run train a model."""
    return model if worker.processes == 1 else SharedModel(model.input, model.output)


def share_statistics(network: keras.Model, worker: WorkerPlace) -> None:
    """Let all devices have the first one's running statistics, of its part of batches.

    On JAX they are of whole batches already.
    """
    if worker.replicas == 1 or keras.backend.backend() == "jax":
        return
    for variable in network.non_trainable_variables:
        value = ops.convert_to_numpy(variable)
        own = value if worker.is_first else np.zeros_like(value)
        variable.assign(sum_over_processes(own, worker))


def sum_over_processes(
    number: float | np.ndarray,
    worker: WorkerPlace,
) -> float | np.ndarray:
    """Sum the processes' numbers, within their scope: each is told the same."""
    if worker.processes == 1:
        return number
    import tensorflow as tf  # it may be JAX that computes

    devices = worker.replicas // worker.processes

    def give(context: tf.distribute.experimental.ValueContext) -> tf.Tensor:
        is_asked = context.replica_id_in_sync_group % devices == 0
        return tf.constant(number * float(is_asked), tf.float64)

    strategy = tf.distribute.get_strategy()
    given = strategy.experimental_distribute_values_from_function(give)
    total: np.ndarray = strategy.reduce("SUM", given, axis=None).numpy()
    return total
