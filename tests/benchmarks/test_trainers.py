"""How long an epoch of LeNet-5 takes: by `archc train`, and by what one
would write oneself for Keras on TensorFlow: `fit` on arrays, and with augmentation `fit` from an
`ImageDataGenerator`.

The aims: in PyTorch 2 times as fast as the one and 8 times as fast as the other, in Keras as fast.
Processes of both take turns, the first epoch of each does not count. The ratios are printed, not
asserted: they are the machine's as well. Of epochs the median is told, and the shortest: what a
machine with other guests would come to without them."""

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

import numpy as np
import pytest

from archc.api import load

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "tests" / "training" / "data"
ROUNDS, EPOCHS = 4, 4
BATCH = 128

AUGMENTATION = "  augment: {rotation: 10, shift: 0.1, zoom: 0.1}\n"
RECIPE = """\
training:
  inputs: {pad: 2, standardize: dataset}
  validation: 0
"""
RECIPE += f"  batch_size: {BATCH}\n  epochs: {EPOCHS}\n"

KERAS = """
import sys
import numpy as np
from keras.src.legacy.preprocessing.image import ImageDataGenerator

sys.path.insert(0, sys.argv[1])
from lenet5 import build_model
import keras

with np.load(sys.argv[2]) as arrays:
    images, labels = arrays["images"], arrays["labels"]
images = np.pad(images, ((0, 0), (2, 2), (2, 2)))[..., None].astype("float32")
images = (images - images.mean()) / images.std()
model = build_model()
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
told = keras.callbacks.LambdaCallback(
    on_epoch_end=lambda epoch, logs: print(f"epoch {epoch + 1}", file=sys.stderr, flush=True)
)
if sys.argv[5] == "plain":
    fed = {"x": images, "y": labels, "batch_size": int(sys.argv[4])}
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


def epochs(command: list[str]) -> list[float]:
    """Seconds of each epoch but the first, by when a process tells of its end."""
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    times = []
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch"):
                times.append(perf_counter())
    assert process.returncode == 0
    return [end - begin for begin, end in pairwise(times)]


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
def test_an_epoch_beside_a_busy_process(
    backend: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of as many cores as there are one is taken: threads that wait actively lose more than that.
    Which is which takes turns."""
    spec = recipe_in(tmp_path, augmented=False)
    digits = str(data(tmp_path, 30_000))
    found: dict[tuple[str, bool], list[float]] = {}
    for turn in range(2):
        for waiting, beside in product(("passive", "active"), (False, True)):
            out = str(tmp_path / f"{waiting}{beside}{turn}")
            options = ["--backend", backend, "--data", digits, "-o", out, "--wait", waiting]
            command = [sys.executable, "-m", "archc", "train", str(spec), *options]
            with busy_neighbour() if beside else nullcontext():
                found.setdefault((waiting, beside), []).extend(epochs(command))
    rates = {case: 30_000 / median(times) for case, times in found.items()}
    with capsys.disabled():
        for waiting in ("passive", "active"):
            alone, beside = rates[waiting, False], rates[waiting, True]
            print(
                f"\n{backend}, threads that wait {waiting}ly: {alone:,.0f} images/s alone, "
                f"{beside:,.0f} beside a busy process: {beside / alone:.2f} of it"
            )


@pytest.mark.parametrize(("kind", "count"), [("plain", 60_000), ("augmented", 12_800)])
@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_an_epoch(
    backend: str, kind: str, count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of ours also its checkpoint and weights are written in that time."""
    spec = recipe_in(tmp_path, augmented=kind == "augmented")
    network = load(str(spec), {})
    (tmp_path / "lenet5.py").write_text(network.emit("keras"), encoding="utf-8")
    digits = str(data(tmp_path, count))
    theirs = [sys.executable, "-c", KERAS, str(tmp_path), digits, str(EPOCHS), str(BATCH), kind]
    found: tuple[list[float], list[float]] = ([], [])
    for turn in range(ROUNDS):
        out = str(tmp_path / f"run{turn}")
        options = ["--backend", backend, "--data", digits, "-o", out]
        ours = [sys.executable, "-m", "archc", "train", str(spec), *options]
        found[0].extend(epochs(ours))
        found[1].extend(epochs(theirs))
    ours, keras = map(median, found)
    shortest, their_shortest = map(min, found)
    with capsys.disabled():
        print(
            f"\n{backend}, {kind}, {count:,} digits an epoch: archc train {ours:.2f} s "
            f"({shortest:.2f}), Keras {keras:.2f} s ({their_shortest:.2f}): "
            f"{keras / ours:.2f} times as fast ({their_shortest / shortest:.2f})"
        )
