"""Zeros that several layers of Keras take are computed once."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")

from archc.api import load  # noqa: E402
from tests.backends.agreement import assert_agree  # noqa: E402
from tests.backends.networks import module  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.keras]

SPECS = Path(__file__).with_name("padding")
PADDINGS = {"branches": 1, "block": 1, "others": 3, "clash": 3}
"""The paddings that each spec's module has."""


@pytest.mark.parametrize("name", PADDINGS)
def test_a_padding_is_computed_once(name: str) -> None:
    network = load(str(SPECS / f"{name}.yaml"), {})
    source = network.emit("keras")
    assert source.count("layers.ZeroPadding2D(") == PADDINGS[name]
    assert_agree(network, module(network.emit("torch")), module(source))
