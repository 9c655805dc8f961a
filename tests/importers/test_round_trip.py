"""Specs that archc emits as ONNX and imports again: the same layers with the same costs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from archc.api import load
from archc.importers import formats
from archc.importers.spec import as_spec
from archc.ir.costs import Costs

SPECS = Path(__file__).parents[2] / "specs"


def layers(costs: Costs) -> Counter[object]:
    """The ops of a network with what they give and cost."""
    return Counter(
        (one.node.op.name, one.node.op.last.name, one.node.output, one.params, one.macs)
        for one in costs.layers
    )


@pytest.mark.parametrize("name", ["lenet5", "resnet18", "vgg11", "squeezenet1_1", "densenet121"])
def test_a_spec_comes_back_from_onnx(name: str, tmp_path: Path) -> None:
    network = load(SPECS / f"{name}.yaml", {})
    path = tmp_path / f"{name}.onnx"
    emitted = network.compiled("onnx").source
    path.write_bytes(emitted if isinstance(emitted, bytes) else emitted.encode())
    again = as_spec(formats.read(str(path)), name, str(path), [])
    assert layers(again.loaded.costs) == layers(network.costs)
    assert again.text.count("\n") < 50
