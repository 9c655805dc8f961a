"""Sums with an opposite as differences: which are, and what is emitted."""

from __future__ import annotations

from pathlib import Path

import pytest

from archc.api import Network
from archc.backends.differences import Difference, Opposite
from archc.backends.fusion import computed
from archc.backends.lower import fused
from archc.verify import values
from tests.backends.networks import written

HEADER = """
archc: 1
name: difference
inputs:
  left: {channels: 2, height: 3, width: 3}
  right: {channels: 2, height: 3, width: 3}
"""
OPPOSITE = "  - scale: {initial: -1, learned: false}\n    from: right\n    name: minus\n"
SUM = "  - add:\n    from: [left, minus]\n    name: total\n"


def ops(network: Network) -> dict[str, type]:
    graph = fused(network.costs.graph)
    return {node.path: type(node.op) for node in graph.layers if node.index in computed(graph)}


def test_a_sum_with_an_opposite_is_a_difference(tmp_path: Path) -> None:
    network = written(f"{HEADER}layers:\n{OPPOSITE}{SUM}", tmp_path)
    assert ops(network) == {"total": Difference}
    assert "return left - right" in network.emit("torch")
    assert 'layers.Subtract(name="total")([left, right])' in network.emit("keras")


def test_an_opposite_alone_is_one(tmp_path: Path) -> None:
    text = f"{HEADER}layers:\n{OPPOSITE}  - maximum:\n    from: [left, minus]\n"
    network = written(text, tmp_path)
    assert ops(network)["minus"] is Opposite
    assert "return torch.maximum(left, -right)" in network.emit("torch")


@pytest.mark.parametrize(
    "text",
    [
        # read by another, or an output
        f"layers:\n{OPPOSITE}{SUM}  - add:\n    from: [total, minus]\n    name: twice\n",
        f"outputs: [minus, total]\nlayers:\n{OPPOSITE}{SUM}",
        # before the other, of three, of another shape, learned, of a parameter, under a condition
        f"layers:\n{OPPOSITE}{SUM.replace('left, minus', 'minus, left')}",
        f"layers:\n{OPPOSITE}{SUM.replace('left, minus', 'left, minus, right')}",
        f"layers:\n  - global_avg_pool: {{keep_dims: true}}\n    from: left\n    name: mean\n"
        f"{OPPOSITE}{SUM.replace('left', 'mean')}",
        f"layers:\n{OPPOSITE.replace(', learned: false', '')}{SUM}",
        f"params: {{factor: -1}}\nlayers:\n{OPPOSITE.replace('-1', '$factor')}{SUM}",
        f"layers:\n{OPPOSITE}{SUM}    when: $(1 < 2)\n",
    ],
)
def test_what_is_no_difference(text: str, tmp_path: Path) -> None:
    assert Difference not in ops(written(HEADER + text, tmp_path)).values()


def test_the_values_of_a_network_are_those_that_are_computed(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    network = written(f"{HEADER}layers:\n{OPPOSITE}{SUM}", tmp_path)
    found = values(network, "torch")
    assert [network.costs.graph.nodes[index].path for index in found] == ["total"]
