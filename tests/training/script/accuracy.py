"""Whether a script with augmentation comes to the accuracy of `archc train`: `python -m
tests.training.script.accuracy` trains both with a few seeds, on each backend.

The two draw their augmentation each in its own way, so that single runs differ: by up to a point on
the sample of MNIST, in either direction; by several where the best epoch is chosen by 150 digits,
which is why none are held out. Compared is the mean over the seeds, of the share of its 2,000
digits that are labelled right, 500 of which are not trained with.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

import numpy as np

from archc import training
from tests.training.runner import LIMIT, environment
from tests.training.samples import SAMPLE
from tests.training.script.test_script import run, written

SEEDS = 3
MOST = 0.005
"""The largest difference: half a point."""
SPEC = """\
archc: 1
name: digits
input: {channels: 1, height: 28, width: 28}
layers:
  - conv: {filters: 8, kernel_size: 5, activation: relu}
  - max_pool: {kernel_size: 2}
  - conv: {filters: 16, kernel_size: 5, activation: relu}
  - max_pool: {kernel_size: 2}
  - flatten
  - dense: {units: 10, activation: softmax}
training:
  inputs: {standardize: dataset}
  augment: {rotation: 10, shift: 0.1, zoom: 0.1}
  optimizer: {adam: {learning_rate: 0.003}}
  schedule: cosine
  batch_size: 64
  epochs: 30
  validation: 0
  precision: float32
"""


def digits(*splits: str) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of the sample."""
    arrays = []
    for kind, start, shape in (("images-idx3", 16, (-1, 28, 28)), ("labels-idx1", 8, (-1,))):
        files = (SAMPLE / f"{split}-{kind}-ubyte.gz" for split in splits)
        parts = [gzip.decompress(file.read_bytes())[start:] for file in files]
        arrays.append(np.frombuffer(b"".join(parts), np.uint8).reshape(shape))
    return arrays[0], arrays[1]


def accuracies(backend: str, seed: int, folder: Path) -> tuple[float, float]:
    """The shares of digits that are labelled right: by archc's network, and by the script's."""
    experiment = written(folder, backend, f"{SPEC}  seed: {seed}\n")
    for name, splits in (("train", ["train"]), ("all", ["train", "t10k"])):
        images, labels = digits(*splits)
        np.savez(folder / f"{name}.npz", images=images, labels=labels)
    work(experiment.fit(folder / "archc", data=folder / "train.npz", quiet=True))
    work(experiment.predict(folder / "archc", folder / "archc.csv", data=folder / "all.npz"))
    out = ("--out", "script")
    run(folder, ("train.npz", *out), ("all.npz", *out, "--predict", "script.csv"))
    one, other = (share_right(folder / f"{name}.csv", labels) for name in ("archc", "script"))
    return one, other


def work(plan: Path) -> None:
    """Execute a plan."""
    command = [sys.executable, "-m", "archc.training.worker", str(plan)]
    env = environment(OMP_NUM_THREADS="1", KERAS_BACKEND="tensorflow")
    subprocess.run(command, check=True, capture_output=True, timeout=LIMIT, env=env)


def share_right(path: Path, labels: np.ndarray) -> float:
    """The share of predictions that are right."""
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    predicted = np.array([int(line.partition(",")[2]) for line in lines])
    return float((predicted == labels).mean())


def main(backends: Sequence[str]) -> int:
    """Train with all seeds on some backends, by default on each. Returns the exit code."""
    code = 0
    for backend in backends or training.trainable():
        pairs = []
        for seed in range(SEEDS):
            with TemporaryDirectory() as folder:
                pairs.append(accuracies(backend, seed, Path(folder) / "experiment"))
            print(f"{backend} seed {seed}: archc {pairs[-1][0]:.2%}, script {pairs[-1][1]:.2%}")
        ours, theirs = (mean(pair[index] for pair in pairs) for index in (0, 1))
        is_near = abs(ours - theirs) <= MOST
        code |= not is_near
        verdict = "within" if is_near else "not within"
        print(f"{backend}: archc {ours:.2%}, script {theirs:.2%}: {verdict} {MOST:.1%}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
