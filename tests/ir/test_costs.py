"""Memory in bytes and multiply-accumulates, counted by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from archc.api import load
from archc.ir.costs import Costs, memory

FLOAT = 4
BATCH = 3


def costs_of(tmp_path: Path, spec: str) -> Costs:
    path = tmp_path / "net.yaml"
    path.write_text(f"archc: 1\nname: net\n{spec}")
    return load(str(path), {}).costs


CHAIN = """
input: {features: 10}
layers:
  - dense: 20
  - dense: 5
"""
SKIP = """
input: {features: 10}
layers:
  - add:
      - [{dense: 20}, {dense: 10}]
      - []
"""
TWO_OUTPUTS = """
input: {features: 10}
layers:
  - {dense: 30, name: early}
  - dense: 20
  - {dense: 20, name: late}
outputs: [early, late]
"""
VIEWS = """
input: {channels: 2, height: 3, width: 3}
layers:
  - flatten
  - reshape: {channels: 9, length: 2}
  - flatten
  - dense: 100
"""
VIEW_OF_A_LAYER = """
input: {channels: 2, height: 3, width: 3}
layers:
  - {conv: {filters: 4, kernel_size: 1}, name: early}
  - flatten
  - dense: 10
  - add:
      - [{dense: 36}, {reshape: {channels: 4, height: 3, width: 3}}]
      - [{conv: {filters: 4, kernel_size: 1}, from: early}]
"""
VIEW_THAT_IS_AN_OUTPUT = """
input: {features: 12}
layers:
  - dense: 18
  - {reshape: {channels: 2, height: 3, width: 3}, name: image}
  - flatten
  - dense: 7
  - {dense: 50, name: scores}
outputs: [image, scores]
"""
STATISTICS = """
input: {channels: 4, length: 5}
layers:
  - batch_norm
"""

MEMORY = {
    # name: spec, weights, their gradients, the most values alive at once, all values, each of one
    # sample. A layer's input and output are alive together, and what a later step reads as well.
    "chain": (CHAIN, 10 * 20 + 20 + 20 * 5 + 5, None, 10 + 20, 10 + 20 + 5),
    "skip": (SKIP, 10 * 20 + 20 + 20 * 10 + 10, None, 10 + 20 + 10, 10 + 20 + 10 + 10),
    "two outputs": (
        TWO_OUTPUTS,
        10 * 30 + 30 + 30 * 20 + 20 + 20 * 20 + 20,
        None,
        30 + 20 + 20,
        10 + 30 + 20 + 20,
    ),
    # Three views of 18 values have no memory of their own.
    "views": (VIEWS, 18 * 100 + 100, None, 18 + 100, 18 + 100),
    # The map of 36 is kept to the end by the branch that reads it; its view does not free it. The
    # last layers: map, the view of the dense layer's 36, the convolution's 36.
    "view of a layer": (
        VIEW_OF_A_LAYER,
        (2 * 4 + 4) + (36 * 10 + 10) + (10 * 36 + 36) + (4 * 4 + 4),
        None,
        36 + 36 + 36,
        18 + 36 + 10 + 36 + 36 + 36,
    ),
    "view that is an output": (
        VIEW_THAT_IS_AN_OUTPUT,
        12 * 18 + 18 + 18 * 7 + 7 + 7 * 50 + 50,
        None,
        18 + 7 + 50,
        12 + 18 + 7 + 50,
    ),
    # Scale and shift are learned, mean and variance are not: they have no gradients.
    "statistics": (STATISTICS, 4 * 4, 2 * 4, 20 + 20, 20 + 20),
}


@pytest.mark.parametrize("name", MEMORY)
def test_memory_is_that_counted_by_hand(tmp_path: Path, name: str) -> None:
    spec, weights, gradients, peak, every = MEMORY[name]
    gradients = weights if gradients is None else gradients
    needed = memory(costs_of(tmp_path, spec), BATCH)
    assert needed.batch == BATCH
    assert needed.inference == FLOAT * (weights + BATCH * peak)
    assert needed.training == FLOAT * (weights + gradients + BATCH * every)


@pytest.mark.parametrize(
    ("given", "layer", "macs"),
    [
        # Each of the 5 x 5 positions of 3 channels is laid down through a kernel of 3 x 3, once
        # for each of 4 filters.
        (
            "{channels: 3, height: 5, width: 5}",
            "conv_transpose: {filters: 4, kernel_size: 3, stride: 2}",
            5 * 5 * 3 * 3 * 3 * 4,
        ),
        # In two groups each channel meets half of the filters.
        (
            "{channels: 4, length: 7}",
            "conv_transpose: {filters: 6, kernel_size: 2, stride: 3, groups: 2}",
            7 * 4 * 2 * 3,
        ),
        (
            "{channels: 4, length: 7}",
            "conv: {filters: 6, kernel_size: 2, groups: 2}",
            6 * 6 * 2 * 2,
        ),
        (
            "{channels: 3, height: 6, width: 8}",
            "depthwise_conv: {kernel_size: [3, 1], multiplier: 2}",
            4 * 8 * 3 * 3 * 2,
        ),
        # The same matrix for each of 7 positions.
        ("{tokens: 7, features: 5}", "dense: 3", 7 * 5 * 3),
        ("{features: 5}", "dense: 3", 5 * 3),
    ],
)
def test_macs_are_those_counted_by_hand(tmp_path: Path, given: str, layer: str, macs: int) -> None:
    costs = costs_of(tmp_path, f"input: {given}\nlayers:\n  - {layer}\n")
    assert costs.layers[0].macs == costs.totals.macs == macs
