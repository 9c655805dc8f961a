"""Training with PyTorch in processes of its own, on the sample of real digits: what a run writes,
and that it resumes to the same bits however it was ended."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

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
torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.numpy")

from archc.training.torch.batches import input_scaling  # noqa: E402
from archc.training.torch.evaluate import class_probabilities  # noqa: E402
from archc.training.torch.recipe import make_network, sample_losses  # noqa: E402

ENVIRONMENT = environment(OMP_NUM_THREADS="1")
MODULES = ["torch._dynamo", "torch.nn.parallel", "archc.training.torch.loop"]
OFTEN = {"archc.training.torch.loop.CHECKPOINT_SECONDS": 0}
"""Checkpoints after every step."""
WRITTEN = ("best.safetensors", "last.safetensors", "validation.npz")
KILLS = 20


def digests(folder: Path) -> dict[str, str]:
    """What a run has come to. The archive of arrays has times in it, its arrays have none."""
    found = {}
    for name in WRITTEN:
        if name.endswith(".npz"):
            with np.load(folder / name) as arrays:
                content = b"".join(arrays[key].tobytes() for key in sorted(arrays))
        else:
            content = (folder / name).read_bytes()
        found[name] = hashlib.sha256(content).hexdigest()
    return found


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    started = Runner(tmp_path_factory.mktemp("runner"), MODULES, ENVIRONMENT)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, runner: Runner) -> Finished:
    folder = tmp_path_factory.mktemp("finished")
    experiment = Experiment(folder, "torch", NETWORK + RECIPE)
    return Finished(experiment, folder / "whole", runner, OFTEN)


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
            child = runner.start(finished.fit(folder, resume=True), OFTEN)
            if killed < KILLS or resumed <= KILLS // 2:
                time.sleep(chosen.uniform(0.02, 1.0) * longest)
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            code = runner.wait()
            assert code in (0, -signal.SIGKILL), runner.errors()
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
    child = runner.start(finished.fit(folder), OFTEN)
    await_file(folder / "checkpoint.pt")
    os.kill(child, number)
    assert runner.wait() == 130
    assert "interrupted" in runner.errors()
    assert not (folder / "validation.npz").exists()
    runner.run(finished.fit(folder, resume=True), OFTEN)
    assert digests(folder) == digests(finished.folder)
    assert rows(folder) == rows(finished.folder)


def test_a_full_disk_loses_nothing(finished: Finished, runner: Runner, tmp_path: Path) -> None:
    """A file may not grow to the length of the checkpoint: that which is there stays."""
    folder = tmp_path / "run"
    child = runner.start(finished.fit(folder), OFTEN)
    await_file(folder / "last.safetensors")
    os.kill(child, signal.SIGTERM)
    assert runner.wait() == 130
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    largest = len(before["checkpoint.pt"]) // 2
    told = runner.run(finished.fit(folder, resume=True), OFTEN, largest=largest, code=2)
    assert "File too large" in told
    assert told.count("\n") == 1
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert after.keys() == before.keys()
    for name in ("checkpoint.pt", "best.safetensors", "metrics.jsonl", "run.json"):
        assert after[name] == before[name], name
    runner.run(finished.fit(folder, resume=True), OFTEN)
    assert digests(folder) == digests(finished.folder)
    assert rows(folder) == rows(finished.folder)


def test_a_checkpoint_may_be_older_than_the_weights(
    finished: Finished, runner: Runner, tmp_path: Path
) -> None:
    """It is written last: where that fails, an epoch's weights and line are there, and the run
    resumes from before them."""
    sizes = {path.name: path.stat().st_size for path in finished.folder.iterdir()}
    largest = (sizes["last.safetensors"] + sizes["checkpoint.pt"]) // 2
    folder = tmp_path / "run"
    told = runner.run(finished.fit(folder), code=2, largest=largest)
    assert "checkpoint.pt: File too large" in told
    assert len(rows(folder)) == 1
    assert (folder / "last.safetensors").exists()
    assert (folder / "best.safetensors").exists()
    assert not (folder / "checkpoint.pt").exists()
    runner.run(finished.fit(folder, resume=True), OFTEN)
    assert digests(folder) == digests(finished.folder)
    assert rows(folder) == rows(finished.folder)


def test_a_damaged_checkpoint_is_told(finished: Finished, runner: Runner, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    child = runner.start(finished.fit(folder), OFTEN)
    await_file(folder / "checkpoint.pt")
    os.kill(child, signal.SIGTERM)
    assert runner.wait() == 130
    whole = (folder / "checkpoint.pt").read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"\x80\x04cos\nsystem\n(S'true'\ntR."):
        (folder / "checkpoint.pt").write_bytes(damaged)
        told = runner.run(finished.fit(folder, resume=True), OFTEN, code=2)
        assert "checkpoint.pt: is no checkpoint" in told


def test_predictions_are_written_and_scored(
    finished: Finished, runner: Runner, tmp_path: Path
) -> None:
    """`t10k` images are those to predict of MNIST's folder; their labels are in it."""
    for path in SAMPLE.glob("t10k-*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    out = tmp_path / "submission.csv"
    runner.run(finished.experiment.predict(finished.folder, out, data=tmp_path))
    with out.open(encoding="utf-8") as stream:
        table = list(csv.DictReader(stream))
    import gzip

    packed = (SAMPLE / "t10k-labels-idx1-ubyte.gz").read_bytes()
    labels = list(gzip.decompress(packed)[8:])
    assert [row["ImageId"] for row in table] == [str(one) for one in range(1, len(labels) + 1)]
    right = sum(int(row["Label"]) == label for row, label in zip(table, labels, strict=True))
    assert right > 0.75 * len(labels)
    assert runner.output() == f"accuracy {right / len(labels):.2%} ({right} of {len(labels)})\n"


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


@pytest.mark.parametrize("scale", ["1.0e+37", "1.0e+308", "1.0e-60"])
def test_a_scale_that_float32_has_no_room_for_is_refused(
    scale: str, runner: Runner, tmp_path: Path
) -> None:
    recipe = RECIPE.replace("dataset}", f"dataset, scale: {scale}}}")
    plan = Experiment(tmp_path, "torch", NETWORK + recipe).fit(tmp_path / "run")
    told = runner.run(plan, code=2)
    assert "the statistics of the images are no finite numbers" in told
    assert told.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_float16_needs_a_gpu(finished: Finished, runner: Runner, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    told = runner.run(finished.fit(folder, precision="float16"), code=2)
    assert "float16 is for GPUs" in told
    assert "no GPU" in runner.run(finished.fit(folder, device="cuda"), code=2)


TORCHRUN = [sys.executable, *["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]]
STEPS = RECIPE.replace("epochs: 4", "epochs: 2\n  precision: float32\n  metric: loss")
SMALL = "learning_rate: 0.01"
UNEVEN = STEPS.replace("batch_size: 32", "batch_size: 61")


@pytest.mark.parametrize("recipe", [STEPS, UNEVEN], ids=["even", "uneven"])
def test_two_processes_train_as_one(recipe: str, runner: Runner, tmp_path: Path) -> None:
    """The same global batches, augmented alike, over both: the same curve and weights but for the
    order of float32 sums. Of 61 images one process takes 30, the other 31."""
    experiment = Experiment(tmp_path, "torch", PLAIN + recipe)
    runner.run(experiment.fit(tmp_path / "one"))
    plan = experiment.fit(tmp_path / "two")
    done = subprocess.run(
        [*TORCHRUN, "-m", "archc.training.worker", str(plan)],
        capture_output=True,
        check=False,
        env=ENVIRONMENT,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stderr
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


OFTEN_WORKER = """
import sys
from archc.training.torch import loop
from archc.training.worker import main
loop.CHECKPOINT_SECONDS = 0
sys.exit(main(sys.argv[1:]))
"""


def test_several_processes_stop_and_go_on_as_one(runner: Runner, tmp_path: Path) -> None:
    """SIGTERM to torchrun: all save at the same step; where none can write, all end."""
    # With steps as large as elsewhere a rounding grows to percents in six epochs.
    longer = STEPS.replace("epochs: 2", "epochs: 6").replace("learning_rate: 0.05", SMALL)
    experiment = Experiment(tmp_path, "torch", PLAIN + longer)
    folder = tmp_path / "run"
    often = tmp_path / "often.py"
    often.write_text(OFTEN_WORKER, encoding="utf-8")
    command = [*TORCHRUN, str(often)]
    plan = experiment.fit(folder)
    with subprocess.Popen(
        [*command, str(plan)], env=ENVIRONMENT, stderr=subprocess.DEVNULL
    ) as process:
        await_file(folder / "checkpoint.pt", process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT) != 0
    assert len(rows(folder)) < 6
    done = subprocess.run(
        [*command, str(experiment.fit(folder, resume=True))],
        env=ENVIRONMENT,
        capture_output=True,
        check=False,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stderr
    runner.run(experiment.fit(tmp_path / "one"))
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
    experiment = Experiment(tmp_path, "torch", f"{NETWORK}training:\n  {recipe}\n")
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
    experiment = Experiment(tmp_path, "torch", text)
    folder = tmp_path / "run"
    runner.run(experiment.fit(folder, data=tmp_path / "data.npz"))
    assert rows(folder)[-1]["validation_accuracy"] > 0.9


def test_classes_of_folders_are_recorded(runner: Runner, tmp_path: Path) -> None:
    """By their names, which predictions and reports have then."""
    for name, level in (("cat", 0), ("dog", 255)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(8):
            pixels = np.full((4, 4), level, np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{number}.png")
    text = (
        "archc: 1\nname: digits\ninput: {channels: 1, height: 4, width: 4}\n"
        "layers: [flatten, dense: 2]\ntraining: {epochs: 1}\n"
    )
    folder = tmp_path / "run"
    runner.run(Experiment(tmp_path, "torch", text).fit(folder, data=tmp_path / "data"))
    assert json.loads((folder / "run.json").read_text())["classes"] == ["cat", "dog"]


@pytest.mark.parametrize(("kind", "shape"), [("signals", (8,)), ("volumes", (4, 4, 4))])
def test_signals_and_volumes_train_too(
    kind: str, shape: tuple[int, ...], runner: Runner, tmp_path: Path
) -> None:
    """In a memory format that their axes have."""
    labels = np.arange(120) % 2
    images = np.random.default_rng(0).normal(size=(120, *shape, 1)).astype(np.float32)
    images += labels.reshape(-1, *[1] * (len(shape) + 1))
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    spec = Path(__file__).parents[1] / "specs" / f"{kind}.yaml"
    experiment = Experiment(tmp_path, "torch", spec.read_text(encoding="utf-8"))
    folder = tmp_path / "run"
    runner.run(experiment.fit(folder, data=tmp_path / "data.npz"))
    assert rows(folder)[-1]["validation_accuracy"] > 0.7
    runner.run(experiment.predict(folder, tmp_path / "out.csv", data=tmp_path / "data.npz"))


@pytest.mark.parametrize(("filters", "stride"), [(31, (147, 49, 7, 1)), (32, (147, 1, 21, 3))])
def test_the_order_in_memory_follows_from_the_channels(
    filters: int, stride: tuple[int, ...], tmp_path: Path
) -> None:
    """Of the weights and of the images, here of 7 x 7 with 3 channels; what is 1 x 1 and wider
    does not count."""
    text = "archc: 1\nname: digits\ninput: {channels: 3, height: 7, width: 7}\nlayers:\n"
    text += f"  - conv: {{filters: {filters}, kernel_size: 1}}\n"
    text += "  - conv: {filters: 64, kernel_size: 7, padding: valid}\n"
    text += "  - flatten\n  - dense: 4\ntraining: {epochs: 1}\n"
    plan = read_plan(Experiment(tmp_path, "torch", text).fit(tmp_path))
    kernels = [one for one in make_network(plan).parameters() if one.dim() == 4]
    assert (kernels[1].stride()[1] == 1) == (filters == 32)
    images = torch.zeros(2, 7, 7, 3).movedim(-1, 1)
    one, device = np.ones((1, 1, 3)), torch.device("cpu")
    scaling = input_scaling(1.0, one, one, (7, 7, 3), device, channels_last=plan.task.is_wide)
    assert scaling(images).stride() == stride


def test_no_gradient_is_lost_in_a_softmax(tmp_path: Path) -> None:
    """As from logits, also where the network is quite sure of the wrong class."""
    text = "archc: 1\nname: digits\ninput: {features: 4}\nlayers:\n"
    text += "  - dense: {units: 4, activation: softmax}\n"
    plan = read_plan(Experiment(tmp_path, "torch", text + "training: {epochs: 1}\n").fit(tmp_path))
    network, plain = make_network(plan), plan.build_model()
    plain.load_state_dict(network.state_dict())
    x = torch.eye(4)
    torch.testing.assert_close(network(x).exp(), plain(x))
    kind = plan.task.output
    torch.testing.assert_close(class_probabilities(network(x), kind), plain(x))
    (weight,) = (one for one in network.parameters() if one.dim() == 2)
    with torch.no_grad():
        weight[0] += 200
    labels = torch.tensor([1, 1, 1, 1])
    sample_losses(plan.recipe, kind, network(x), labels).sum().backward()
    assert weight.grad[0].tolist() == pytest.approx([1.0] * 4)
