"""What must hold of any bytes that archc takes for weights, for data or for the files of a run:
they are read, or refused with one reason."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from archc.api import Network, load
from archc.diagnostics import SpecError
from archc.ir.arrays import arrays
from archc.training.data import read_data
from archc.training.errors import DataError
from archc.training.report.files import METRICS, RECORD, VALIDATION, read_run
from archc.weights import files, transfer
from tests.fuzzing.archives import NETWORK
from tests.fuzzing.inputs import Input
from tests.fuzzing.isolation import Readers
from tests.fuzzing.spec_checks import check_diagnostics
from tests.training.samples import takes

RUNS = 5
"""Of so many `.npz` files, one is read as that of a run."""
SUFFIXES = {"hdf5": ".weights.h5", "pickle": ".pth", "safetensors": ".safetensors"}


@cache
def _network() -> Network:
    return load(str(NETWORK), {})


def check_file(made: Input, folder: Path, readers: Readers) -> str:
    """Check what archc makes of an input of `inputs.FILE_KINDS`, in an empty folder. Returns what
    came of it in one word."""
    try:
        return _CHECKS[made.kind](made, folder, readers)
    except SpecError as error:
        check_diagnostics(error.diagnostics)
        return error.diagnostics[0].code


def _weights(made: Input, folder: Path, readers: Readers) -> str:
    path = folder / f"weights{SUFFIXES[made.kind]}"
    path.write_bytes(made.data)
    with mock.patch.object(files, "run_isolated", readers.run_isolated):
        loaded: dict[str, Any] = transfer.load(str(path), _network())
    shapes = {one.key: one.variable.shape for one in arrays(_network().costs)}
    assert {key: value.shape for key, value in loaded.items()} == shapes
    return "read"


def _data(name: str) -> Callable[[Input, Path, Readers], str]:
    def check(made: Input, folder: Path, readers: Readers) -> str:
        path = folder / (f"{name}.gz" if made.data[:2] == b"\x1f\x8b" else name)
        path.write_bytes(made.data)
        try:
            data = read_data(path, takes(4, 4, 1), labelled=made.seed % 2 == 0)
        except DataError:
            return "refused"
        assert data.images.dtype in (np.uint8, np.float32)
        assert len(data.images) > 0
        return "read"

    return check


def _npz(made: Input, folder: Path, readers: Readers) -> str:
    """As data, or as the validation of a run, which takes longer."""
    if made.seed % RUNS:
        return _data("images.npz")(made, folder, readers)
    (folder / RECORD).write_text('{"name": "network"}')
    (folder / VALIDATION).write_bytes(made.data)
    read_run(folder)
    return "read"


def _record(made: Input, folder: Path, readers: Readers) -> str:
    record, _, metrics = made.data.partition(b"\n")
    (folder / RECORD).write_bytes(record)
    (folder / METRICS).write_bytes(metrics)
    run = read_run(folder)
    run.best()
    return "read"


_CHECKS: dict[str, Callable[[Input, Path, Readers], str]] = {
    "safetensors": _weights,
    "hdf5": _weights,
    "pickle": _weights,
    "npz": _npz,
    "csv": _data("train.csv"),
    "idx": _data("train-images-idx3-ubyte"),
    "record": _record,
}
