"""A run, and the callbacks of `keras.Model.fit` between its steps and epochs."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import NamedTuple

import keras
import numpy as np
from keras.optimizers.schedules import LearningRateSchedule
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from archc.training.errors import InterruptionError, RunError
from archc.training.keras.batches import EvaluationBatches, TrainingBatches
from archc.training.keras.distributed import (
    WorkerPlace,
    share_statistics,
    sum_over_processes,
)
from archc.training.keras.state import RunState
from archc.training.keras.weights import neutral_weights
from archc.training.plan import Plan
from archc.training.run.files import write_whole
from archc.training.run.metrics import (
    BestEpoch,
    EpochRecord,
    MetricsLog,
    Scores,
    check_finite,
    check_progress,
)
from archc.training.run.options import FitSettings
from archc.training.run.progress import Progress, StopRequest
from archc.training.run.weights import write_weights

# Seconds between two checkpoints within an epoch, how many times longer than one takes
# to write, and the steps after which several processes ask one another for one.
CHECKPOINT_SECONDS = 300
CHECKPOINT_SHARE = 20
ASKED_STEPS = 8
# What is raised at damaged checkpoints, and at those of others.
FAULTS_OF_CHECKPOINTS = (
    LookupError,
    RecursionError,
    SafetensorError,
    TypeError,
    ValueError,
)


class FitRun(NamedTuple):
    """A run: its data and networks, and how far it is.

    `trainer` takes batches as they are drawn, `evaluator` images; both are `network`
    with what is done to images before it, in the evaluator in float32: `exact`, which gets the
    network's weights before each evaluation.
    """

    plan: Plan
    options: FitSettings
    worker: WorkerPlace
    batches: TrainingBatches
    validation: EvaluationBatches | None
    network: keras.Model
    trainer: keras.Model
    evaluator: keras.Model
    exact: keras.Model
    began: float
    rate: float | LearningRateSchedule
    epoch_steps: int
    steps: int
    state: RunState


class StepReport(keras.callbacks.Callback):
    """Counts the steps done, and tells of them."""

    def __init__(self, run: FitRun, progress: Progress) -> None:
        super().__init__()
        self.run = run
        self.progress = progress

    def on_epoch_begin(self, _epoch: int, _logs: object = None) -> None:
        """Go on with the clock of an epoch that was left."""
        self.began = time.perf_counter() - self.run.state.seconds

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        """Tell of the steps since the last time: several are done in one go."""
        state, batches = self.run.state, self.run.batches
        before = state.step
        state.step = min(batches.span.start + batch + 1, batches.span.stop)
        state.seconds = time.perf_counter() - self.began
        self.progress.step(
            state.epoch + 1,
            state.epoch * self.run.epoch_steps + state.step,
            batches.image_count(before, state.step),
            lambda: logs["loss"],
        )


class EpochReport(keras.callbacks.Callback):
    """Validates, and tells and writes down what an epoch came to.

    The weights are written, and once more where they are the best so far.
    """

    def __init__(self, run: FitRun, progress: Progress, log: MetricsLog | None) -> None:
        super().__init__()
        self.run = run
        self.progress = progress
        self.log = log

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Validate and write, and stop where nothing has become better for long."""
        run, state = self.run, self.run.state
        check_finite(logs["loss"], epoch + 1)
        validation = None
        share_statistics(run.network, run.worker)
        if run.validation is not None:
            if run.exact is not run.network:
                run.exact.set_weights(run.network.get_weights())
            scores = run.evaluator.evaluate(run.validation, verbose=0, return_dict=True)
            validation = Scores(**scores)
            check_finite(validation.loss, epoch + 1)
        steps = epoch * run.epoch_steps + state.step
        images = run.batches.image_count(0, state.step)
        record = EpochRecord(
            epoch + 1,
            steps,
            Scores(**logs),
            validation,
            learning_rate(run, steps - 1),
            state.seconds,
            images / state.seconds,
        )
        metric = record.metric(run.plan.recipe.metric)
        state.best = state.best.after(record.epoch, metric)
        state.history.append(metric)
        is_best = state.best.epoch == record.epoch
        self.progress.epoch(record, best=is_best)
        weights = neutral_weights(run.network, run.plan.variables)
        if self.log is not None:
            write_weights(weights, run.plan.task, run.options.out / "last.safetensors")
            if is_best:
                write_weights(weights, run.plan.task, run.options.out / "best.safetensors")
            self.log.append(record)
        if state.best.stops(run.plan.recipe.early_stopping):
            self.model.stop_training = True


class Checkpoints(keras.callbacks.Callback):
    """Writes down everything that a run goes on from, and goes on from there.

    At the end of an epoch, within one now and then, and where a stop is asked for.
    """

    def __init__(
        self,
        run: FitRun,
        request: StopRequest,
        metrics: list[keras.Metric],
    ) -> None:
        super().__init__()
        self.run = run
        self.request = request
        # Keras' own mean of the loss, and what is counted beside it: the model tells
        # of them only once it has taken a step.
        self.metrics = [run.trainer.metrics[0], *metrics]
        self.path = run.options.out / "checkpoint.safetensors"
        self.fault = f"{self.path}: is no checkpoint of this run"
        self.kept: list[np.ndarray] = []
        self.due = time.monotonic() + CHECKPOINT_SECONDS

    def on_epoch_begin(self, epoch: int, _logs: object = None) -> None:
        """Draw the epoch's order and seeds; or go on in its middle, with its scores."""
        self.run.batches.begin_epoch(epoch + 1)
        if self.kept:
            self.restore()
        if not self.run.state.step:
            for metric in self.metrics:
                metric.reset_state()
            seed_layers(self.model, self.run.options.seed, epoch + 1)

    def on_train_batch_end(self, _batch: int, logs: dict[str, float]) -> None:
        """Save where it is time, and stop where it is asked for."""
        worker, state = self.run.worker, self.run.state
        if state.step == self.run.batches.span.stop:
            return  # the epoch ends, which is saved as well
        if worker.processes > 1 and state.step % ASKED_STEPS:
            return
        stops = sum_over_processes(self.request.made, worker)
        if stops or sum_over_processes(time.monotonic() >= self.due, worker):
            check_finite(float(logs["loss"]), state.epoch + 1)
            self.save()
        if stops:
            raise InterruptionError

    def on_epoch_end(self, epoch: int, _logs: object = None) -> None:
        """Save the end of the epoch, once all else has been done."""
        state = self.run.state
        state.epoch, state.step, state.seconds = epoch + 1, 0, 0.0
        self.save()
        if sum_over_processes(self.request.made, self.run.worker):
            raise InterruptionError

    def variables(self) -> list[keras.Variable]:
        """All that changes in training: weights, seeds, scores, the optimizer's own."""
        model = self.run.trainer
        kept = [*model.variables, *model.optimizer.variables]
        for metric in self.metrics:
            kept += metric.variables
        return list({id(variable): variable for variable in kept}.values())

    def restore(self) -> None:
        """Set the variables to what the checkpoint has."""
        try:
            for variable, value in zip(self.variables(), self.kept, strict=True):
                variable.assign(value)
        except ValueError:
            raise RunError(self.fault) from None
        self.kept = []

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        begin = time.monotonic()
        if keras.backend.backend() == "jax":
            # JAX's steps work on copies of the variables.
            self.run.trainer.jax_state_sync()
        # Several processes read some of the variables together.
        values = map(keras.ops.convert_to_numpy, self.variables())
        tensors = {f"{i}": np.array(value) for i, value in enumerate(values)}
        if self.run.worker.is_first:
            content = save(tensors, {"state": json.dumps(asdict(self.run.state))})
            write_whole(self.path, lambda stream: stream.write(content))
        seconds = time.monotonic() - begin
        pause = max(CHECKPOINT_SECONDS, CHECKPOINT_SHARE * seconds)
        self.due = time.monotonic() + pause

    def load(self) -> None:
        """Read how far the run was. Raises RunError for a damaged checkpoint."""
        state = self.run.state
        try:
            with safe_open(self.path, "numpy") as file:
                kept = json.loads(file.metadata()["state"])
                check_progress(kept)
                vars(state).update(kept)
                state.best = BestEpoch(*state.best)
                self.kept = [file.get_tensor(f"{i}") for i in range(len(file.keys()))]
        except FAULTS_OF_CHECKPOINTS:
            raise RunError(self.fault) from None


def learning_rate(run: FitRun, step: int) -> float:
    """Tell the learning rate that a step had, counted from 0."""
    rate = run.trainer.optimizer.learning_rate
    if isinstance(run.rate, LearningRateSchedule):
        rate = run.rate(step)
    # 0.001, not all the digits of what is nearest to it in float32.
    return float(str(np.float32(rate)))


def seed_layers(model: keras.Model, seed: int, epoch: int) -> None:
    """Let what layers draw in an epoch, as dropout does, follow from seed and epoch."""
    states = [one for one in model.variables if one.name == "seed_generator_state"]
    for index, state in enumerate(states):
        (drawn,) = np.random.SeedSequence((seed, epoch, index)).generate_state(1)
        state.assign([int(drawn) >> 1, 0])
