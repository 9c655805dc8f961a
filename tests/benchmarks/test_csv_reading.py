"""How long Kaggle's `train.csv` takes to read: 42,000 rows of a label and 784 pixels, 77 MB.

The aim is at most 0.6 s. NumPy's `loadtxt` to uint8, which checks and tells less, takes its turns
beside it."""

from __future__ import annotations

import gzip
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from archc.training.data.csv import read_csv
from tests.benchmarks.conftest import Record
from tests.benchmarks.table import DATA
from tests.training.samples import SAMPLE, takes

ROWS, TURNS = 42_000, 5


def write_csv(path: Path) -> np.ndarray:
    """The digits of the sample again and again; their pixels."""
    packed = (SAMPLE / f"train-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1"))
    pixels, labels = (np.frombuffer(gzip.decompress(one.read_bytes()), np.uint8) for one in packed)
    pixels = np.resize(pixels[16:].reshape(-1, 784), (ROWS, 784))
    labels = np.resize(labels[8:], ROWS)
    with path.open("w", encoding="ascii") as stream:
        stream.write(",".join(["label", *(f"pixel{i}" for i in range(784))]) + "\n")
        for label, row in zip(labels, pixels, strict=True):
            stream.write(f"{label},{','.join(map(str, row))}\n")
    return pixels


def test_kaggles_file(tmp_path: Path, record: Record) -> None:
    path = tmp_path / "train.csv"
    pixels = write_csv(path)
    ours, numpys = [], []
    for _ in range(TURNS):
        begin = perf_counter()
        data = read_csv(path, takes())
        middle = perf_counter()
        plain = np.loadtxt(path, np.uint8, delimiter=",", skiprows=1)
        ours.append(middle - begin)
        numpys.append(perf_counter() - middle)
    assert (data.images.reshape(ROWS, 784) == pixels).all()
    assert (plain[:, 1:] == pixels).all()
    assert (plain[:, 0] == data.labels).all()
    cells = {
        "archc": f"{median(ours):.2f} s",
        "beside it": f"NumPy's `loadtxt` {median(numpys):.2f} s",
        "as fast": f"{median(numpys) / median(ours):.2f}",
        "by the least": f"{min(numpys) / min(ours):.2f}",
    }
    record(DATA, f"CSV file of {path.stat().st_size / 1e6:.0f} MB", cells)
