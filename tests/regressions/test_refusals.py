"""What a framework computes wrongly, and archc therefore refuses, with the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from archc.api import load
from archc.diagnostics import SpecError

HEAD = "archc: 1\nname: net\ninput: {channels: 1, height: 4, width: 3}\nlayers:\n"
ELEMENT = "[{global_avg_pool: {keep_dims: true}}]"
ROW = "[{adaptive_avg_pool: [1, 4]}]"
SQUARE = "[{adaptive_avg_pool: [4, 4]}]"


@pytest.mark.parametrize("kind", ["add", "average"])
@pytest.mark.parametrize(
    "branches", [f"[], {ELEMENT}", f"[tanh], [], {ELEMENT}", f"{SQUARE}, {ROW}"]
)
def test_keras_adds_no_bias_where_there_is_none(kind: str, branches: str, tmp_path: Path) -> None:
    """Keras on TensorFlow takes an array for a bias if one axis alone has more than one element, as
    many as the second axis of the other: the batch, where a map has one channel and one element."""
    path = tmp_path / "net.yaml"
    path.write_text(f"{HEAD}  - {kind}: [{branches}]\n")
    network = load(str(path), {})
    assert network.emit("torch")
    with pytest.raises(SpecError, match=f"cannot compute `{kind}_1`") as caught:
        network.emit("keras")
    assert [one.code for one in caught.value.diagnostics] == ["ARC601"]


@pytest.mark.parametrize(
    "layers",
    [
        f"add: [{ELEMENT}, []]",
        f"average: [{ROW}, {SQUARE}]",
        f"multiply: [[], {ELEMENT}]",
        f"maximum: [[], {ELEMENT}]",
        "add: [[], [tanh]]",
    ],
)
def test_other_orders_and_merges_are_taken(layers: str, tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(f"{HEAD}  - {layers}\n")
    assert load(str(path), {}).emit("keras")


def test_several_channels_are_no_bias(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(f"{HEAD}  - add: [[], {ELEMENT}]\n".replace("channels: 1", "channels: 2"))
    assert load(str(path), {}).emit("keras")
