"""Training and prediction: what a worker does with Keras."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from contextlib import closing, nullcontext

import keras
import numpy as np
from keras import layers

from archc.language.recipe import Training
from archc.training.data.pixels import PixelStatistics, pixel_statistics
from archc.training.data.prepare import (
    prepare_images,
    steps_per_epoch,
    ten_corners,
    total_steps,
)
from archc.training.data.splits import FitData, read_fit_data
from archc.training.data.statistics import (
    check_statistics,
    kept_statistics,
    read_statistics,
    statistics_record,
    write_statistics,
)
from archc.training.errors import RunError
from archc.training.keras.batches import (
    EvaluationBatches,
    TrainingBatches,
)
from archc.training.keras.callbacks import (
    Checkpoints,
    EpochReport,
    FitRun,
    StepReport,
)
from archc.training.keras.distributed import (
    WorkerPlace,
    device_kind,
    join_devices,
    share_model,
    sum_over_processes,
)
from archc.training.keras.images import ImageSet
from archc.training.keras.losses import class_probabilities
from archc.training.keras.precision import set_precision, widen_output
from archc.training.keras.recipe import (
    make_loss,
    make_optimizer,
    make_rate,
    make_trainer,
    schedule_callbacks,
    scored_network,
)
from archc.training.keras.state import RunState
from archc.training.keras.weights import freeze, load_weights
from archc.training.plan import Plan
from archc.training.run.length import finish_run
from archc.training.run.metrics import MetricsLog
from archc.training.run.opening import tell_start
from archc.training.run.options import EvaluateOptions, FitSettings, PredictOptions
from archc.training.run.progress import Progress, resumption, stop_request
from archc.training.run.record import (
    computed_record,
    open_run,
    read_record,
    recorded_classes,
    run_record,
    start_run,
)
from archc.training.run.results import (
    Inference,
    read_images,
    tell_fit_notes,
    weights_path,
    write_validation,
)
from archc.training.run.scores import RANKS
from archc.training.start import check_initial, frozen_keys, loaded_keys
from archc.training.threads import thread_count

# Products of a step up to which several steps are one call: between two calls Python
# would take longer than the network.
FEW_PRODUCTS = 1e11
STEPS_TOGETHER = 16


def fit(plan: Plan, options: FitSettings) -> None:
    """Train the network, into the folder of a run."""
    worker = join_devices(options.device)
    with open_run(options, plan.task.name) if worker.is_first else nullcontext():
        fit_worker(plan, options, worker)


def fit_worker(plan: Plan, options: FitSettings, worker: WorkerPlace) -> None:
    """Train the network, as one of the processes that do."""
    began = time.perf_counter()
    found = read_fit_data(options, plan.format, plan.recipe.validation)
    statistics = kept_statistics(options, plan, found.data)
    if statistics is None:
        lighting = plan.recipe.augment.lighting > 0
        images = found.data.images
        statistics = pixel_statistics(images, found.training, plan.format, lighting=lighting)
    check_statistics(options.data, statistics)
    set_precision(options.precision, options.device)
    if worker.is_first:
        classes = found.data.classes
        record = run_record(options, plan.backend, plan.task, plan.recipe, found.record, classes)
        record["statistics"] = statistics_record(statistics)
        record["images"] = {"training": len(found.training), "validation": len(found.held_out)}
        record["computed"] = computed_record(
            {"keras": keras.__version__, keras.backend.backend(): backend_version()},
            device=device_kind(options.device),
            precision=keras.config.dtype_policy().compute_dtype,
            devices=worker.replicas,
            processes=worker.processes,
            threads=thread_count() if keras.backend.backend() == "tensorflow" else None,
        )
        record = start_run(options, record)
        if not options.quiet:
            tell_start(record)
            tell_fit_notes(options, found)
        write_statistics(options.out, statistics)
    run = make_run(plan, options, worker, found, statistics, began)
    with worker.scope():
        run_epochs(run)
    if worker.is_first and len(found.held_out):
        keras.config.set_dtype_policy("float32")
        network = plan.build_model()
        load_weights(network, plan.variables, options.out / "best.safetensors")
        size = found.validation.images.shape[1:]
        evaluator = make_evaluator(plan, network, statistics, size)
        held_out = ImageSet(found.validation.images, None, found.held_out)
        probabilities = predict_all(plan, evaluator, held_out)
        write_validation(
            options.out, found.validation, found.held_out, probabilities, plan.task.shape
        )
    if worker.is_first:
        finish_run(options, plan.task.name, run.state.epoch)


def backend_version() -> str:
    """Tell the version of what Keras computes with."""
    version: str = sys.modules[keras.backend.backend()].__version__
    return version


def make_network(plan: Plan) -> keras.Model:
    """Build the network; its last layer computes in float32."""
    network = plan.build_model()
    widen_output(network)
    return network


def start_network(network: keras.Model, plan: Plan, options: FitSettings) -> None:
    """Load what a run starts from, and freeze what does not train."""
    start, variables = options.start, plan.variables
    if start is not None and start.path is not None:
        path = check_initial(options.out, start)
        loaded = {key: variables[key] for key in loaded_keys(variables, start)}
        load_weights(network, loaded, path)
    freeze(network, (variables[key] for key in frozen_keys(variables, start)))


def exact_copy(network: keras.Model, plan: Plan) -> keras.Model:
    """The network in float32, in which it is evaluated: itself, where it trains so."""
    policy = keras.config.dtype_policy()
    if policy.compute_dtype == "float32":
        return network
    keras.config.set_dtype_policy("float32")
    try:
        return plan.build_model()
    finally:
        keras.config.set_dtype_policy(policy)


def make_evaluator(
    plan: Plan,
    network: keras.Model,
    statistics: PixelStatistics,
    size: tuple[int, ...],
) -> keras.Model:
    """Make the network take images as they are, scaled and standardized within it; with `ten_crop`
    ten parts of images of a `size`, whose probabilities it averages."""
    scaling = input_scaling(plan.recipe.inputs.scale, statistics)
    network = scored_network(network, plan.task)
    if plan.recipe.evaluation != "ten_crop":
        images = keras.Input(plan.task.shape)
        return keras.Model(images, network(scaling(images)))
    images = keras.Input(size)
    height, width, _ = plan.task.shape
    corners = ten_corners((size[0] - height, size[1] - width))
    parts = [images[:, top : top + height, left : left + width] for top, left in corners]
    parts += [part[:, :, ::-1] for part in parts]
    outputs = [network(scaling(part)) for part in parts]
    if plan.task.output == "probabilities":
        return keras.Model(images, layers.Average()(outputs))
    logarithms = keras.ops.stack([keras.ops.log_softmax(one) for one in outputs])
    mean = keras.ops.logsumexp(logarithms, axis=0) - math.log(len(parts))
    return keras.Model(images, mean)


def input_scaling(scale: float, statistics: PixelStatistics) -> layers.Layer:
    """Make one product and sum of the scale and the training images' statistics."""
    mean, deviation, _ = statistics
    return layers.Rescaling(scale / deviation, -mean / deviation, dtype="float32")


def make_run(
    plan: Plan,
    options: FitSettings,
    worker: WorkerPlace,
    found: FitData,
    statistics: PixelStatistics,
    began: float,
) -> FitRun:
    """Build the network and what trains it."""
    recipe, task = plan.recipe, plan.task
    keras.utils.set_random_seed(options.seed)
    images = found.data.images
    data = ImageSet(found.source, found.data.labels, found.training, statistics.colours)
    held_out = ImageSet(found.validation.images, found.validation.labels, found.held_out)
    validation = None
    if len(found.held_out):
        validation = EvaluationBatches(
            held_out,
            recipe.batch_size,
            task.shape,
            worker.replicas,
            ten_crop=recipe.evaluation == "ten_crop",
        )
    with worker.scope():
        network = make_network(plan)
        start_network(network, plan, options)
        exact = exact_copy(network, plan)
        scored = scored_network(network, task)
    scaling = input_scaling(recipe.inputs.scale, statistics)
    shape = task.shape if data.gives_parts(recipe.augment) else images.shape[1:]
    trainer = make_trainer(recipe.augment, scored, scaling, shape, task.shape)
    size = found.validation.images.shape[1:]
    evaluator = make_evaluator(plan, exact, statistics, size)
    count = len(found.training)
    steps = total_steps(count, recipe, options.epochs)
    epoch_steps = steps_per_epoch(count, recipe)
    return FitRun(
        plan=plan,
        options=options,
        worker=worker,
        batches=TrainingBatches(data, recipe, task.shape, options.seed, worker.replicas),
        validation=validation,
        network=network,
        exact=exact,
        began=began,
        trainer=share_model(trainer, worker),
        evaluator=share_model(evaluator, worker),
        rate=make_rate(recipe, epoch_steps, steps),
        epoch_steps=epoch_steps,
        steps=steps,
        state=RunState(),
    )


def run_epochs(run: FitRun) -> None:
    """Train to the end, from the checkpoint where there is one."""
    trainer, state, options = run.trainer, run.state, run.options
    recipe, output = run.plan.recipe, run.plan.task.output
    optimizer = make_optimizer(recipe, run.rate)
    schedules = schedule_callbacks(recipe, optimizer, run.rate, state)
    metrics = score_metrics(recipe)
    trainer.compile(
        optimizer,
        make_loss(recipe, output),
        weighted_metrics=metrics,
        steps_per_execution=steps_together(run),
    )
    run.evaluator.compile(loss=make_loss(recipe, output), weighted_metrics=score_metrics(recipe))
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
        if done:
            progress.say(resumption(state.epoch, state.step))
        log = MetricsLog(options.out, state.epoch, run.began) if run.worker.is_first else None
        callbacks = [
            *schedules,
            StepReport(run, progress),
            EpochReport(run, progress, log),
            checkpoints,
        ]
        with closing(progress):
            for epoch, last, span in stretches(done, run.epoch_steps, run.steps):
                if state.best.stops(recipe.early_stopping):
                    break
                run.batches.begin_stretch(span)
                trainer.fit(
                    run.batches.fed(),
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
    products = (
        run.network.count_params() * math.prod(run.plan.task.shape) * run.plan.recipe.batch_size
    )
    return 1 if products > FEW_PRODUCTS else STEPS_TOGETHER


def score_metrics(recipe: Training) -> list[keras.Metric]:
    """Make what is counted beside the loss: the fields of `Scores`."""
    metrics = [keras.metrics.SparseCategoricalAccuracy("accuracy")]
    if recipe.metric == "top_5_accuracy":
        ranks = keras.metrics.SparseTopKCategoricalAccuracy(RANKS, recipe.metric)
        metrics.append(ranks)
    return metrics


def infer(plan: Plan, options: PredictOptions | EvaluateOptions) -> Inference:
    """The probabilities of the classes of images, labelled ones to evaluate, by the weights of a
    run."""
    record = read_record(options.run, plan.task.name)
    if record is None:
        message = f"{options.run}: holds no run"
        raise RunError(message)
    join_devices(options.device)
    classes = recorded_classes(options.run, plan.task)
    statistics = read_statistics(options.run, record, plan.task.shape)
    data = read_images(options, plan.format, classes)
    images = prepare_images(data.images, options.data, plan.format)
    network = plan.build_model()
    load_weights(network, plan.variables, weights_path(options))
    evaluator = make_evaluator(plan, network, statistics, images.shape[1:])
    chosen = ImageSet(images, None, np.arange(len(images)))
    return Inference(data, predict_all(plan, evaluator, chosen), classes)


def predict_all(plan: Plan, evaluator: keras.Model, data: ImageSet) -> np.ndarray:
    """Probabilities of the classes, in float32: (count, classes)."""
    ten_crop = plan.recipe.evaluation == "ten_crop"
    batches = EvaluationBatches(data, plan.recipe.batch_size, plan.task.shape, ten_crop=ten_crop)
    outputs = evaluator.predict(batches, verbose=0)
    probabilities: np.ndarray = np.asarray(
        class_probabilities(outputs, plan.task.output), np.float32
    )
    return probabilities
