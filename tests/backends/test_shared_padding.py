"""Elements around a map that several layers take are computed once."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")

from archc.api import load  # noqa: E402
from archc.verify import Workers, verify  # noqa: E402
from tests.backends.agreement import assert_agree  # noqa: E402
from tests.backends.networks import STRUCTURES, module, written  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.keras]

SPECS = Path(__file__).with_name("padding")
APPLIED = {
    # name: paddings that PyTorch computes, and that Keras does
    "block": (0, 1),
    "branches": (0, 1),
    "clash": (1, 3),
    "one_side": (1, 0),
    "others": (1, 3),
}


@pytest.mark.parametrize("name", APPLIED)
def test_a_padding_is_computed_once(name: str) -> None:
    network = load(str(SPECS / f"{name}.yaml"), {})
    ours, others = network.emit("torch"), network.emit("keras")
    assert (ours.count("self.pad("), others.count("layers.ZeroPadding")) == APPLIED[name]
    assert_agree(network, module(ours), module(others))


def test_verification_finds_a_padding_that_is_shared(workers: Workers) -> None:
    for name in APPLIED:
        network = load(str(SPECS / f"{name}.yaml"), {})
        report = verify(network, workers=workers)
        assert report.agrees, (name, report.first, report.faults)


def test_verification_finds_a_padding_of_another_value(workers: Workers) -> None:
    network = load(str(SPECS / "one_side.yaml"), {})
    source = network.emit("torch")
    wrong = source.replace("x = self.pad(x)", "x = self.pad(torch.flip(x, (2,)))")
    assert wrong != source, source
    report = verify(network, sources={"torch": wrong}, workers=workers)
    assert not report.agrees


def test_zeros_before_a_causal_convolution_follow_from_its_dilation(tmp_path: Path) -> None:
    source = written(STRUCTURES["block_of_causal_dilations"], tmp_path).emit("torch")
    assert "nn.ZeroPad1d((2 * dilation, 0))" in source
    assert "nn.ZeroPad1d(((kernel - 1) * dilation, 0))" in source
    assert "padding:" not in source
