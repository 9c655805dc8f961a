"""The loop over epochs and steps, and prediction: what a worker does with PyTorch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from archc.language.recipe import Training
from archc.training.data.pixels import PixelStatistics
from archc.training.data.prepare import (
    epoch_batches,
    prepare_images,
    steps_per_epoch,
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
from archc.training.data.views import draw_views
from archc.training.errors import InterruptionError, RunError
from archc.training.plan import Plan
from archc.training.run.length import finish_run
from archc.training.run.metrics import (
    EpochRecord,
    MetricsLog,
    Scores,
    check_finite,
)
from archc.training.run.opening import tell_start
from archc.training.run.options import EvaluateOptions, FitSettings, PredictOptions
from archc.training.run.progress import Progress, StopRequest, resumption, stop_request
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
from archc.training.start import check_initial, frozen_keys, loaded_keys
from archc.training.threads import waiting_policy
from archc.training.torch.augment import augment_images
from archc.training.torch.batches import (
    BatchDraws,
    ImageSet,
    InputScaling,
    image_set,
    input_scaling,
    seed_step,
    step_seeds,
)
from archc.training.torch.checkpoint import (
    RunState,
    TrainedParts,
    load_checkpoint,
    save_checkpoint,
)
from archc.training.torch.distributed import (
    WorkerPlace,
    join_workers,
    largest_of_workers,
    leave_workers,
    let_first,
    share_buffers,
    share_model,
    share_normalization,
    sum_over_workers,
)
from archc.training.torch.evaluate import (
    class_probabilities,
    evaluated_parts,
    mean_scores,
    middle_parts,
    network_outputs,
    no_sums,
    score_sums,
)
from archc.training.torch.precision import (
    choose_precision,
    compile_model,
    is_worth_compiling,
    make_repeatable,
    mixed_precision,
    widen_output,
)
from archc.training.torch.recipe import (
    TrainingMoment,
    learning_rate,
    make_network,
    make_optimizer,
    sample_losses,
)
from archc.training.torch.statistics import training_statistics
from archc.training.torch.weights import freeze, load_weights, save_weights

# Seconds between two checkpoints within an epoch, and the steps after which several
# processes ask one another whether to write one.
CHECKPOINT_SECONDS = 300
ASKED_STEPS = 8
# What comes of a step: nothing, a checkpoint, a checkpoint and the end.
GOES_ON = 0
IS_DUE = 1
STOPS = 2


class FitRun(NamedTuple):
    """A run: its data, its network and what else does not change in it.

    `network` is the model as it trains: compiled, or shared by several processes; `frozen` are its
    modules that stay in evaluation mode.
    """

    plan: Plan
    options: FitSettings
    worker: WorkerPlace
    precision: torch.dtype
    training: ImageSet
    validation: ImageSet
    scaling: InputScaling
    epoch_steps: int
    steps: int
    parts: TrainedParts
    network: nn.Module
    frozen: Sequence[nn.Module]
    began: float


def fit(plan: Plan, options: FitSettings) -> None:
    """Train the network, into the folder of a run."""
    worker = join_workers(options.device)
    try:
        with ExitStack() as held:
            let_first(worker, lambda: held.enter_context(open_run(options, plan.task.name)))
            fit_worker(plan, options, worker)
    finally:
        leave_workers()


def fit_worker(plan: Plan, options: FitSettings, worker: WorkerPlace) -> None:
    """Train the network, as one of the processes that do."""
    began = time.perf_counter()
    found = read_fit_data(options, plan.format, plan.recipe.validation)
    statistics = kept_statistics(options, plan, found.data)
    if statistics is None:
        statistics = training_statistics(plan, found, worker)
    check_statistics(options.data, statistics)
    precision = choose_precision(options.precision, worker.device)

    def start() -> None:
        classes = found.data.classes
        record = run_record(options, plan.backend, plan.task, plan.recipe, found.record, classes)
        record["statistics"] = statistics_record(statistics)
        record["images"] = {"training": len(found.training), "validation": len(found.held_out)}
        record["computed"] = computed_record(
            {"torch": torch.__version__},
            device=worker.device.type,
            precision=str(precision).removeprefix("torch."),
            processes=worker.processes,
            threads=torch.get_num_threads(),
            waiting=waiting_policy(),
        )
        record = start_run(options, record)
        if not options.quiet:
            tell_start(record)
            tell_fit_notes(options, found)
        write_statistics(options.out, statistics)

    let_first(worker, start)
    run = make_run(plan, options, worker, precision, found, statistics, began)
    epochs = run_epochs(run)
    if worker.is_first and len(found.held_out):
        model = run.parts.model
        load_weights(model, plan, options.out / "best.safetensors")
        probabilities = predict_all(plan, model, run.validation, run.scaling)
        write_validation(
            options.out, found.validation, found.held_out, probabilities, plan.task.shape
        )
    if worker.is_first:
        finish_run(options, plan.task.name, epochs)


def make_run(
    plan: Plan,
    options: FitSettings,
    worker: WorkerPlace,
    precision: torch.dtype,
    found: FitData,
    statistics: PixelStatistics,
    began: float,
) -> FitRun:
    """Build the network and what trains it, on the device and with its data there."""
    device = worker.device
    make_repeatable(device)
    mean, deviation, colours = statistics
    scale, channels_last = plan.recipe.inputs.scale, plan.task.is_wide
    shape = plan.task.shape
    scaling = input_scaling(scale, mean, deviation, shape, device, channels_last=channels_last)
    labels = found.data.known_labels
    prepared = image_set(found.data.images, labels, found.training, device)
    training = prepared
    if found.source is not found.data.images:
        training = image_set(found.source, labels, found.training, device)
    if colours is not None:
        training = replace(training, colours=torch.from_numpy(colours).to(device))
    validation = replace(prepared, indices=found.held_out)
    if found.validation is not found.data:
        images, labels = found.validation.images, found.validation.known_labels
        validation = image_set(images, labels, found.held_out, device)
    torch.manual_seed(options.seed)
    model = make_network(plan).to(device)
    if plan.recipe.sync_batch_norm:
        model = share_normalization(model, worker)
    widen_output(model)
    start = options.start
    if start is not None and start.path is not None:
        path = check_initial(options.out, start)
        load_weights(model, plan, path, loaded_keys(plan.variables, start))
    frozen = freeze(model, plan, frozen_keys(plan.variables, start))
    parts = TrainedParts(
        model,
        make_optimizer(plan.recipe.optimizer, model),
        torch.amp.GradScaler(device.type, enabled=precision == torch.float16),
    )
    count = len(found.training)
    steps = total_steps(count, plan.recipe, options.epochs)
    network = model
    if is_worth_compiling(device, steps):
        some = np.arange(min(plan.recipe.batch_size, count))
        ((batch, _),) = middle_parts(prepared, plan.task.shape).batches([some])
        network = compile_model(model, scaling(batch), precision)
    network = share_model(network, worker)
    return FitRun(
        plan=plan,
        options=options,
        worker=worker,
        precision=precision,
        training=training,
        validation=validation,
        scaling=scaling,
        epoch_steps=steps_per_epoch(count, plan.recipe),
        steps=steps,
        parts=parts,
        network=network,
        frozen=frozen,
        began=began,
    )


def run_epochs(run: FitRun) -> int:
    """Train to the end, from the checkpoint where there is one. The number of epochs."""
    checkpoint = run.options.out / "checkpoint.pt"
    recipe = run.plan.recipe
    state = RunState(no_sums(run.worker.device, ranked=is_ranked(recipe)))
    if run.options.resume and checkpoint.exists():
        state = load_checkpoint(checkpoint, run.parts)
        # The sums in the file are those of all processes.
        state.sums = state.sums.to(run.worker.device) * run.worker.is_first
    is_quiet = run.options.quiet or not run.worker.is_first
    done = state.epoch * run.epoch_steps + state.step
    progress = Progress(run.steps, done, quiet=is_quiet)
    if done:
        progress.say(resumption(state.epoch, state.step))
    log = MetricsLog(run.options.out, state.epoch, run.began) if run.worker.is_first else None
    with closing(progress), stop_request() as request:
        while state.epoch * run.epoch_steps < run.steps and not state.best.stops(
            recipe.early_stopping
        ):
            run_epoch(run, state, progress, request)
            end_epoch(run, state, progress, log)
            if largest_of_workers(int(request.made), run.worker):
                raise InterruptionError
    return state.epoch


def run_epoch(
    run: FitRun,
    state: RunState,
    progress: Progress,
    request: StopRequest,
) -> None:
    """Take an epoch's steps, or those that are left of it."""
    before = state.epoch * run.epoch_steps
    seed, epoch = run.options.seed, state.epoch + 1
    batches = epoch_batches(len(run.training.indices), run.plan.recipe, seed, epoch)
    batches = batches[: run.steps - before]
    written = time.perf_counter()
    began = written - state.seconds
    run.network.train()
    for module in run.frozen:
        module.eval()
    own = own_batches(run, batches, (seed, epoch), state.step)
    drawn = step_seeds((seed, epoch, run.worker.rank + 1), len(batches))
    for step in range(state.step, len(batches)):
        done = before + step
        moment = TrainingMoment(done, run.epoch_steps, run.steps, state.history)
        set_learning_rate(run.parts.optimizer, learning_rate(run.plan.recipe, moment))
        seed_step(drawn[step])
        state.sums += train_step(run, next(own), len(batches[step]), (seed, epoch, step + 1))
        state.step = step + 1
        now = time.perf_counter()
        state.seconds = now - began
        images = len(batches[step])
        progress.step(epoch, done + 1, images, partial(mean_loss, state))
        is_due = now - written > CHECKPOINT_SECONDS
        wish = STOPS if request.made else IS_DUE if is_due else GOES_ON
        if run.worker.processes == 1 or done % ASKED_STEPS == 0:
            wish = largest_of_workers(wish, run.worker)
            if wish != GOES_ON:
                write_checkpoint(run, state)
                written = time.perf_counter()
            if wish == STOPS:
                raise InterruptionError


def own_batches(
    run: FitRun, batches: Sequence[np.ndarray], seeds: tuple[int, int], done: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """This process' share of the images and labels of an epoch's batches, but for those `done`."""
    rows = [run.worker.share(len(batch))[0] for batch in batches]
    shares = [batch[own] for batch, own in zip(batches, rows, strict=True)]
    if not run.training.gives_parts(run.plan.recipe.augment):
        return run.training.batches(shares[done:])
    draws = (
        draw_views((*seeds, step + 1), len(batches[step]))[rows[step]]
        for step in range(done, len(batches))
    )
    return run.training.batches(shares[done:], draws)


def train_step(
    run: FitRun, share: tuple[Tensor, Tensor], count: int, seeds: tuple[int, ...]
) -> Tensor:
    """Take a step with this process' share of the images and labels of a batch of `count`; give the
    sums of its scores."""
    recipe, task = run.plan.recipe, run.plan.task
    rows, weight = run.worker.share(count)
    images, labels = share
    draws = BatchDraws(run.training, seeds, count, rows)
    images = augment_images(images, draws, recipe.augment, task.shape)
    images = run.scaling(images, in_place=True)
    with mixed_precision(run.precision, run.worker.device):
        output = run.network(images)
    output = output.float()
    losses = sample_losses(recipe, task.output, output, labels)
    # The mean of the processes' gradients is that of the batch's mean.
    loss = losses.sum() * (weight * run.worker.processes / count)
    _, optimizer, scaler = run.parts
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    return weight * score_sums(losses, output, labels, ranked=is_ranked(recipe))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Let the next step be of this size."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def mean_loss(state: RunState) -> float:
    """Mean of the loss in an epoch so far."""
    return mean_scores(state.sums).loss


def end_epoch(
    run: FitRun,
    state: RunState,
    progress: Progress,
    log: MetricsLog | None,
) -> None:
    """Validate, write what the epoch came to, and turn to the next."""
    sums = sum_over_workers(state.sums, run.worker)
    scores = mean_scores(sums)
    check_finite(scores.loss, state.epoch + 1)
    validation = validation_scores(run)
    if validation is not None:
        check_finite(validation.loss, state.epoch + 1)
    record = EpochRecord(
        state.epoch + 1,
        state.epoch * run.epoch_steps + state.step,
        scores,
        validation,
        run.parts.optimizer.param_groups[0]["lr"],
        state.seconds,
        float(sums[-1]) / state.seconds,
    )
    metric = record.metric(run.plan.recipe.metric)
    state.best = state.best.after(record.epoch, metric)
    state.history.append(metric)
    state.epoch += 1
    state.step, state.seconds, state.sums = 0, 0.0, torch.zeros_like(state.sums)
    let_first(run.worker, partial(write_epoch, run, state, record, log))
    progress.epoch(record, best=state.best.epoch == state.epoch)


def write_epoch(
    run: FitRun,
    state: RunState,
    record: EpochRecord,
    log: MetricsLog | None,
) -> None:
    """Write an epoch's line and weights, and last the checkpoint that tells of them."""
    assert log is not None  # only the first process writes
    log.append(record)
    save_weights(run.parts.model, run.plan, run.options.out / "last.safetensors")
    if state.best.epoch == state.epoch:
        save_weights(run.parts.model, run.plan, run.options.out / "best.safetensors")
    save_checkpoint(run.options.out / "checkpoint.pt", state, run.parts)


def write_checkpoint(run: FitRun, state: RunState) -> None:
    """Write what a run goes on from, within an epoch."""
    everywhere = replace(state, sums=sum_over_workers(state.sums, run.worker))
    check_finite(mean_loss(everywhere), state.epoch + 1)
    path = run.options.out / "checkpoint.pt"
    let_first(run.worker, partial(save_checkpoint, path, everywhere, run.parts))


def is_ranked(recipe: Training) -> bool:
    """Whether scores have the top-5 accuracy."""
    return recipe.metric == "top_5_accuracy"


def validation_scores(run: FitRun) -> Scores | None:
    """Loss and accuracy of the images held out, None where there are none: in float32 whatever the
    precision of training, as predictions are."""
    count = len(run.validation.indices)
    if not count:
        return None
    model, worker = run.parts.model, run.worker
    recipe, task = run.plan.recipe, run.plan.task
    ranked = is_ranked(recipe)
    share_buffers(model, worker)
    own = np.arange(worker.rank, count, worker.processes)
    sums = no_sums(worker.device, ranked=ranked)
    data = evaluated_parts(run.validation, run.plan)
    outputs = network_outputs(model, data, own, run.scaling, torch.float32)
    for output, labels in outputs:
        losses = sample_losses(recipe, task.output, output, labels)
        sums += score_sums(losses, output, labels, ranked=ranked)
    return mean_scores(sum_over_workers(sums, worker))


def infer(plan: Plan, options: PredictOptions | EvaluateOptions) -> Inference:
    """The probabilities of the classes of images, labelled ones to evaluate, by the weights of a
    run."""
    record = read_record(options.run, plan.task.name)
    if record is None:
        message = f"{options.run}: holds no run"
        raise RunError(message)
    device = join_workers(options.device).device
    classes = recorded_classes(options.run, plan.task)
    shape = plan.task.shape
    mean, deviation, _ = read_statistics(options.run, record, shape)
    scale, channels_last = plan.recipe.inputs.scale, plan.task.is_wide
    scaling = input_scaling(scale, mean, deviation, shape, device, channels_last=channels_last)
    data = read_images(options, plan.format, classes)
    images = prepare_images(data.images, options.data, plan.format)
    model = make_network(plan).to(device)
    load_weights(model, plan, weights_path(options))
    every = np.arange(len(images))
    chosen = image_set(images, np.zeros_like(every), every, device)
    return Inference(data, predict_all(plan, model, chosen, scaling), classes)


def predict_all(plan: Plan, model: nn.Module, data: ImageSet, scaling: InputScaling) -> np.ndarray:
    """Probabilities of the classes, in float32: (count, classes)."""
    every = np.arange(len(data.indices))
    data = evaluated_parts(data, plan)
    outputs = network_outputs(model, data, every, scaling, torch.float32)
    found = [class_probabilities(output, plan.task.output).cpu() for output, _ in outputs]
    probabilities: np.ndarray = torch.cat(found).numpy()
    return probabilities
