"""How long an epoch of LeNet-5 takes: by the Keras script that archc writes, and by what one would
write oneself for Keras on TensorFlow: `fit` on arrays, and with augmentation `fit` from an
`ImageDataGenerator`.

The script is to be at least as fast. Processes of both take turns, the first epoch of each does not
count. The ratios are printed, not asserted: they are the machine's as well."""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median

import pytest

from archc import training
from archc.api import load
from tests.benchmarks.test_torch_trainer import (
    AUGMENTATION,
    BATCH,
    EPOCHS,
    KERAS,
    RECIPE,
    ROOT,
    ROUNDS,
    data,
    epochs,
)


@pytest.mark.parametrize(("kind", "count"), [("plain", 60_000), ("augmented", 12_800)])
def test_an_epoch(
    kind: str, count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the script also its checkpoint and weights are written in that time."""
    text = (ROOT / "specs" / "lenet5.yaml").read_text(encoding="utf-8")
    text = text[: text.index("training:\n")]
    spec = tmp_path / "lenet5.yaml"
    spec.write_text(text + RECIPE + AUGMENTATION * (kind == "augmented"), encoding="utf-8")
    network = load(str(spec), {})
    (tmp_path / "lenet5.py").write_text(network.emit("keras"), encoding="utf-8")
    script = tmp_path / "lenet5_train.py"
    script.write_text(training.emit("keras", network.spec, network.costs), encoding="utf-8")
    digits = str(data(tmp_path, count))
    theirs = [sys.executable, "-c", KERAS, str(tmp_path), digits, str(EPOCHS), str(BATCH), kind]
    found: tuple[list[float], list[float]] = ([], [])
    for turn in range(ROUNDS):
        out = str(tmp_path / f"run{turn}")
        ours = [sys.executable, str(script), "fit", "--data", digits, "--out", out]
        found[0].extend(epochs(ours))
        found[1].extend(epochs(theirs))
    script_seconds, plain_seconds = map(median, found)
    with capsys.disabled():
        print(
            f"\n{kind}, {count:,} digits an epoch: archc's script {script_seconds:.2f} s, "
            f"Keras {plain_seconds:.2f} s: {plain_seconds / script_seconds:.2f} times as fast"
        )
