"""Training scripts: what they hold for a recipe, how they read, and that they train as archc
does."""

from __future__ import annotations

import ast
import gzip
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from archc import training
from archc.api import Network, load
from archc.diagnostics import SpecError
from archc.training.data.prepare import split_validation
from archc.training.script import _source, emit
from archc.training.task import recipe_of, task_of, trainer_of
from tests.training.runner import LIMIT, PLAIN, Experiment, environment, rows
from tests.training.samples import SAMPLE
from tests.training.test_recipe import HEAD, WHOLE

ROOT = Path(__file__).parents[3]
IMAGES = HEAD + "training:\n  epochs: 2\n"
RECIPES = {
    "least": HEAD + "training: {epochs: 1}\n",
    "whole": HEAD + WHOLE,
    "sgd": IMAGES + "  optimizer: {sgd: {momentum: 0.9, nesterov: true, weight_decay: 0.0005}}\n"
    "  schedule: {plateau: {patience: 3, minimum: 1.0e-6}}\n  warmup: 0.5\n  precision: float16\n",
    "rmsprop": IMAGES + "  optimizer: {rmsprop: {momentum: 0.5, weight_decay: 0.1}}\n"
    "  schedule: {cosine: {minimum: 1.0e-5}}\n  warmup: 1\n  metric: loss\n",
    "adamw": IMAGES + "  optimizer: adamw\n  schedule: {step: {every: 30}}\n"
    "  loss: mean_squared_error\n  metric: top_5_accuracy\n",
    "adam": IMAGES + "  optimizer: {adam: {beta_1: 0.5, weight_decay: 0.1}}\n  warmup: 1\n"
    "  schedule: {step: {every: 30, factor: 0.5}}\n  inputs: {standardize: pixel_mean}\n",
    "steps": HEAD
    + "training: {steps: 370000, inputs: {resize: 24, scale: 0.1}, schedule: cosine}\n",
    "held out": IMAGES + "  validation: 0\n  early_stopping: 3\n  label_smoothing: 0.1\n"
    "  inputs: {resize: [20, 24], pad: 1, standardize: channel}\n  augment: {flip: horizontal}\n",
    "distances": "archc: 1\nname: small\ninput: {features: 2}\nlayers:\n  - dense: 2\n"
    "  - rbf: [[1, -1], [-1, 1]]\ntraining:\n  loss: maximum_a_posteriori\n  epochs: 9\n"
    "  schedule: {piecewise: {epochs: [2, 5], factors: [0.4, 0.02]}}\n  warmup: 1\n",
    "pieces": IMAGES + "  schedule: {piecewise: {epochs: [2, 5], factors: [0.4, 0.16]}}\n",
    "parts": IMAGES + "  inputs: {resize: 40, standardize: pixel_mean}\n  evaluation: ten_crop\n"
    "  augment: {crop: random_resized, flip: horizontal, lighting: 0.1}\n",
    "jitter": IMAGES + "  inputs: {resize: 40, pad: 1}\n  label_smoothing: 0.1\n"
    "  augment: {crop: {scale_jitter: {smallest: 34, largest: 50}}, rotation: 5}\n",
    "turned": IMAGES + "  inputs: {resize: 40}\n  evaluation: ten_crop\n"
    "  augment: {rotation: 5, lighting: 0.1}\n",
    "padded": IMAGES + "  inputs: {pad: 2, standardize: pixel_mean, scale: 0.5}\n"
    "  augment: {lighting: 0.1}\n",
    "ten": IMAGES + "  inputs: {resize: 40}\n  evaluation: ten_crop\n",
    "vectors": "archc: 1\nname: small\ninput: {features: 6}\nlayers:\n  - dense: 3\n"
    "training: {epochs: 5, inputs: {standardize: channel}}\n",
    "volumes": (ROOT / "tests/training/specs/volumes.yaml").read_text(encoding="utf-8"),
}


def network(folder: Path, text: str) -> Network:
    folder.mkdir(exist_ok=True)
    path = folder / "small.yaml"
    path.write_text(text, encoding="utf-8")
    return load(str(path), {})


def names(source: str) -> set[str]:
    """What is defined at the top level."""
    return {
        node.targets[0].id if isinstance(node, ast.Assign) else node.name  # type: ignore[attr-defined]
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign | ast.FunctionDef | ast.ClassDef)
    }


def test_a_spec_without_a_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as refused:
        emit("torch", network(tmp_path, HEAD))
    assert [one.code for one in refused.value.diagnostics] == ["ARC704"]


@pytest.mark.parametrize("name", ["Dataset", "Path", "ValueError"])
def test_a_class_called_like_what_a_script_has_is_refused(name: str, tmp_path: Path) -> None:
    text = RECIPES["steps"].replace("name: small\n", f"name: small\nclass: {name}\n")
    with pytest.raises(SpecError) as refused:
        emit("torch", network(tmp_path, text))
    assert [one.code for one in refused.value.diagnostics] == ["ARC703"]
    assert f"`{name}`" in refused.value.diagnostics[0].message
    emit("keras", network(tmp_path, text))  # which has a function of another name


WRITTEN_BY_THE_EMITTER = {
    *("Network", "make_optimizer", "make_schedule", "make_plateau", "standardize"),
}
"""What a program has in place of what the emitter writes."""


def specs_with_recipes() -> list[Path]:
    files = [*(ROOT / "specs").rglob("*.yaml"), *(ROOT / "tests/training/specs").glob("*.yaml")]
    return [file for file in files if "\ntraining:" in file.read_text(encoding="utf-8")]


@pytest.mark.parametrize("backend", training.trainable())
def test_no_script_has_what_only_stands_in_for_a_recipe_s(backend: str, tmp_path: Path) -> None:
    """Of any recipe of the specs and of these tests."""
    networks = [network(tmp_path, text) for text in RECIPES.values()]
    files = specs_with_recipes()
    assert len(files) >= 5  # the others have theirs by `extends`
    networks += [load(str(file), {}) for file in files]
    for one in networks:
        source = emit(backend, one)
        tree = ast.parse(source)
        assert "NotImplemented" not in source
        assert "stand_in" not in source
        called = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        imported = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        assert WRITTEN_BY_THE_EMITTER.isdisjoint(called | imported | names(source))


def held_out_by(source: str, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a script's own `split` holds out, and what it trains with."""
    kept = ("split", "VALIDATION", "SEED")
    tree = ast.parse(source)
    tree.body = [
        node
        for node in tree.body
        if (isinstance(node, ast.FunctionDef) and node.name in kept)
        or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in kept)
    ]
    module: dict[str, Any] = {"np": np, "Any": Any}
    exec(compile(tree, "script", "exec"), module)
    held_out, training_images = module["split"](labels)
    return held_out, training_images


@pytest.mark.parametrize("backend", training.trainable())
@pytest.mark.parametrize("share", [0.1, 0.2, 0.25, 1 / 3, 0.5])
def test_a_script_holds_out_what_archc_does(backend: str, share: float, tmp_path: Path) -> None:
    """The same images of each class, where none has so few that all of them would be held out."""
    generator = np.random.default_rng(3)
    for seed in (0, 7):
        text = f"{HEAD}training: {{epochs: 1, validation: {share}, seed: {seed}}}\n"
        source = emit(backend, network(tmp_path, text))
        for count, classes in ((1500, 10), (97, 3), (4321, 100)):
            labels = generator.integers(0, classes, count)
            expected = split_validation(labels, share, seed, tmp_path)
            held_out, trained = held_out_by(source, labels)
            np.testing.assert_array_equal(held_out, expected[1])
            np.testing.assert_array_equal(trained, expected[0])


def test_scripts_are_clean(tmp_path: Path) -> None:
    """For each recipe on each backend: laid out as ruff does, nothing unused or undefined, nothing
    of archc in it, the network imported from the module beside it."""
    for backend, (number, text) in product(training.trainable(), enumerate(RECIPES.values())):
        made = network(tmp_path, text)
        name = made.costs.graph.about.name
        source = emit(backend, made)
        folder = tmp_path / f"{backend}{number}"
        folder.mkdir()
        (folder / f"{name}_train.py").write_text(source, encoding="utf-8")
        (folder / f"{name}.py").write_text(made.emit(backend), encoding="utf-8")
        assert source.isascii()
        assert max(map(len, source.splitlines()[1:])) <= 88
        modules = {
            node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        assert name in modules
        assert not any("archc" in str(one) for one in modules)
        used = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
        assert names(source) <= used
        assert source == emit(backend, network(tmp_path, text))
    # Modules are a user's own where they lie beside a script.
    own = json.dumps([path.name for path in tmp_path.iterdir() if path.is_dir()])
    options = ["--isolated", "--no-cache", "--quiet", "--config", f"src = {own}", "."]
    for command in (["check", "--select=E4,E7,E9,F,I,UP,B,N"], ["format", "--diff"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *options],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stdout + done.stderr


LONGEST = 250
"""Lines of a script."""


def test_scripts_of_the_specs_are_short() -> None:
    """Those too that have the recipe of a spec that they extend."""
    texts = {file: file.read_text(encoding="utf-8") for file in (ROOT / "specs").glob("*.yaml")}
    found = {file: re.search(r"^extends: (\S+)", text, re.M) for file, text in texts.items()}
    bases = {file: file.parent / match[1] for file, match in found.items() if match}
    trained = {file for file, text in texts.items() if "\ntraining:" in text}
    while more := {file for file, base in bases.items() if base in trained} - trained:
        trained |= more
    assert len(trained) >= 26
    for backend, file in product(training.trainable(), trained):
        lines = emit(backend, load(str(file), {})).splitlines()
        assert len(lines) <= LONGEST, (backend, file)


def test_wide_networks_alone_have_their_channels_last() -> None:
    """A feature map of LeNet-5 has 16 channels at most, one of ResNet-18 up to 512: of half a
    vector of numbers, and of many whole ones."""
    narrow, wide = (
        emit("torch", load(str(ROOT / "specs" / f"{name}.yaml"), {}))
        for name in ("lenet5", "resnet18")
    )
    assert "channels_last" not in narrow
    assert ".to(memory_format=torch.channels_last)" in wide


@pytest.mark.parametrize("backend", training.trainable())
def test_a_script_has_only_what_the_recipe_asks_for(backend: str, tmp_path: Path) -> None:
    plain = emit(backend, network(tmp_path, RECIPES["least"]))
    for word in ("ROTATION", "SHIFT", "PAD", "Random", "def move", "flip", "PATIENCE", "resize"):
        assert word not in plain, word
    whole = emit(backend, network(tmp_path, RECIPES["whole"]))
    assert len(whole) > len(plain)


@pytest.mark.parametrize("backend", training.trainable())
def test_every_constant_of_the_program_is_given(backend: str, tmp_path: Path) -> None:
    """One that is not would keep the program's own value, whatever the recipe says."""
    made = network(tmp_path, RECIPES["whole"])
    trainer = trainer_of(backend)
    writer = import_module(trainer.script)
    task = task_of(trainer, made.compiled(backend), made.spec, made.costs)
    declared = {
        node.target.id
        for module in writer.PROGRAM
        for node in ast.parse(_source(module)).body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    assert writer.constants(task, recipe_of(made)).keys() == declared


OPTIMIZERS = {
    "least": "torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)",
    "sgd": "torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=0.9, nesterov=True, "
    "weight_decay=0.0005)",
    "rmsprop": "torch.optim.RMSprop(model.parameters(), lr=LEARNING_RATE, alpha=0.9, "
    "momentum=0.5, weight_decay=0.1)",
    "adam": "torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, betas=(0.5, 0.999), "
    "weight_decay=0.1, fused=True)",
    "adamw": "torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.01, "
    "fused=True)",
}
"""As PyTorch calls them and their arguments, less what are its defaults."""


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_are_written_as_in_pytorch(name: str, tmp_path: Path) -> None:
    tree = ast.parse(emit("torch", network(tmp_path, RECIPES[name])))
    assert OPTIMIZERS[name] in [
        ast.unparse(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "optimizer"
    ]


def archive(folder: Path) -> Path:
    """The training digits of the sample as an .npz file."""
    pixels, labels = (
        np.frombuffer(gzip.decompress((SAMPLE / f"train-{kind}-ubyte.gz").read_bytes()), np.uint8)
        for kind in ("images-idx3", "labels-idx1")
    )
    path = folder / "digits.npz"
    np.savez(path, images=pixels[16:].reshape(-1, 28, 28), labels=labels[8:])
    return path


RUNS = """
import json, runpy, sys
for sys.argv in json.loads(sys.argv[1]):
    runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(folder: Path, *lines: Sequence[object]) -> str:
    """Run a script with one command line after the other, in one process, since a framework takes
    long to start; what it printed."""
    commands = json.dumps([["digits_train.py", *map(str, line)] for line in lines])
    done = subprocess.run(
        [sys.executable, "-c", RUNS, commands],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=LIMIT,
        env=environment(OMP_NUM_THREADS="1", KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3"),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def written(folder: Path, backend: str, text: str) -> Experiment:
    """A network with its script beside it."""
    experiment = Experiment(folder, backend, text)
    (folder / "digits.py").write_text(experiment.network.emit(backend), encoding="utf-8")
    (folder / "digits_train.py").write_text(emit(backend, experiment.network), encoding="utf-8")
    return experiment


def losses(
    backend: str, folder: Path, out: Path, printed: str, *, validation: bool = False
) -> list[float]:
    """The loss of each epoch of a script."""
    if backend == "torch":
        pattern = r"^epoch \d+ .*  validation (\S+)" if validation else r"^epoch \d+  loss (\S+)"
        return [float(one) for one in re.findall(pattern, printed, re.MULTILINE)]
    lines = (folder / out / "log.csv").read_text(encoding="utf-8").splitlines()
    column = lines[0].split(",").index("val_loss" if validation else "loss")
    return [float(line.split(",")[column]) for line in lines[1:]]


STEADY = """\
training:
  inputs: {standardize: dataset}
  optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9}}
  batch_size: 32
  epochs: 2
  validation: 0
  precision: float32
"""


@pytest.mark.parametrize("backend", training.trainable())
def test_a_script_trains_as_archc_does(backend: str, tmp_path: Path) -> None:
    """One seed and no augmentation: the same images are held out, and the losses are the same, but
    for what is rounded. Interrupted after an epoch and resumed, the script comes to the same; it
    predicts what it has learnt."""
    text = PLAIN + STEADY.replace("validation: 0", "validation: 0.1")
    experiment = written(tmp_path, backend, text)
    data = archive(tmp_path)
    plan = experiment.fit(tmp_path / "archc", data=data, quiet=True)
    worker = [sys.executable, "-m", "archc.training.worker", str(plan)]
    env = environment(OMP_NUM_THREADS="1", KERAS_BACKEND="tensorflow")
    subprocess.run(worker, check=True, env=env, timeout=LIMIT, stderr=subprocess.DEVNULL)
    recorded = rows(tmp_path / "archc")
    expected = [row["loss"] for row in recorded]
    printed = run(tmp_path, (data, "--out", "script", "--epochs", "1"))
    resume = (data, "--out", "script", "--epochs", "2", "--resume")
    printed += run(tmp_path, resume, (data, "--out", "script", "--predict", "labels.csv"))
    found = losses(backend, tmp_path, Path("script"), printed)
    held_out = losses(backend, tmp_path, Path("script"), printed, validation=True)
    validated = [row["validation_loss"] for row in recorded]
    assert held_out == pytest.approx(validated, rel=1e-5, abs=6e-5)
    # The script for PyTorch prints four digits.
    assert found == pytest.approx(expected, rel=1e-5, abs=6e-5)
    assert expected[1] < 0.7 * expected[0]
    table = (tmp_path / "labels.csv").read_text(encoding="utf-8").splitlines()
    assert table[0] == "ImageId,Label"
    labels = np.load(data)["labels"]
    predicted = [int(line.partition(",")[2]) for line in table[1:]]
    assert (np.array(predicted) == labels).mean() > 0.8
    assert [line.partition(",")[0] for line in table[1:]] == [
        str(number) for number in range(1, len(labels) + 1)
    ]


PHOTOS = """\
training:
  inputs: {resize: 28, scale: 0.00392156862745098, standardize: channel}
  augment: {flip: horizontal, rotation: 5, shear: 5}
  batch_size: 16
  epochs: 1
"""


@pytest.mark.parametrize(
    ("backend", "recipe"),
    [*product(training.trainable(), ("photos", "parts")), ("torch", "jitter"), ("keras", "ten")],
)
def test_a_script_reads_folders_of_images(backend: str, recipe: str, tmp_path: Path) -> None:
    """Of any sizes, where the recipe resizes or takes parts."""
    text = PLAIN + PHOTOS
    if recipe != "photos":
        text = (
            RECIPES[recipe]
            .replace("name: small", "name: digits")
            .replace("classes: 10", "classes: 2")
        )
        text = text.replace("epochs: 2", "epochs: 1")
    written(tmp_path, backend, text)
    random = np.random.default_rng(0)
    for number in range(60):
        folder = tmp_path / "data" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (30 + number % 5, 40, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    command = ("data", "--out", "run")
    run(tmp_path, command, (*command, "--predict", "labels.csv"))
    assert len((tmp_path / "labels.csv").read_text(encoding="utf-8").splitlines()) == 61


def test_torchrun_trains_in_two_processes(tmp_path: Path) -> None:
    """To the losses of one, but for what is rounded: batches have an even number of images."""
    text = PLAIN + STEADY.replace("batch_size: 32", "batch_size: 30")
    written(tmp_path, "torch", text)
    data = archive(tmp_path)
    one = losses("torch", tmp_path, Path("one"), run(tmp_path, (data, "--out", "one")))
    command = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        "digits_train.py",
    ]
    done = subprocess.run(
        [sys.executable, *command, str(data), "--out", "two"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=LIMIT,
        env=environment(OMP_NUM_THREADS="1"),
    )
    assert done.returncode == 0, done.stderr
    two = losses("torch", tmp_path, Path("two"), done.stdout)
    assert two == pytest.approx(one, rel=2e-3)
    assert len(two) == 2


def test_the_guide_shows_the_script_as_it_is() -> None:
    script = (ROOT / "generated/torch/lenet5_train.py").read_text(encoding="utf-8")
    guide = (ROOT / "docs/guides/training.md").read_text(encoding="utf-8")
    assert f"```python generated/torch/lenet5_train.py\n{script}```" in guide
