"""How long an epoch of LeNet-5 takes: by `archc train`, by the script of `archc build --training`,
and by what one would write oneself for the same network. In PyTorch the best plain loop: all
images one tensor, batches of a permutation, a fused optimizer, nothing saved; in two precisions,
and with the channel in the last axis of the memory too, by which convolutions take less time. In
Keras on TensorFlow `fit` on arrays, and from a `tf.data.Dataset`; with augmentation `fit` from an
`ImageDataGenerator`.

The aim: as fast as the fastest of the same framework. Processes of all take turns, the first epoch
of each does not count. The ratios are entered, not asserted: they are the machine's as well. Of
epochs the median is told, the shortest, what a machine with other guests would come to without
them, and the least time of the processor, which other guests change least."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import pairwise, product
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import pytest

from archc.api import load
from archc.training.script import emit
from tests.benchmarks import table
from tests.benchmarks.conftest import Record

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "tests" / "training" / "data"
ROUNDS, EPOCHS = 3, 3
OURS = ("archc train", "script")
BATCH = 128
# Beside a busy process an epoch may take twenty times as long.
FEW = 12_800

AUGMENTATION = "  augment: {rotation: 10, shift: 0.1, zoom: 0.1}\n"
RECIPE = """\
training:
  inputs: {pad: 2, standardize: dataset}
  validation: 0
"""
RECIPE += f"  batch_size: {BATCH}\n  epochs: {EPOCHS}\n"

TORCH = """
import sys
import numpy as np
import torch
from torch import nn
from torch.nn import functional

sys.path.insert(0, sys.argv[1] + "/torch")
from lenet5 import LeNet5

with np.load(sys.argv[2]) as arrays:
    images, labels = (torch.from_numpy(arrays[name]) for name in ("images", "labels"))
precision, _, is_last = sys.argv[5].partition(", ")
axis = -1 if is_last else 1
images = functional.pad(images, [2] * 4).float().unsqueeze(axis)
images = (images - images.mean()) / images.std()
model = LeNet5()
model[-1] = nn.LogSoftmax(dim=1)
optimizer = torch.optim.Adam(model.parameters(), fused=True)
for epoch in range(int(sys.argv[3])):
    for batch in torch.randperm(len(images)).split(int(sys.argv[4])):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            output = model(images[batch].movedim(axis, 1))
        loss = functional.nll_loss(output.float(), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1}", flush=True)
"""
KERAS = """
import sys
import numpy as np
from keras.src.legacy.preprocessing.image import ImageDataGenerator

sys.path.insert(0, sys.argv[1] + "/keras")
from lenet5 import build_model
import keras
import tensorflow as tf

with np.load(sys.argv[2]) as arrays:
    images, labels = arrays["images"], arrays["labels"]
images = np.pad(images, ((0, 0), (2, 2), (2, 2)))[..., None].astype("float32")
images = (images - images.mean()) / images.std()
model = build_model()
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
told = keras.callbacks.LambdaCallback(
    on_epoch_end=lambda epoch, logs: print(f"epoch {epoch + 1}", flush=True)
)
if sys.argv[5] == "arrays":
    fed = {"x": images, "y": labels, "batch_size": int(sys.argv[4])}
elif sys.argv[5] == "tf.data":
    order = tf.data.Dataset.range(len(images)).shuffle(len(images)).batch(int(sys.argv[4]))
    tensors = tf.constant(images), tf.constant(labels)
    gather = lambda batch: tuple(tf.gather(one, batch) for one in tensors)
    fed = {"x": order.map(gather, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)}
else:
    generator = ImageDataGenerator(
        rotation_range=10, width_shift_range=0.1, height_shift_range=0.1, zoom_range=0.1
    )
    fed = {"x": generator.flow(images, labels, batch_size=int(sys.argv[4]))}
model.fit(**fed, epochs=int(sys.argv[3]), verbose=0, callbacks=[told])
"""


def data(folder: Path, count: int) -> Path:
    """So many digits: those of the sample, again and again."""
    packed = (SAMPLE / f"train-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1"))
    pixels, labels = (np.frombuffer(gzip.decompress(one.read_bytes()), np.uint8) for one in packed)
    images = np.resize(pixels[16:].reshape(-1, 28, 28), (count, 28, 28))
    path = folder / f"digits{count}.npz"
    np.savez(path, images=images, labels=np.resize(labels[8:], count).astype(np.int64))
    return path


class Times(NamedTuple):
    """Seconds of some epochs: by the clock, and of the processor in all threads."""

    clock: list[float]
    processor: list[float]

    @property
    def columns(self) -> tuple[float, float, float]:
        """The median and the least of the clock, and the least of the processor."""
        return median(self.clock), min(self.clock), min(self.processor)


def processor_seconds(process: int) -> float:
    """What a process and those it started have taken: as Linux tells, elsewhere not a number."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        started = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return float("nan")
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(processor_seconds(int(one)) for one in started)


def epochs(command: list[str], times: Times) -> None:
    """Add the times of each epoch but the first, by when a process tells of its end, or, as Keras
    does by itself, of its beginning."""
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    for name in ("OMP_WAIT_POLICY", "OMP_NUM_THREADS"):  # which other tests have
        environment.pop(name, None)
    marks = []
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(("epoch", "Epoch")):
                marks.append((perf_counter(), processor_seconds(process.pid)))
                is_begun = line.startswith("Epoch")
    assert process.returncode == 0
    for begin, end in pairwise(marks[is_begun:]):
        times.clock.append(end[0] - begin[0])
        times.processor.append(end[1] - begin[1])


def enter(record: Record, title: str, found: dict[str, Times]) -> None:
    """Put a row into the table for each contender: its times, and how many times as fast ours are,
    by each of them."""
    for name, times in found.items():
        median_time, least, processor = (f"{one:.2f} s" for one in times.columns)
        cells = {"median": median_time, "least": least, "processor": processor}
        for ours in OURS:
            pairs = zip(times.columns, found[ours].columns, strict=True)
            ratios = ", ".join(f"{their / our:.2f}" for their, our in pairs)
            cells[f"of {ours}"] = ratios
        record(table.TRAINING, f"{title}: {name}", cells)


def recipe_in(folder: Path, *, augmented: bool) -> Path:
    """LeNet-5 with the benchmarks' recipe."""
    text = (ROOT / "specs" / "lenet5.yaml").read_text(encoding="utf-8")
    text = re.sub(r"^training:\n(?:  .*\n)*", "", text, flags=re.MULTILINE)
    spec = folder / "lenet5.yaml"
    spec.write_text(text + RECIPE + AUGMENTATION * augmented, encoding="utf-8")
    return spec


@contextmanager
def busy_neighbour() -> Iterator[None]:
    """Another process that takes all the time it gets of one core."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()


@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_an_epoch_beside_a_busy_process(backend: str, tmp_path: Path, record: Record) -> None:
    """Of as many cores as there are one is taken: threads that wait actively, as PyTorch's do by
    themselves and those of `archc train` where it is asked for, lose more than that."""
    spec = recipe_in(tmp_path, augmented=False)
    commands = contenders(backend, "plain", spec, data(tmp_path, FEW))
    theirs = "plain loop in float32" if backend == "torch" else "fit on arrays"
    commands = {name: commands[name] for name in ("archc train", theirs)}
    if backend == "torch":
        own = commands["archc train"]
        commands["archc train --wait active"] = [*own[:-1], "--wait", "active", "-o"]
    found: dict[tuple[str, bool], Times] = {}
    for turn, name, beside in product(range(ROUNDS), commands, (False, True)):
        out = [str(tmp_path / f"{name}{turn}{beside}")] if commands[name][-1] == "-o" else []
        with busy_neighbour() if beside else nullcontext():
            epochs([*commands[name], *out], found.setdefault((name, beside), Times([], [])))
    for name in commands:
        alone, beside = (FEW / found[name, is_beside].columns[1] for is_beside in (False, True))
        cells = {
            "alone": f"{alone:,.0f} images/s",
            "beside a busy process": f"{beside:,.0f} images/s",
            "of it": f"{beside / alone:.2f}",
        }
        record(table.NEIGHBOUR, f"{backend}: {name}", cells)


def contenders(backend: str, kind: str, spec: Path, digits: Path) -> dict[str, list[str]]:
    """The commands of ours, which end where their folder is to follow, and of theirs."""
    folder, network = spec.parent, load(str(spec), {})
    for one in ("torch", "keras"):
        (folder / one).mkdir(exist_ok=True)
        (folder / one / "lenet5.py").write_text(network.emit(one), encoding="utf-8")
    script = folder / backend / "lenet5_train.py"
    script.write_text(emit(backend, network), encoding="utf-8")
    options = [str(folder), str(digits), str(EPOCHS), str(BATCH)]
    own = ["--backend", backend, "--data", str(digits)]
    commands = {
        "archc train": [sys.executable, "-m", "archc", "train", str(spec), *own, "-o"],
        "script": [sys.executable, str(script), str(digits), "--out"],
    }
    if kind == "augmented":
        commands["ImageDataGenerator"] = [sys.executable, "-c", KERAS, *options, "generator"]
        return commands
    commands["fit on arrays"] = [sys.executable, "-c", KERAS, *options, "arrays"]
    if backend == "keras":
        commands["fit on tf.data"] = [sys.executable, "-c", KERAS, *options, "tf.data"]
    else:
        for precision, order in product(("float32", "bfloat16"), ("", ", channels last")):
            loop = precision + order
            commands[f"plain loop in {loop}"] = [sys.executable, "-c", TORCH, *options, loop]
    return commands


@pytest.mark.parametrize(("kind", "count"), [("plain", 30_000), ("augmented", 12_800)])
@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_an_epoch(backend: str, kind: str, count: int, tmp_path: Path, record: Record) -> None:
    """Of ours also its checkpoint and weights are written in that time."""
    spec = recipe_in(tmp_path, augmented=kind == "augmented")
    commands = contenders(backend, kind, spec, data(tmp_path, count))
    found = {name: Times([], []) for name in commands}
    for turn, (name, command) in product(range(ROUNDS), commands.items()):
        out = [str(tmp_path / f"{name}{turn}")] if command[-1] in ("-o", "--out") else []
        epochs([*command, *out], found[name])
    enter(record, f"{backend}, {kind}, {count:,} digits", found)
