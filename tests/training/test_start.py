"""Runs that start from the weights of a file, and parts that do not train."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archc.api import Network, load
from archc.cli import main
from archc.diagnostics import SpecError
from archc.ir.arrays import arrays
from archc.training.plan import PLAN, plan_files
from archc.training.run.options import FitOptions, Start
from archc.training.start import INITIAL, read_initial, write_initial
from archc.weights import transfer
from tests.backends import torchvision_models
from tests.training.runner import NETWORK, RECIPE, Experiment, Runner, environment, rows
from tests.training.samples import SAMPLE

np = pytest.importorskip("numpy")
ROOT = Path(__file__).parents[2]
BACKENDS = ("torch", "keras")
ENVIRONMENT = environment(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")


@pytest.fixture(scope="module", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    pytest.importorskip(name)
    return name


@pytest.fixture(scope="module")
def runner(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    loop = f"archc.training.{backend}.loop"
    started = Runner(tmp_path_factory.mktemp("runner"), [loop], ENVIRONMENT)
    yield started
    started.stop()


def plan_in(folder: Path, backend: str, network: Network, options: FitOptions) -> Path:
    folder.mkdir()
    for name, text in plan_files(backend, network, options).items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder / PLAN


@pytest.mark.skipif(not torchvision_models.is_installed(), reason="torchvision is not installed")
def test_resnet18_s_weights_go_on_to_ten_classes(
    backend: str, runner: Runner, tmp_path: Path
) -> None:
    """A file as torchvision writes it, with a head for 1,000 classes."""
    import torch

    torch.manual_seed(4)
    model = torchvision_models.models().resnet18(weights=None)
    file = tmp_path / "resnet18.pth"
    torch.save(model.state_dict(), file)
    text = (ROOT / "specs/resnet18.yaml").read_text(encoding="utf-8")
    text = text.replace("height: 224, width: 224", "height: 32, width: 32")
    text = text.replace("classes: 1000", "classes: 10").partition("expect:")[0]
    text = text.partition("training:")[0]
    spec = tmp_path / "resnet18.yaml"
    recipe = "training: {optimizer: {sgd: {learning_rate: 0.001, weight_decay: 0.1}}, epochs: 1}\n"
    spec.write_text(text + recipe, encoding="utf-8")
    network = load(str(spec), {})
    generator = np.random.default_rng(1)
    images = generator.integers(0, 256, (40, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "data.npz", images=images, labels=np.arange(40) % 10)

    initial = read_initial(network, str(file), ["fc"], ["conv1", "bn1", "layer1"])
    # 20 convolutions and 20 normalisations of 4 arrays; of them layer1 has four each.
    assert initial.start._replace(sha256=None) == Start(
        str(file), None, 100, {"fc": 2}, {"conv1": 1, "bn1": 4, "layer1": 20}
    )
    run = tmp_path / "run"
    options = FitOptions(tmp_path / "data.npz", run, precision="float32", start=initial.start)
    plan = plan_in(tmp_path / "plan", backend, network, options)
    run.mkdir()
    write_initial(run, initial, network)
    told = runner.run(plan)
    assert "starts from" in told
    assert "fc (2 arrays)" in told
    assert "frozen: conv1 (1 array), bn1 (4 arrays), layer1 (20 arrays)" in told
    kept = json.loads((run / "run.json").read_text())["weights"]
    assert kept == json.loads(json.dumps(initial.start._asdict()))

    trained = transfer.load(str(run / "last.safetensors"), network)
    own = {name: value.numpy() for name, value in model.state_dict().items()}
    assert np.array_equal(trained["conv1.weight"], own["conv1.weight"])
    layer = "layer1.basic_block_1"
    moved = {
        key for key, array in initial.arrays.items() if not np.array_equal(trained[key], array)
    }
    stays = [key for key in initial.arrays if key.startswith(("conv1.", "bn1.", "layer1."))]
    assert len(stays) == 25
    assert any(key.startswith(layer) for key in stays)
    assert moved == initial.arrays.keys() - set(stays)
    # They were trained from the file's: a step of 0.001 changes little.
    deep = trained["layer4.basic_block_2.conv2.weight"]
    theirs = own["layer4.1.conv2.weight"]
    assert np.corrcoef(deep.ravel(), theirs.ravel())[0, 1] > 0.99
    assert trained["fc.weight"].shape == (10, 512)


def small(folder: Path, backend: str) -> Experiment:
    named = NETWORK.replace("  - batch_norm\n", "  - batch_norm:\n    name: norm\n")
    return Experiment(folder, backend, named + RECIPE)


def test_a_run_resumes_from_its_own_copy(backend: str, runner: Runner, tmp_path: Path) -> None:
    """Also one that had no checkpoint yet, and whose file has gone."""
    experiment = small(tmp_path / "spec", backend)
    first = tmp_path / "first"
    runner.run(experiment.fit(first, epochs=1, quiet=True))
    file = str(first / "last.safetensors")
    initial = read_initial(experiment.network, file, ["dense_1"], ["norm"])
    whole = tmp_path / "whole"
    whole.mkdir()
    write_initial(whole, initial, experiment.network)
    runner.run(experiment.fit(whole, epochs=2, quiet=True, start=initial.start))
    trained = transfer.load(str(whole / "last.safetensors"), experiment.network)
    for key, array in initial.arrays.items():
        assert np.array_equal(trained[key], array) == key.startswith("norm."), key
    assert not np.array_equal(trained["dense_1.weight"], transfer.load(file, experiment.network))

    again = tmp_path / "again"
    again.mkdir()
    for name in ("run.json", INITIAL):
        shutil.copy(whole / name, again)
    record = json.loads((again / "run.json").read_text())
    record.pop("finished", None)
    (again / "run.json").write_text(json.dumps(record))
    runner.run(experiment.fit(again, resume=True, quiet=True))
    assert rows(again) == rows(whole)
    for name in ("last.safetensors", "best.safetensors"):
        assert (again / name).read_bytes() == (whole / name).read_bytes()

    other = initial.start._replace(freeze={})
    told = runner.run(experiment.fit(again, resume=True, start=other), code=2)
    assert "was run with weights.freeze.norm = 4, not None" in told
    with (again / INITIAL).open("ab") as stream:
        stream.write(b"x")
    (again / "run.json").write_text(json.dumps(record))
    for name in ("checkpoint.pt", "checkpoint.safetensors"):
        (again / name).unlink(missing_ok=True)
    told = runner.run(experiment.fit(again, resume=True), code=2)
    assert "is not the file of weights that the run started from" in told


def test_a_longer_run_is_the_same_as_one_of_that_length(
    backend: str, runner: Runner, tmp_path: Path
) -> None:
    experiment = small(tmp_path / "spec", backend)
    whole, run = tmp_path / "whole", tmp_path / "run"
    runner.run(experiment.fit(whole, epochs=3, quiet=True))
    runner.run(experiment.fit(run, epochs=2, quiet=True))
    told = runner.run(experiment.fit(run, resume=True)).splitlines()
    assert told == [f"{run} is finished: 2 epochs; `--resume --epochs N` trains for longer"]
    told = runner.run(experiment.fit(run, resume=True, epochs=3)).splitlines()
    assert any(line.endswith("; 3 epochs in place of 2") for line in told)
    assert "resumes after 2 epochs" in told
    assert rows(run) == rows(whole)
    for name in ("last.safetensors", "best.safetensors", "validation.npz"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()


def test_accuracy_is_that_of_the_predictions(backend: str, runner: Runner, tmp_path: Path) -> None:
    """Whatever the precision of training: an epoch's figures are those of the weights it leaves, as
    `archc predict` and `archc evaluate` compute them."""
    run = tmp_path / "run"
    experiment = small(tmp_path / "spec", backend)
    runner.run(experiment.fit(run, epochs=2, precision="bfloat16", validation=SAMPLE, quiet=True))
    assert json.loads((run / "run.json").read_text())["computed"]["precision"] == "bfloat16"
    with np.load(run / "validation.npz") as kept:
        labels, probabilities = kept["labels"], kept["probabilities"]
    best = max(rows(run), key=lambda row: row["validation_accuracy"])
    assert best["validation_accuracy"] == pytest.approx(
        (probabilities.argmax(1) == labels).mean(), abs=1e-7
    )
    own = np.take_along_axis(probabilities, labels[:, None], 1)
    assert best["validation_loss"] == pytest.approx(-np.log(own).mean(), rel=1e-5)


NEAREST = """\
archc: 1
name: digits
input: {channels: 1, height: 28, width: 28}
layers:
  - avg_pool: 4
  - flatten
  - dense: {units: 10, activation: scaled_tanh}
  - rbf:
CODES
training:
  inputs: {standardize: dataset}
  optimizer: {sgd: {learning_rate: 0.01}}
  schedule: {piecewise: {epochs: [1], factors: [0.5]}}
  loss: maximum_a_posteriori
  epochs: 2
"""


def test_the_nearest_class_is_the_answer(backend: str, runner: Runner, tmp_path: Path) -> None:
    """Of a network that gives distances, trained by the loss that pulls the label's closer."""
    codes = "\n".join(
        f"      - [{', '.join('1' if row == column else '-1' for column in range(10))}]"
        for row in range(10)
    )
    experiment = Experiment(tmp_path / "spec", backend, NEAREST.replace("CODES", codes))
    run = tmp_path / "run"
    (idx,) = SAMPLE.glob("train-images*")
    runner.run(experiment.fit(run, validation=idx, quiet=True))
    first, second = rows(run)
    assert second["loss"] < first["loss"]
    assert (first["learning_rate"], second["learning_rate"]) == pytest.approx((0.01, 0.005))
    assert second["validation_accuracy"] > 0.5  # of digits that it was trained with
    weights = transfer.load(str(run / "best.safetensors"), experiment.network)
    with np.load(run / "validation.npz") as kept:
        labels, predicted = kept["labels"], kept["predicted"]
    pixels = np.frombuffer(gzip.decompress(idx.read_bytes()), np.uint8)[16:].reshape(-1, 28, 28)
    scaled = (pixels - pixels.mean()) / pixels.std()
    pooled = scaled.reshape(-1, 7, 4, 7, 4).mean((2, 4)).reshape(-1, 49)
    x = 1.7159 * np.tanh((pooled @ weights["dense_1.weight"].T + weights["dense_1.bias"]) * 2 / 3)
    distances = np.square(x[:, None] - (2 * np.eye(10) - 1)).sum(2)
    assert (distances.argmin(1) == predicted).mean() > 0.999
    assert (labels == predicted).mean() == pytest.approx(second["validation_accuracy"], abs=0.02)


def rejected(network: Network, file: str | None, skip: list[str], freeze: list[str]) -> list[Any]:
    with pytest.raises(SpecError) as error:
        read_initial(network, file, skip, freeze)
    return [
        (one.span.source.name, one.code, one.message, one.hint) for one in error.value.diagnostics
    ]


def test_parts_are_those_of_the_network(tmp_path: Path) -> None:
    network = load(str(ROOT / "specs/alexnet_torchvision.yaml"), {})
    found = rejected(network, None, [], ["featurs", "classifier.dens_3", "dropout"])
    assert [(place, code, hint) for place, code, _, hint in found] == [
        ("--freeze classifier.dens_3", "ARC605", 'did you mean "classifier.dense_3"?'),
        ("--freeze dropout", "ARC605", "`archc report` shows the paths of the network"),
        ("--freeze featurs", "ARC605", 'did you mean "features"?'),
    ]
    (left,) = rejected(network, None, [], ["features", "classifier"])
    assert left[2] == "nothing is left to train"
    # An array is no step.
    (array,) = rejected(network, None, [], ["features.conv_1.weight"])
    assert array[1] == "ARC605"
    (both,) = rejected(network, "none", ["classifier.dense_3"], ["classifier"])
    assert both[2] == (
        "`classifier` has `classifier.dense_3.bias`, which is skipped: it would stay as it is drawn"
    )


def test_a_part_to_skip_is_in_the_network_or_the_file(tmp_path: Path) -> None:
    text = (
        "archc: 1\nname: net\ninput: {features: 4}\nlayers:\n"
        "  - section: body\n    layers: [{dense: 3}, relu]\n  - dense: 2\n    name: head\n"
    )
    (tmp_path / "net.yaml").write_text(text)
    network = load(str(tmp_path / "net.yaml"), {})
    safetensors = pytest.importorskip("safetensors.numpy")
    body = {"body.0.weight": np.ones((3, 4), "f4"), "body.0.bias": np.ones(3, "f4")}
    head = {"top.weight": np.ones((7, 3), "f4"), "top.bias": np.ones(7, "f4")}
    path = str(tmp_path / "net.safetensors")
    safetensors.save_file({**body, **head}, path)
    initial = read_initial(network, path, ["head", "top"], [])
    assert sorted(initial.arrays) == ["body.dense_1.bias", "body.dense_1.weight"]
    assert initial.start.skip == {"head": 2, "top": 0}
    (missing,) = rejected(network, path, ["head", "top", "heed"], [])
    assert missing == (
        "--skip heed",
        "ARC605",
        "the network has no weights under `heed`",
        'did you mean "head"?',
    )
    # What is not skipped must be there.
    codes = {code for _, code, _, _ in rejected(network, path, ["top"], [])}
    assert codes == {"ARC604"}


def test_options_that_name_nothing_end_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    spec = ["train", str(ROOT / "specs/lenet5.yaml"), "--backend", "torch"]
    common = [*spec, "--data", str(SAMPLE), "-o", str(run)]
    assert main([*common, "--freeze", "conf_1"]) == 2
    told = capsys.readouterr().err
    assert "--freeze conf_1:1:1: ARC605 the network has no weights under `conf_1`" in told
    assert 'did you mean "conv_1"?' in told
    assert main([*common, "--skip", "conv_1"]) == 2
    assert "--skip needs --weights" in capsys.readouterr().err
    assert main([*common, "--weights", str(tmp_path / "none.pth")]) == 2
    assert "ARC001" in capsys.readouterr().err
    assert not run.exists()


def test_a_file_in_the_way_of_the_weights_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = load(str(ROOT / "specs/lenet5.yaml"), {})
    safetensors = pytest.importorskip("safetensors.numpy")
    keys = [(one.key, one.variable.shape) for one in arrays(network.costs)]
    weights = tmp_path / "weights.safetensors"
    emitted = network.compiled("torch").variables
    named = {f"{emitted[key].layer}.{emitted[key].name}": np.zeros(s, "f4") for key, s in keys}
    safetensors.save_file(named, weights)
    run = tmp_path / "run"
    run.mkdir()
    (run / INITIAL).write_text("mine")
    given = ["train", str(ROOT / "specs/lenet5.yaml"), "--backend", "torch", "-o", str(run)]
    assert main([*given, "--data", str(SAMPLE), "--weights", str(weights)]) == 2
    assert f"{INITIAL} was not written by this run" in capsys.readouterr().err
    assert [path.name for path in run.iterdir()] == [INITIAL]
    assert (run / INITIAL).read_text() == "mine"
