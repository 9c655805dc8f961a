"""Training with Keras in processes of its own, on the sample of real digits: what a run writes,
that it resumes to the same bits however it was ended, and that several devices train as one."""

from __future__ import annotations

import csv
import gzip
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from archc.training.data import read_data
from archc.training.data.statistics import read_statistics
from archc.training.plan import read_plan
from tests.training.runner import (
    LIMIT,
    NETWORK,
    PLAIN,
    RECIPE,
    Experiment,
    Finished,
    Runner,
    await_file,
    environment,
    rows,
)
from tests.training.samples import SAMPLE

np = pytest.importorskip("numpy")
pytest.importorskip("keras")
pytest.importorskip("tensorflow")
safetensors = pytest.importorskip("safetensors.numpy")
pytestmark = pytest.mark.keras

STEPS = """\
training:
  inputs: {standardize: channel}
  augment: {flip: horizontal}
  optimizer: {adamw: {learning_rate: 0.01}}
  schedule: {cosine: {minimum: 0.0001}}
  warmup: 0.5
  batch_size: 50
  steps: 100
"""
EARLY = """\
training:
  optimizer: {rmsprop: {learning_rate: 0.1, momentum: 0.5}}
  schedule: {step: {every: 2, factor: 0.9}}
  label_smoothing: 0.1
  early_stopping: 1
  metric: loss
  batch_size: 32
  epochs: 30
"""
LOOP, CALLBACKS = "archc.training.keras.loop", "archc.training.keras.callbacks"
ENVIRONMENT = environment(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")
DENSE = {f"{CALLBACKS}.CHECKPOINT_SECONDS": 0, f"{CALLBACKS}.CHECKPOINT_SHARE": 0}
OFTEN = {**DENSE, f"{LOOP}.STEPS_TOGETHER": 4}
"""Checkpoints after every call, which is a few steps: epochs end within one."""
WRITTEN = ("best.safetensors", "last.safetensors", "validation.npz")


def arrays(folder: Path) -> dict[str, Any]:
    """All that a run has come to."""
    found = {}
    for name in WRITTEN:
        if name.endswith(".npz"):
            with np.load(folder / name) as held:
                found |= {f"{name} {key}": held[key] for key in held}
        else:
            tensors = safetensors.load_file(folder / name)
            found |= {f"{name} {key}": tensor for key, tensor in tensors.items()}
    return found


def assert_same(folder: Path, expected: Path, *, told: float = 0.0) -> None:
    """To the last bit; what metrics tell, within a share."""
    for ours, theirs in zip(rows(folder), rows(expected), strict=True):
        assert ours == pytest.approx(theirs, rel=told, abs=0)
    ours, theirs = arrays(folder), arrays(expected)
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        assert ours[name].tobytes() == values.tobytes(), name


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    started = Runner(tmp_path_factory.mktemp("runner"), [LOOP], ENVIRONMENT)
    yield started
    started.stop()


def completed(folder: Path, runner: Runner, recipe: str) -> Finished:
    experiment = Experiment(folder, "keras", NETWORK + recipe)
    return Finished(experiment, folder / "whole", runner, OFTEN)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, runner: Runner) -> Finished:
    return completed(tmp_path_factory.mktemp("finished"), runner, RECIPE)


def left_in_the_middle(finished: Finished, runner: Runner, folder: Path) -> None:
    """A run that SIGTERM has ended after its first checkpoint."""
    child = runner.start(finished.fit(folder), OFTEN)
    await_file(folder / "checkpoint.safetensors")
    os.kill(child, signal.SIGTERM)
    assert runner.wait() == 130


def test_a_run_writes_what_it_came_to(finished: Finished) -> None:
    found = rows(finished.folder)
    assert [row["epoch"] for row in found] == [1, 2, 3, 4]
    assert [row["step"] for row in found] == [43, 86, 129, 172]
    assert found[-1]["loss"] < 0.7 * found[0]["loss"]
    assert found[-1]["validation_accuracy"] > 0.7
    names = {path.name for path in finished.folder.iterdir()}
    assert {*WRITTEN, "run.json", "metrics.jsonl", "checkpoint.safetensors"} <= names
    assert not any(name.startswith(".") for name in names)
    record = json.loads((finished.folder / "run.json").read_text(encoding="utf-8"))
    assert record["backend"] == "keras"
    assert record["computed"]["devices"] == record["computed"]["processes"] == 1
    with np.load(finished.folder / "validation.npz") as held:
        assert held["probabilities"].shape == (150, 10)
        np.testing.assert_allclose(held["probabilities"].sum(1), 1, rtol=1e-5)
        best = max(row["validation_accuracy"] for row in found)
        # Epochs are validated in the precision of training, this in float32.
        assert (held["predicted"] == held["labels"]).mean() == pytest.approx(best, abs=0.03)


def test_the_same_run_has_the_same_files(
    finished: Finished, runner: Runner, tmp_path: Path
) -> None:
    """To the last byte, but for what a clock says."""
    again = tmp_path / "again"
    runner.run(finished.fit(again), finished.changes)
    assert rows(again) == rows(finished.folder)
    timed = ("metrics.jsonl", "events.")
    names = [one.name for one in finished.folder.iterdir() if not one.name.startswith(timed)]
    assert {"run.json", "best.safetensors", "last.safetensors", "validation.npz"} < set(names)
    for name in names:
        assert (again / name).read_bytes() == (finished.folder / name).read_bytes(), name


def test_statistics_are_those_of_the_images_trained_with(finished: Finished) -> None:
    """Not of those held out."""
    packed = (SAMPLE / "train-images-idx3-ubyte.gz").read_bytes()
    pixels = np.frombuffer(gzip.decompress(packed)[16:], np.uint8).reshape(-1, 784)
    with np.load(finished.folder / "validation.npz") as held:
        trained = np.delete(pixels, held["indices"], axis=0).astype(np.float64)
    record = json.loads((finished.folder / "run.json").read_text(encoding="utf-8"))
    kept = {name: np.ravel(values).item() for name, values in record["statistics"].items()}
    assert kept == pytest.approx({"mean": trained.mean(), "deviation": trained.std()})
    assert kept["mean"] != pytest.approx(pixels.mean(), rel=1e-5)


def test_predictions_are_written_and_scored(
    finished: Finished, runner: Runner, tmp_path: Path
) -> None:
    """`t10k` images are those to predict of MNIST's folder; their labels are in it."""
    out = tmp_path / "submission.csv"
    runner.run(finished.experiment.predict(finished.folder, out))
    with out.open(encoding="utf-8") as stream:
        table = list(csv.DictReader(stream))
    packed = (SAMPLE / "t10k-labels-idx1-ubyte.gz").read_bytes()
    labels = list(gzip.decompress(packed)[8:])
    assert [row["ImageId"] for row in table] == [str(one) for one in range(1, len(labels) + 1)]
    right = sum(int(row["Label"]) == label for row, label in zip(table, labels, strict=True))
    assert right > 0.75 * len(labels)
    assert runner.output() == f"accuracy {right / len(labels):.2%} ({right} of {len(labels)})\n"


@pytest.mark.torch
def test_weights_go_on_in_pytorch(finished: Finished, tmp_path: Path) -> None:
    """The network in PyTorch gives the same probabilities with them."""
    torch = pytest.importorskip("torch")
    from archc.training.torch.batches import image_set, input_scaling
    from archc.training.torch.loop import predict_all
    from archc.training.torch.recipe import make_network
    from archc.training.torch.weights import load_weights

    plan = read_plan(Experiment(tmp_path, "torch", NETWORK + RECIPE).fit(tmp_path))
    model = make_network(plan)
    load_weights(model, plan, finished.folder / "best.safetensors")
    record = json.loads((finished.folder / "run.json").read_text(encoding="utf-8"))
    device = torch.device("cpu")
    shape = plan.task.shape
    mean, deviation, _ = read_statistics(finished.folder, record, shape)
    data = read_data(SAMPLE, plan.format, labelled=True)
    with np.load(finished.folder / "validation.npz") as held:
        images = image_set(data.images, data.known_labels, held["indices"], device)
        scaling = input_scaling(1.0, mean, deviation, shape, device)
        found = predict_all(plan, model, images, scaling)
        np.testing.assert_allclose(found, held["probabilities"], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "kills"), [(RECIPE, 10), (STEPS, 5), (EARLY, 5)], ids=["plateau", "steps", "early"]
)
def test_kills_at_any_moment_change_nothing(
    recipe: str, kills: int, runner: Runner, tmp_path: Path
) -> None:
    """Killed and resumed, 20 times in all: weights, predictions and metrics to the last bit."""
    finished = completed(tmp_path, runner, recipe)
    found = rows(finished.folder)
    assert (found[-1]["step"] == 100) == (recipe == STEPS)
    assert (len(found) < 30) or recipe != EARLY
    chosen = random.Random(7)
    killed = resumed = attempt = 0
    longest = finished.seconds
    while killed < kills or resumed <= kills // 2:
        folder = tmp_path / f"run{attempt}"
        attempt += 1
        code = None
        while code != 0:
            child = runner.start(finished.fit(folder, resume=True), OFTEN)
            if killed < kills or resumed <= kills // 2:
                time.sleep(chosen.uniform(0.3, 1.0) * longest)
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            code = runner.wait()
            assert code in (0, -signal.SIGKILL), runner.errors()
            is_resumed = code != 0 and (folder / "checkpoint.safetensors").exists()
            killed += code != 0
            resumed += is_resumed
            if not is_resumed:  # killed too late, or too early: the machine may be busy
                longest *= 0.8 if code == 0 else 1.1
        assert_same(folder, finished.folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_saves_and_ends(
    number: signal.Signals, finished: Finished, runner: Runner, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    child = runner.start(finished.fit(folder), OFTEN)
    await_file(folder / "checkpoint.safetensors")
    os.kill(child, number)
    assert runner.wait() == 130
    assert "interrupted" in runner.errors()
    assert not (folder / "validation.npz").exists()
    runner.run(finished.fit(folder, resume=True), OFTEN)
    assert_same(folder, finished.folder)


def test_another_run_is_not_gone_on_with(
    finished: Finished, runner: Runner, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    left_in_the_middle(finished, runner, folder)
    before = (folder / "checkpoint.safetensors").read_bytes()
    for options, told in (
        ({}, "holds a run already: go on with it by --resume"),
        ({"resume": True, "seed": 5}, "recipe.seed = 0, not 5"),
        ({"resume": True, "precision": "bfloat16"}, "recipe.precision = auto, not bfloat16"),
    ):
        assert told in runner.run(finished.fit(folder, **options), OFTEN, code=2)
    assert (folder / "checkpoint.safetensors").read_bytes() == before


def test_a_checkpoint_may_be_older_than_the_weights(
    finished: Finished, runner: Runner, tmp_path: Path
) -> None:
    """It is written last: where that fails, an epoch's weights and line are there, and the run
    resumes from before them."""
    sizes = {path.name: path.stat().st_size for path in finished.folder.iterdir()}
    largest = (sizes["last.safetensors"] + sizes["checkpoint.safetensors"]) // 2
    folder = tmp_path / "run"
    told = runner.run(finished.fit(folder), code=2, largest=largest)
    assert "checkpoint.safetensors: File too large" in told
    assert len(rows(folder)) == 1
    assert (folder / "last.safetensors").exists()
    assert (folder / "best.safetensors").exists()
    assert not (folder / "checkpoint.safetensors").exists()
    runner.run(finished.fit(folder, resume=True), OFTEN)
    assert_same(folder, finished.folder)


def test_a_damaged_checkpoint_is_told(finished: Finished, runner: Runner, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    left_in_the_middle(finished, runner, folder)
    path = folder / "checkpoint.safetensors"
    whole = path.read_bytes()
    weights = (folder / "last.safetensors", finished.folder / "last.safetensors")
    other = next(one for one in weights if one.exists()).read_bytes()
    tensors = safetensors.load(whole)
    with safetensors.safe_open(path, "numpy") as file:
        state = file.metadata()
    del tensors["0"]
    shifted = {str(place): one for place, one in enumerate(tensors.values())}
    fewer = safetensors.save(shifted, state)
    for damaged in (
        whole[: len(whole) // 2],
        b"",
        b"\x80\x04cos\nsystem\n(S'true'\ntR.",
        other,
        fewer,
    ):
        path.write_bytes(damaged)
        told = runner.run(finished.fit(folder, resume=True), OFTEN, code=2)
        assert "checkpoint.safetensors: is no checkpoint" in told
        assert told.count("\n") == 1


def test_a_full_disk_loses_nothing(finished: Finished, runner: Runner, tmp_path: Path) -> None:
    """A file may not grow to the length of the checkpoint: that which is there stays."""
    folder = tmp_path / "run"
    left_in_the_middle(finished, runner, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    largest = len(before["checkpoint.safetensors"]) // 2
    told = runner.run(finished.fit(folder, resume=True), OFTEN, code=2, largest=largest)
    assert "File too large" in told
    assert told.count("\n") == 1
    assert (folder / "checkpoint.safetensors").read_bytes() == before["checkpoint.safetensors"]
    assert not any(path.name.startswith(".") for path in folder.iterdir())
    runner.run(finished.fit(folder, resume=True), OFTEN)
    assert_same(folder, finished.folder)


@pytest.mark.parametrize("seconds", [0, 300], ids=["within", "at its end"])
def test_a_loss_that_is_no_number_ends_the_run(
    seconds: int, finished: Finished, runner: Runner, tmp_path: Path
) -> None:
    """With what was written before it: from there a sounder rate goes on."""
    # The rate of the second epoch.
    recipe = RECIPE.replace(
        "plateau: {patience: 1, factor: 0.5}", "step: {every: 1, factor: 1.0e+30}"
    )
    assert recipe != RECIPE
    faulty = Experiment(tmp_path, "keras", NETWORK + recipe)
    folder = tmp_path / "run"
    changes = {**OFTEN, f"{CALLBACKS}.CHECKPOINT_SECONDS": seconds}
    told = runner.run(faulty.fit(folder, quiet=True), changes, code=2)
    assert re.fullmatch(r"archc: the loss of epoch 2 is (nan|inf): .*\n", told)
    assert rows(folder) == rows(finished.folder)[:1]
    for name in ("best", "last"):
        tensors = safetensors.load_file(folder / f"{name}.safetensors")
        assert all(np.isfinite(one).all() for one in tensors.values())


def test_images_that_do_not_fit_are_refused(
    finished: Finished, runner: Runner, tmp_path: Path
) -> None:
    """Of other sizes, and of other channels: before training, with the file."""
    for shape in ((8, 20, 20), (8, 28, 28, 3), (8, 784)):
        path = tmp_path / "data.npz"
        np.savez(path, images=np.zeros(shape, np.uint8), labels=np.arange(8))
        told = runner.run(finished.fit(tmp_path / "run", data=path), code=1)
        assert f"{path}" in told
        assert told.count("\n") == 1
        assert not (tmp_path / "run" / "run.json").exists()


def test_a_scale_that_float32_has_no_room_for_is_refused(runner: Runner, tmp_path: Path) -> None:
    recipe = RECIPE.replace("dataset}", "dataset, scale: 1.0e+308}")
    plan = Experiment(tmp_path, "keras", NETWORK + recipe).fit(tmp_path / "run")
    told = runner.run(plan, code=2)
    assert "the statistics of the images are no finite numbers" in told
    assert told.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_weights_of_another_network_are_refused(
    finished: Finished, runner: Runner, tmp_path: Path
) -> None:
    tensors = safetensors.load_file(finished.folder / "best.safetensors")
    weights = str(tmp_path / "weights")
    plan = finished.experiment.predict(finished.folder, tmp_path / "out.csv", weights=weights)
    for fault, told in (
        ({"conv_1.weight": tensors["conv_1.weight"][:2]}, "conv_1.weight has the shape"),
        ({"conv_1.weight": None}, "conv_1.weight is not there"),
    ):
        given = {name: one for name, one in {**tensors, **fault}.items() if one is not None}
        safetensors.save_file(given, tmp_path / "weights")
        assert told in runner.run(plan, code=2)
    (tmp_path / "weights").write_bytes(b"no weights")
    assert "no file of weights" in runner.run(plan, code=2)
    assert not (tmp_path / "out.csv").exists()


def test_what_needs_a_gpu_tells_so(finished: Finished, runner: Runner, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    told = runner.run(finished.fit(folder, precision="float16"), code=2)
    assert "float16 is for GPUs" in told
    assert "no GPU" in runner.run(finished.fit(folder, device="cuda"), code=2)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("recipe", "epochs", "steps"),
    [
        ("steps_per_epoch: 10\n  epochs: 3", 3, 30),
        ("steps_per_epoch: 50\n  epochs: 1", 1, 50),
        ("epochs: 1\n  validation: 0", 1, 47),
        ("epochs: 1\n  batch_size: 1349", 1, 2),
        ("epochs: 1\n  batch_size: 5000\n  loss: mean_squared_error", 1, 1),
        ("epochs: 1\n  metric: top_5_accuracy\n  precision: bfloat16", 1, 43),
    ],
)
def test_lengths_of_runs(
    recipe: str, epochs: int, steps: int, runner: Runner, tmp_path: Path
) -> None:
    """The last batch of an epoch may have one image, and batch normalization goes on."""
    experiment = Experiment(tmp_path, "keras", f"{NETWORK}training:\n  {recipe}\n")
    folder = tmp_path / "run"
    runner.run(experiment.fit(folder))
    found = rows(folder)
    assert (len(found), found[-1]["step"]) == (epochs, steps)
    assert ("validation_loss" in found[0]) == ("validation: 0\n" not in f"{recipe}\n")
    assert (folder / "validation.npz").exists() == ("validation_loss" in found[0])
    if "top_5" in recipe:
        assert found[0]["validation_top_5_accuracy"] > found[0]["validation_accuracy"]


def test_vectors_train_too(runner: Runner, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(200) % 3
    images = (generator.normal(size=(200, 6)) + np.eye(3, 6)[labels] * 6).astype(np.float32)
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    text = (
        "archc: 1\nname: digits\ninput: {features: 6}\nlayers:\n  - dense: 3\n"
        "training: {epochs: 5, optimizer: {adam: {learning_rate: 0.05}}}\n"
    )
    experiment = Experiment(tmp_path, "keras", text)
    runner.run(experiment.fit(tmp_path / "run", data=tmp_path / "data.npz"))
    assert rows(tmp_path / "run")[-1]["validation_accuracy"] > 0.9


# Several devices

WORKER = ("-m", "archc.training.worker")
OFTEN_WORKER = """
import sys
from archc.training.keras import callbacks
from archc.training.worker import main
callbacks.CHECKPOINT_SECONDS = callbacks.CHECKPOINT_SHARE = 0
sys.exit(main(sys.argv[1:]))
"""

SHARED = RECIPE.replace("epochs: 4", "epochs: 2\n  metric: loss\n  precision: float32").replace(
    ": 32", ": 61"
)
"""Of 61 images each of two devices takes 30 or 31."""


def assert_close(folder: Path, expected: Path) -> None:
    """The same curve and weights but for the order of float32 sums."""
    ours, theirs = rows(folder), rows(expected)
    assert len(ours) == len(theirs) > 0
    for shared, alone in zip(ours, theirs, strict=True):
        assert shared == pytest.approx(alone, rel=5e-4)
    for name in WRITTEN[:2]:
        shared, alone = (safetensors.load_file(one / name) for one in (folder, expected))
        assert shared.keys() == alone.keys()
        for key, values in alone.items():
            np.testing.assert_allclose(shared[key], values, rtol=0, atol=2e-4)


def started(command: list[str], **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command],
        env={**ENVIRONMENT, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


def often_worker(folder: Path) -> Path:
    """A program that is a worker with checkpoints as dense as can be."""
    path = folder / "often.py"
    path.write_text(OFTEN_WORKER, encoding="utf-8")
    return path


def two_workers(command: list[str]) -> list[subprocess.Popen[str]]:
    """Two processes of this machine that train together by TensorFlow."""
    with socket.socket() as first, socket.socket() as second:
        for one in (first, second):
            one.bind(("127.0.0.1", 0))
        places = [f"127.0.0.1:{one.getsockname()[1]}" for one in (first, second)]
    made = []
    for index in (1, 0):
        task = {"type": "worker", "index": index}
        told = json.dumps({"cluster": {"worker": places}, "task": task})
        made.append(started(command, TF_CONFIG=told))
    return made


def ends(processes: list[subprocess.Popen[str]], code: int) -> list[str]:
    """What processes told, all of which end with a code."""
    told = [process.communicate(timeout=LIMIT)[1] for process in processes]
    assert [process.returncode for process in processes] == [code] * len(processes), told
    assert not any("Traceback" in one for one in told)
    return told


@pytest.mark.slow
def test_two_processes_train_as_one(runner: Runner, tmp_path: Path) -> None:
    experiment = Experiment(tmp_path, "keras", PLAIN + SHARED)
    runner.run(experiment.fit(tmp_path / "one"))
    told = ends(two_workers([*WORKER, str(experiment.fit(tmp_path / "two"))]), 0)
    assert ["epoch   1" in one for one in told] == [False, True]  # the first alone tells
    assert_close(tmp_path / "two", tmp_path / "one")
    record = json.loads((tmp_path / "two" / "run.json").read_text(encoding="utf-8"))
    assert record["computed"]["processes"] == record["computed"]["devices"] == 2
    assert record["computed"]["precision"] == "float32"  # as the recipe says


@pytest.mark.slow
def test_two_processes_stop_and_go_on_as_one(runner: Runner, tmp_path: Path) -> None:
    """SIGTERM to one of them: both save at the same step, and end."""
    text = NETWORK.replace("  - dropout: {rate: 0.2}\n", "") + SHARED.replace("s: 2", "s: 4")
    experiment = Experiment(tmp_path, "keras", text)
    folder = tmp_path / "run"
    command = [str(often_worker(tmp_path)), str(experiment.fit(folder, resume=True))]
    processes = two_workers(command)
    await_file(folder / "checkpoint.safetensors", processes[0])
    processes[0].send_signal(signal.SIGTERM)
    ends(processes, 130)
    assert len(rows(folder)) < 4
    ends(two_workers(command), 0)
    ends(two_workers([*WORKER, str(experiment.fit(tmp_path / "whole"))]), 0)
    # Each of them has a part of a mean's sum, and half of it once they go on.
    assert_same(tmp_path / "run", tmp_path / "whole", told=1e-6)


TWO_DEVICES = "--xla_force_host_platform_device_count=2"


@pytest.mark.slow
def test_jax_trains_too_on_one_device_and_on_two(tmp_path: Path) -> None:
    pytest.importorskip("jax")
    experiment = Experiment(tmp_path, "keras", PLAIN + SHARED)
    one, two = (str(experiment.fit(tmp_path / name)) for name in ("one", "two"))
    ends([started([*WORKER, one], KERAS_BACKEND="jax")], 0)
    ends([started([*WORKER, two], KERAS_BACKEND="jax", XLA_FLAGS=TWO_DEVICES)], 0)
    assert rows(tmp_path / "one")[-1]["validation_accuracy"] > 0.6
    assert_close(tmp_path / "two", tmp_path / "one")
    record = json.loads((tmp_path / "two" / "run.json").read_text(encoding="utf-8"))
    assert "jax" in record["computed"]["versions"]
    assert record["computed"]["devices"] == 2


@pytest.mark.slow
def test_jax_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    """After a kill within an epoch."""
    pytest.importorskip("jax")
    experiment = Experiment(tmp_path, "keras", NETWORK + RECIPE)
    often = str(often_worker(tmp_path))
    whole = str(experiment.fit(tmp_path / "whole"))
    ends([started([often, whole], KERAS_BACKEND="jax")], 0)
    folder = tmp_path / "run"
    process = started([often, str(experiment.fit(folder))], KERAS_BACKEND="jax")
    await_file(folder / "checkpoint.safetensors", process)
    process.kill()
    ends([process], -signal.SIGKILL)
    resumed = str(experiment.fit(folder, resume=True))
    ends([started([often, resumed], KERAS_BACKEND="jax")], 0)
    assert_same(folder, tmp_path / "whole")
