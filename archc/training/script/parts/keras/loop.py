"""Training and prediction: what `fit` and `predict` do."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import nullcontext

import keras
import numpy as np
from keras import layers

from archc.training.script.parts.common.arguments import FitOptions, PredictOptions
from archc.training.script.parts.common.faults import RunError
from archc.training.script.parts.common.fitting_data import (
    FitData,
    read_fit_data,
    weights_path,
)
from archc.training.script.parts.common.metrics import MetricsLog
from archc.training.script.parts.common.preparing import (
    image_statistics,
    prepare_images,
    steps_per_epoch,
    total_steps,
)
from archc.training.script.parts.common.progress import Progress, stop_request
from archc.training.script.parts.common.reading import read_data
from archc.training.script.parts.common.record import (
    open_run,
    read_record,
    recorded_classes,
    run_record,
    start_run,
)
from archc.training.script.parts.common.results import (
    check_output,
    tell_accuracy,
    write_predictions,
    write_validation,
)
from archc.training.script.parts.common.statistics import (
    check_statistics,
    read_statistics,
    statistics_record,
    write_statistics,
)
from archc.training.script.parts.keras.batches import (
    EvaluationBatches,
    ImageSet,
    TrainingBatches,
)
from archc.training.script.parts.keras.distributed import (
    WorkerPlace,
    join_devices,
    share_model,
    sum_over_processes,
)
from archc.training.script.parts.keras.fitting import (
    Checkpoints,
    EpochReport,
    FitRun,
    RunState,
    StepReport,
)
from archc.training.script.parts.keras.losses import class_probabilities
from archc.training.script.parts.keras.precision import set_precision, widen_output
from archc.training.script.parts.keras.weights import load_weights

TOP_RANKS = 5
# Products of a step up to which several steps are one call: between two calls Python
# would take longer than the network.
FEW_PRODUCTS = 1e11
STEPS_TOGETHER = 16


def fit(options: FitOptions) -> None:
    """Train the network, into the folder of a run."""
    worker = join_devices(options.device)
    with open_run(options) if worker.is_first else nullcontext():
        fit_worker(options, worker)


def fit_worker(options: FitOptions, worker: WorkerPlace) -> None:
    """Train the network, as one of the processes that do."""
    found = read_fit_data(options)
    mean, deviation = image_statistics(found.data.images, found.training)
    check_statistics(options.data, mean, deviation)
    set_precision(options.precision, options.device)
    if worker.is_first:
        record = run_record(options, "keras", found.record, found.data.classes)
        record["statistics"] = statistics_record(mean, deviation)
        record["computed"] = {
            "keras": keras.__version__,
            keras.backend.backend(): backend_version(),
            "numpy": np.__version__,
            "precision": keras.config.dtype_policy().compute_dtype,
            "devices": worker.replicas,
            "processes": worker.processes,
        }
        start_run(options, record)
        write_statistics(options.out, mean, deviation)
    run = make_run(options, worker, found, mean, deviation)
    with worker.scope():
        run_epochs(run)
    if worker.is_first and len(found.held_out):
        keras.config.set_dtype_policy("float32")
        network = build_model()
        load_weights(network, options.out / "best.safetensors")
        evaluator = make_evaluator(network, mean, deviation)
        images = ImageSet(found.validation.images, None, found.held_out)
        probabilities = predict_all(evaluator, images)
        write_validation(options.out, found.validation, found.held_out, probabilities)


def backend_version() -> str:
    """Tell the version of what Keras computes with."""
    return sys.modules[keras.backend.backend()].__version__


def make_network() -> keras.Model:
    """Build the network; its last layer computes in float32."""
    network = build_model()
    widen_output(network)
    return network


def make_evaluator(
    network: keras.Model,
    mean: np.ndarray,
    deviation: np.ndarray,
) -> keras.Model:
    """Make the network take images as they are, scaled and standardized within it."""
    images = keras.Input(INPUT_SHAPE)
    return keras.Model(images, network(input_scaling(mean, deviation)(images)))


def input_scaling(mean: np.ndarray, deviation: np.ndarray) -> layers.Layer:
    """Make one product and sum of the scale and the training images' statistics."""
    return layers.Rescaling(SCALE / deviation, -mean / deviation, dtype="float32")


def make_run(
    options: FitOptions,
    worker: WorkerPlace,
    found: FitData,
    mean: np.ndarray,
    deviation: np.ndarray,
) -> FitRun:
    """Build the network and what trains it."""
    keras.utils.set_random_seed(options.seed)
    images = found.data.images
    data = ImageSet(images, found.data.labels, found.training)
    held_out = found.validation
    held_out = ImageSet(held_out.images, held_out.labels, found.held_out)
    validation = None
    if len(found.held_out):
        validation = EvaluationBatches(held_out, worker.replicas)
    with worker.scope():
        network = make_network()
    scaling = input_scaling(mean, deviation)
    trainer = make_trainer(network, scaling, images.shape[1:])
    count = len(found.training)
    steps = total_steps(count, options.epochs)
    return FitRun(
        options=options,
        worker=worker,
        batches=TrainingBatches(data, options.seed, worker.replicas),
        validation=validation,
        network=network,
        trainer=share_model(trainer, worker),
        evaluator=share_model(make_evaluator(network, mean, deviation), worker),
        rate=make_rate(steps_per_epoch(count), steps),
        epoch_steps=steps_per_epoch(count),
        steps=steps,
        state=RunState(),
    )


def run_epochs(run: FitRun) -> None:
    """Train to the end, from the checkpoint where there is one."""
    trainer, state, options = run.trainer, run.state, run.options
    optimizer = make_optimizer(run.rate)
    schedules = schedule_callbacks(optimizer, run.rate, state)
    metrics = score_metrics()
    trainer.compile(
        optimizer,
        make_loss(),
        weighted_metrics=metrics,
        steps_per_execution=steps_together(run),
    )
    run.evaluator.compile(loss=make_loss(), weighted_metrics=score_metrics())
    trainer.optimizer.build(trainer.trainable_variables)
    with stop_request() as request:
        checkpoints = Checkpoints(run, request, metrics)
        if options.resume and checkpoints.path.exists():
            checkpoints.load()
        done = state.epoch * run.epoch_steps + state.step
        if sum_over_processes(done, run.worker) != done * run.worker.processes:
            message = f"{options.out}: all processes go on from one folder"
            raise RunError(message)
        is_quiet = options.quiet or not run.worker.is_first
        progress = Progress(run.steps, done, quiet=is_quiet)
        log = MetricsLog(options.out, state.epoch) if run.worker.is_first else None
        callbacks = [
            *schedules,
            StepReport(run, progress),
            EpochReport(run, progress, log),
            checkpoints,
        ]
        for epoch, last, span in stretches(done, run.epoch_steps, run.steps):
            if state.best.stops():
                break
            run.batches.span = span
            trainer.fit(
                run.batches,
                initial_epoch=epoch,
                epochs=last,
                callbacks=callbacks,
                shuffle=False,
                verbose=0,
            )


def stretches(
    done: int,
    epoch_steps: int,
    steps: int,
) -> Iterator[tuple[int, int, range]]:
    """Split what is left of `steps` into stretches of like epochs.

    What is left of an epoch in whose middle the run was ended, whole epochs, and the
    part of an epoch that comes last: the first epoch, the one after the last, and the
    steps that are taken of each.
    """
    while done < steps:
        epoch, first = divmod(done, epoch_steps)
        last = steps // epoch_steps
        if first or epoch == last:
            last = epoch + 1
        yield epoch, last, range(first, min(epoch_steps, steps - epoch * epoch_steps))
        done = min(last * epoch_steps, steps)


def steps_together(run: FitRun) -> int:
    """Tell how many steps are one call: several where the network is small."""
    if keras.backend.backend() == "jax" or run.worker.replicas > 1:
        return 1
    products = run.network.count_params() * math.prod(INPUT_SHAPE) * BATCH_SIZE
    return 1 if products > FEW_PRODUCTS else STEPS_TOGETHER


def score_metrics() -> list[keras.Metric]:
    """Make what is counted beside the loss: the fields of `Scores`."""
    metrics = [keras.metrics.SparseCategoricalAccuracy("accuracy")]
    if METRIC == "top_5_accuracy":
        ranks = keras.metrics.SparseTopKCategoricalAccuracy(TOP_RANKS, METRIC)
        metrics.append(ranks)
    return metrics


def predict(options: PredictOptions) -> None:
    """Label images with the weights of a run."""
    record = read_record(options.run)
    if record is None:
        message = f"{options.run}: holds no run"
        raise RunError(message)
    check_output(options)
    join_devices(options.device)
    classes = recorded_classes(options.run)
    mean, deviation = read_statistics(options.run, record)
    data = read_data(options.data, labelled=False, classes=classes)
    images = prepare_images(data.images, options.data)
    network = build_model()
    load_weights(network, weights_path(options))
    evaluator = make_evaluator(network, mean, deviation)
    chosen = ImageSet(images, None, np.arange(len(images)))
    predicted = predict_all(evaluator, chosen).argmax(1)
    write_predictions(options.out, data, predicted, classes)
    if not options.quiet:
        tell_accuracy(data, predicted)


def predict_all(evaluator: keras.Model, data: ImageSet) -> np.ndarray:
    """Probabilities of the classes, in float32: (count, classes)."""
    outputs = evaluator.predict(EvaluationBatches(data), verbose=0)
    return np.asarray(class_probabilities(outputs), np.float32)
