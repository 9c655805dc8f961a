"""A PyTorch training script in processes of its own, on the sample of real digits: what it writes,
and that a run goes on to the same bits however it was ended."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import random
import re
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from archc import training
from archc.api import load
from tests.training.parts import SAMPLE

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.numpy")

NETWORK = """\
archc: 1
name: digits
input: {channels: 1, height: 28, width: 28}
layers:
  - conv: {filters: 4, kernel_size: 5, stride: 2}
  - batch_norm
  - relu
  - max_pool: {kernel_size: 2}
  - flatten
  - dropout: {rate: 0.2}
  - dense: {units: 10, activation: softmax}
"""
RECIPE = """\
training:
  inputs: {standardize: dataset}
  augment: {rotation: 10, shift: 0.1, zoom: 0.1}
  optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9, weight_decay: 0.0005}}
  schedule: {plateau: {patience: 1, factor: 0.5}}
  batch_size: 32
  epochs: 4
"""
PLAIN = NETWORK.replace("  - batch_norm\n", "").replace("  - dropout: {rate: 0.2}\n", "")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
WRITTEN = ("best.safetensors", "last.safetensors", "validation.npz")
KILLS = 20


def script(folder: Path, text: str, **changes: str) -> Path:
    """The training script of a spec, with constants changed as its owner may."""
    spec = folder / "digits.yaml"
    spec.write_text(text, encoding="utf-8")
    network = load(str(spec), {})
    source = training.emit("torch", network)
    for name, value in changes.items():
        source, count = re.subn(rf"^{name} = .*$", f"{name} = {value}", source, flags=re.MULTILINE)
        assert count == 1, name
    path = folder / "digits_train.py"
    path.write_text(source, encoding="utf-8")
    return path


def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a script to its end."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        check=False,
        env=ENVIRONMENT,
        text=True,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def rows(folder: Path) -> list[dict[str, float]]:
    """The lines of a run's metrics, without what a clock says."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    return [
        {key: value for key, value in row.items() if not key.startswith(("seconds", "samples"))}
        for row in found
    ]


def digests(folder: Path) -> dict[str, str]:
    """What a run has come to. The archive of arrays has times in it, its arrays have none."""
    found = {}
    for name in WRITTEN:
        if name.endswith(".npz"):
            with np.load(folder / name) as arrays:
                content = b"".join(arrays[key].tobytes() for key in sorted(arrays))
        else:
            # The library has the keys of the metadata in another order each time.
            tensors = safetensors.load_file(folder / name)
            content = b"".join(tensors[key].tobytes() for key in sorted(tensors))
        found[name] = hashlib.sha256(content).hexdigest()
    return found


class Runner:
    """Starts scripts as forks of a process that has imported PyTorch already: a tenth of a second
    each, where an own process takes two."""

    SOURCE = """
import json, os, resource, runpy, sys
import numpy, safetensors.numpy, torch, torch._dynamo
from torch.nn.parallel import DistributedDataParallel
for line in sys.stdin:
    arguments, log, largest = json.loads(line)
    child = os.fork()
    if child == 0:
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        if largest:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
        sys.argv = arguments
        sys.stdin = open(os.devnull)
        code = 0
        try:
            runpy.run_path(arguments[0], run_name="__main__")
        except SystemExit as end:
            code = end.code or 0
        sys.stdout.flush()
        os._exit(code)
    print("started", child, flush=True)
    print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.SOURCE],
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, *arguments: object, largest: int | None = None) -> int:
        """Start a script; its process. `largest` bytes a file may have."""
        line = json.dumps([[str(one) for one in arguments], str(self.log), largest])
        print(line, file=self.process.stdin, flush=True)
        return self._told("started")

    def wait(self) -> int:
        """Wait for the script's end; its exit code, or less than 0 for a signal."""
        return self._told("ended")

    def _told(self, event: str) -> int:
        for line in self.process.stdout:
            word, _, number = line.partition(" ")
            if word == event:
                return int(number)
        raise EOFError

    def run(self, *arguments: object, largest: int | None = None) -> int:
        self.start(*arguments, largest=largest)
        return self.wait()

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait()


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    made = Runner(tmp_path_factory.mktemp("runner"))
    yield made
    made.stop()


class Finished:
    """A script and a run of it that nothing has ended."""

    def __init__(self, folder: Path, runner: Runner) -> None:
        # Checkpoints are as dense as can be: after every step.
        self.script = script(folder, NETWORK + RECIPE, CHECKPOINT_SECONDS="0")
        self.fit = (self.script, "fit", "--data", SAMPLE, "--quiet", "--out")
        self.folder = folder / "whole"
        begin = time.perf_counter()
        assert runner.run(*self.fit, self.folder) == 0, runner.log.read_text()
        self.seconds = time.perf_counter() - begin


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, runner: Runner) -> Finished:
    return Finished(tmp_path_factory.mktemp("finished"), runner)


def test_a_run_writes_what_it_came_to(finished: Finished) -> None:
    found = rows(finished.folder)
    assert [row["epoch"] for row in found] == [1, 2, 3, 4]
    assert [row["step"] for row in found] == [43, 86, 129, 172]
    assert found[-1]["loss"] < 0.7 * found[0]["loss"]
    assert found[-1]["validation_accuracy"] > 0.7
    with np.load(finished.folder / "validation.npz") as arrays:
        assert arrays["probabilities"].shape == (150, 10)
        np.testing.assert_allclose(arrays["probabilities"].sum(1), 1, rtol=1e-5)
        best = max(row["validation_accuracy"] for row in found)
        # Epochs are validated in the precision of training, this in float32.
        assert (arrays["predicted"] == arrays["labels"]).mean() == pytest.approx(best, abs=0.03)
    record = json.loads((finished.folder / "run.json").read_text(encoding="utf-8"))
    assert record["backend"] == "torch"
    assert record["computed"]["processes"] == 1
    tensors = safetensors.load_file(finished.folder / "best.safetensors")
    assert tensors["conv_1.weight"].shape == (4, 1, 5, 5)
    assert sorted(path.name for path in finished.folder.iterdir() if path.name[0] == ".") == []


def test_statistics_are_those_of_the_images_trained_with(finished: Finished) -> None:
    """Not of those held out."""
    import gzip

    packed = (SAMPLE / "train-images-idx3-ubyte.gz").read_bytes()
    pixels = np.frombuffer(gzip.decompress(packed)[16:], np.uint8).reshape(-1, 784)
    with np.load(finished.folder / "validation.npz") as arrays:
        trained = np.delete(pixels, arrays["indices"], axis=0).astype(np.float64)
    record = json.loads((finished.folder / "run.json").read_text(encoding="utf-8"))
    kept = {name: np.ravel(values).item() for name, values in record["statistics"].items()}
    assert kept == pytest.approx({"mean": trained.mean(), "deviation": trained.std()})
    assert kept["mean"] != pytest.approx(pixels.mean(), rel=1e-5)


def test_kills_at_any_moment_change_nothing(
    finished: Finished, runner: Runner, tmp_path: Path
) -> None:
    """Killed 20 times and resumed: weights, predictions and metrics to the last bit."""
    chosen = random.Random(7)
    killed = resumed = 0
    attempt = 0
    longest = finished.seconds
    while killed < KILLS or resumed <= KILLS // 2:
        folder = tmp_path / f"run{attempt}"
        attempt += 1
        code = None
        while code != 0:
            child = runner.start(*finished.fit, folder, "--resume")
            if killed < KILLS or resumed <= KILLS // 2:
                time.sleep(chosen.uniform(0.02, 1.0) * longest)
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            code = runner.wait()
            assert code in (0, -signal.SIGKILL), runner.log.read_text()
            is_resumed = code != 0 and (folder / "checkpoint.pt").exists()
            killed += code != 0
            resumed += is_resumed
            if not is_resumed:  # killed too late, or too early: the machine may be busy
                longest *= 0.8 if code == 0 else 1.1
        assert digests(folder) == digests(finished.folder)
        assert rows(folder) == rows(finished.folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_saves_and_ends(
    number: signal.Signals, finished: Finished, runner: Runner, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    child = runner.start(*finished.fit, folder)
    while not (folder / "checkpoint.pt").exists():
        time.sleep(0.01)
    os.kill(child, number)
    assert runner.wait() == 130
    assert "interrupted" in runner.log.read_text()
    assert not (folder / "validation.npz").exists()
    assert runner.run(*finished.fit, folder, "--resume") == 0
    assert digests(folder) == digests(finished.folder)
    assert rows(folder) == rows(finished.folder)


def test_a_full_disk_loses_nothing(finished: Finished, runner: Runner, tmp_path: Path) -> None:
    """A file may not grow to the length of the checkpoint: that which is there stays."""
    folder = tmp_path / "run"
    child = runner.start(*finished.fit, folder)
    while not (folder / "last.safetensors").exists():
        time.sleep(0.01)
    os.kill(child, signal.SIGTERM)
    assert runner.wait() == 130
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    largest = len(before["checkpoint.pt"]) // 2
    assert runner.run(*finished.fit, folder, "--resume", largest=largest) == 2
    told = runner.log.read_text()
    assert "File too large" in told
    assert told.count("\n") == 1
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert after.keys() == before.keys()
    for name in ("checkpoint.pt", "best.safetensors", "metrics.jsonl", "run.json"):
        assert after[name] == before[name], name
    assert runner.run(*finished.fit, folder, "--resume") == 0
    assert digests(folder) == digests(finished.folder)
    assert rows(folder) == rows(finished.folder)


def test_a_damaged_checkpoint_is_told(finished: Finished, runner: Runner, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    child = runner.start(*finished.fit, folder)
    while not (folder / "checkpoint.pt").exists():
        time.sleep(0.01)
    os.kill(child, signal.SIGTERM)
    assert runner.wait() == 130
    whole = (folder / "checkpoint.pt").read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"\x80\x04cos\nsystem\n(S'true'\ntR."):
        (folder / "checkpoint.pt").write_bytes(damaged)
        assert runner.run(*finished.fit, folder, "--resume") == 2
        assert "checkpoint.pt: is no checkpoint" in runner.log.read_text()


def test_predictions_are_written_and_scored(finished: Finished, tmp_path: Path) -> None:
    """`t10k` images are those to predict of MNIST's folder; their labels are in it."""
    for path in SAMPLE.glob("t10k-*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    out = tmp_path / "submission.csv"
    command = (finished.script, "predict", "--run", finished.folder, "--data", tmp_path)
    told = run(*command, "--out", out).stdout
    with out.open(encoding="utf-8") as stream:
        table = list(csv.DictReader(stream))
    import gzip

    packed = (SAMPLE / "t10k-labels-idx1-ubyte.gz").read_bytes()
    labels = list(gzip.decompress(packed)[8:])
    assert [row["ImageId"] for row in table] == [str(one) for one in range(1, len(labels) + 1)]
    right = sum(int(row["Label"]) == label for row, label in zip(table, labels, strict=True))
    assert right > 0.75 * len(labels)
    assert told == f"accuracy {right / len(labels):.2%} ({right} of {len(labels)})\n"


def test_weights_of_another_network_are_refused(finished: Finished, tmp_path: Path) -> None:
    tensors = safetensors.load_file(finished.folder / "best.safetensors")
    command = (finished.script, "predict", "--run", finished.folder, "--data", SAMPLE)
    command = (*command, "--out", tmp_path / "out.csv", "--weights", tmp_path / "weights")
    for fault, told in (
        ({"conv_1.weight": tensors["conv_1.weight"][:2]}, "conv_1.weight has the shape"),
        ({"conv_1.weight": None}, "conv_1.weight is not there"),
    ):
        given = {name: one for name, one in {**tensors, **fault}.items() if one is not None}
        safetensors.save_file(given, tmp_path / "weights")
        assert told in run(*command, code=2).stderr
    (tmp_path / "weights").write_bytes(b"no weights")
    assert "no file of weights" in run(*command, code=2).stderr
    assert not (tmp_path / "out.csv").exists()


def test_images_that_do_not_fit_are_refused(finished: Finished, tmp_path: Path) -> None:
    """Of other sizes, and of other channels: before training, with the file."""
    for shape in ((8, 20, 20), (8, 28, 28, 3), (8, 784)):
        path = tmp_path / "data.npz"
        np.savez(path, images=np.zeros(shape, np.uint8), labels=np.arange(8))
        told = run(finished.script, "fit", "--data", path, "--out", tmp_path / "run", code=1)
        assert f"{path}" in told.stderr
        assert told.stderr.count("\n") == 1
        assert not (tmp_path / "run" / "run.json").exists()


@pytest.mark.parametrize("scale", ["1e37", "1e308", "1e-60"])
def test_a_scale_that_float32_has_no_room_for_is_refused(scale: str, tmp_path: Path) -> None:
    made = script(tmp_path, NETWORK + RECIPE, SCALE=scale)
    told = run(made, "fit", "--data", SAMPLE, "--out", tmp_path / "run", code=2).stderr
    assert "the statistics of the images are no finite numbers" in told
    assert told.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_float16_needs_a_gpu(finished: Finished, tmp_path: Path) -> None:
    told = run(*finished.fit, tmp_path / "run", "--precision", "float16", code=2)
    assert "float16 is for GPUs" in told.stderr
    assert "no GPU" in run(*finished.fit, tmp_path / "run", "--device", "cuda", code=2).stderr


STEPS = RECIPE.replace("epochs: 4", "epochs: 2\n  precision: float32\n  metric: loss")
SMALL = "learning_rate: 0.01"
UNEVEN = STEPS.replace("batch_size: 32", "batch_size: 61")


@pytest.mark.parametrize("recipe", [STEPS, UNEVEN], ids=["even", "uneven"])
def test_two_processes_train_as_one(recipe: str, tmp_path: Path) -> None:
    """The same global batches, augmented alike, over both: the same curve and weights but for the
    order of float32 sums. Of 61 images one process takes 30, the other 31."""
    path = script(tmp_path, PLAIN + recipe)
    command = (path, "fit", "--data", SAMPLE, "--out")
    run(*command, tmp_path / "one")
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    done = run(*launch, *command, tmp_path / "two")
    assert done.stderr.count("epoch   1") == 1  # one of both tells
    one, two = rows(tmp_path / "one"), rows(tmp_path / "two")
    assert len(one) == len(two) == 2
    for alone, shared in zip(one, two, strict=True):
        assert shared == pytest.approx(alone, rel=2e-4)
    names = ("best.safetensors", "last.safetensors")
    for alone, shared in (
        [safetensors.load_file(tmp_path / n / f) for n in ("one", "two")] for f in names
    ):
        assert alone.keys() == shared.keys()
        for key, values in alone.items():
            np.testing.assert_allclose(shared[key], values, rtol=0, atol=2e-4)
    record = json.loads((tmp_path / "two" / "run.json").read_text(encoding="utf-8"))
    assert record["computed"]["processes"] == 2


def test_several_processes_stop_and_go_on_as_one(tmp_path: Path) -> None:
    """SIGTERM to torchrun: all save at the same step; where none can write, all end."""
    # With steps as large as elsewhere a rounding grows to percents in six epochs.
    longer = STEPS.replace("epochs: 2", "epochs: 6").replace("learning_rate: 0.05", SMALL)
    path = script(tmp_path, PLAIN + longer, CHECKPOINT_SECONDS="0")
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", path, "fit")
    command = [sys.executable, *map(str, launch), "--data", str(SAMPLE), "--out"]
    folder = tmp_path / "run"
    with subprocess.Popen(
        [*command, str(folder)], env=ENVIRONMENT, stderr=subprocess.DEVNULL
    ) as process:
        while not (folder / "checkpoint.pt").exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) != 0
    assert len(rows(folder)) < 6
    done = subprocess.run(
        [*command, str(folder), "--resume"], env=ENVIRONMENT, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    run(path, "fit", "--data", SAMPLE, "--out", tmp_path / "one")
    for alone, shared in zip(rows(tmp_path / "one"), rows(folder), strict=True):
        assert shared == pytest.approx(alone, rel=1e-3)


@pytest.mark.parametrize(
    ("recipe", "epochs", "steps"),
    [
        ("epochs: 30\n  early_stopping: 1\n  optimizer: {sgd: {learning_rate: 1.0e-9}}", 2, 86),
        ("steps: 50", 2, 50),
        ("steps_per_epoch: 10\n  epochs: 3", 3, 30),
        ("steps_per_epoch: 50\n  epochs: 1", 1, 50),
        ("epochs: 1\n  validation: 0", 1, 47),
        ("epochs: 1\n  batch_size: 1349\n  validation: 0.1", 1, 2),
        ("epochs: 1\n  batch_size: 5000\n  validation: 0.1", 1, 1),
        ("epochs: 1\n  metric: top_5_accuracy\n  precision: bfloat16", 1, 43),
    ],
)
def test_lengths_of_runs(
    recipe: str, epochs: int, steps: int, runner: Runner, tmp_path: Path
) -> None:
    """The last batch of an epoch may have one image, and batch normalization goes on."""
    path = script(tmp_path, f"{NETWORK}training:\n  {recipe}\n")
    folder = tmp_path / "run"
    code = runner.run(path, "fit", "--data", SAMPLE, "--out", folder)
    assert code == 0, runner.log.read_text()
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
    path = script(tmp_path, text)
    folder = tmp_path / "run"
    code = runner.run(path, "fit", "--data", tmp_path / "data.npz", "--out", folder)
    assert code == 0, runner.log.read_text()
    assert rows(folder)[-1]["validation_accuracy"] > 0.9


@pytest.mark.parametrize(("kind", "shape"), [("signals", (8,)), ("volumes", (4, 4, 4))])
def test_signals_and_volumes_train_too(
    kind: str, shape: tuple[int, ...], runner: Runner, tmp_path: Path
) -> None:
    """In a memory format that their axes have."""
    labels = np.arange(120) % 2
    images = np.random.default_rng(0).normal(size=(120, *shape, 1)).astype(np.float32)
    images += labels.reshape(-1, *[1] * (len(shape) + 1))
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    spec = Path(__file__).parent / "specs" / f"{kind}.yaml"
    path = script(tmp_path, spec.read_text(encoding="utf-8"))
    folder = tmp_path / "run"
    code = runner.run(path, "fit", "--data", tmp_path / "data.npz", "--out", folder)
    assert code == 0, runner.log.read_text()
    assert rows(folder)[-1]["validation_accuracy"] > 0.7
    told = runner.run(
        path, "predict", "--run", folder, "--data", tmp_path / "data.npz", "--out", tmp_path / "out"
    )
    assert told == 0, runner.log.read_text()


def test_no_gradient_is_lost_in_a_softmax(tmp_path: Path) -> None:
    """As from logits, also where the network is quite sure of the wrong class."""
    text = "archc: 1\nname: digits\ninput: {features: 4}\nlayers:\n"
    text += "  - dense: {units: 4, activation: softmax}\n"
    made = runpy.run_path(str(script(tmp_path, text + "training: {epochs: 1}\n")))
    network, plain = made["make_network"](), made["build_model"]()
    plain.load_state_dict(network.state_dict())
    x = torch.eye(4)
    torch.testing.assert_close(network(x).exp(), plain(x))
    torch.testing.assert_close(made["class_probabilities"](network(x)), plain(x))
    (weight,) = (one for one in network.parameters() if one.dim() == 2)
    with torch.no_grad():
        weight[0] += 200
    labels = torch.tensor([1, 1, 1, 1])
    made["sample_losses"](network(x), labels).sum().backward()
    assert weight.grad[0].tolist() == pytest.approx([1.0] * 4)
