"""Differences of two networks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from archc.api import Network, load
from archc.difference import Difference, difference
from archc.reports.difference import table

HEAD = "archc: 1\nname: {name}\ninput: {{channels: 3, height: 32, width: 32}}\nlayers:\n"
Make = Callable[[str, str], Network]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def build(name: str, steps: str) -> Network:
        path = tmp_path / f"{name}.yaml"
        path.write_text(HEAD.format(name=name) + steps)
        return load(str(path), {})

    return build


def compare(a: Network, b: Network) -> Difference:
    return difference(a.costs, b.costs)


A = """\
  - conv: {filters: 8, kernel_size: 3, padding: 1}
    name: conv1
  - relu
  - max_pool: {kernel_size: 2}
  - flatten
  - dense: 10
"""
B = """\
  - section: features
    layers:
      - conv: {filters: 4, kernel_size: [3, 3], padding: [[1, 1], [1, 1]], bias: false}
      - batch_norm
      - relu
      - max_pool: {kernel_size: 2}
  - flatten
  - dense: {units: 10, activation: softmax}
"""


def test_report_is_what_the_contract_says(make: Make) -> None:
    told = compare(make("a", A), make("b", B)).report()
    layers = told.pop("layers")
    assert told == {
        "a": "a",
        "b": "b",
        "inputs": [{"input": {"channels": 3, "height": 32, "width": 32}}] * 2,
        "outputs": [{"dense_1": {"features": 10}}] * 2,
        "totals": {
            "params": {"a": 20714, "b": 10366, "delta": -10348},
            "trainable_params": {"a": 20714, "b": 10366, "delta": -10348},
            "state": {"a": 0, "b": 8, "delta": 8},
            "macs": {"a": 241664, "b": 120832, "delta": -120832},
            "activations": {"a": 18442, "b": 13322, "delta": -5120},
            "weight_bytes": {"a": 82856, "b": 41496, "delta": -41360},
        },
    }
    assert isinstance(layers, list)
    assert layers[0] == {
        "status": "changed",
        "a": "conv1",
        "b": "features.conv_1",
        "op": "conv",
        "changes": {"filters": [8, 4], "bias": [True, False]},
        "output": [
            {"channels": 8, "height": 32, "width": 32},
            {"channels": 4, "height": 32, "width": 32},
        ],
        "params": [224, 108],
        "macs": [221184, 110592],
    }
    assert layers[1] == {
        "status": "added",
        "a": None,
        "b": "features.batch_norm_1",
        "op": "batch_norm",
        "changes": {},
        "output": [None, {"channels": 4, "height": 32, "width": 32}],
        "params": [None, 8],
        "macs": [None, 0],
    }
    assert layers[-1]["changes"] == {"activation": ["none", "softmax"]}
    json.dumps(layers)


def test_the_other_way_round_it_is_removed(make: Make) -> None:
    pairs = compare(make("b", B), make("a", A)).pairs
    assert [pair.status for pair in pairs] == [
        "changed", "removed", "changed", "changed", "changed", "changed",
    ]  # fmt: skip


def test_a_network_does_not_differ_from_itself(make: Make) -> None:
    found = compare(make("a", A), make("b", A))
    assert found.is_empty
    assert {pair.status for pair in found.pairs} == {"same"}


def test_names_and_sections_make_no_difference(make: Make) -> None:
    named = A.replace("conv1", "stem_conv")
    wrapped = "  - section: all_of_it\n    layers:\n" + re.sub("^", "    ", A, flags=re.M).rstrip(
        " "
    )
    assert compare(make("a", A), make("b", named)).is_empty
    assert compare(make("a", A), make("b", wrapped)).is_empty


def test_a_larger_input_alone_is_a_difference(make: Make, tmp_path: Path) -> None:
    steps = "  - global_avg_pool\n  - dense: 2\n"
    a = make("a", steps)
    path = tmp_path / "b.yaml"
    path.write_text(HEAD.format(name="b").replace("32", "64") + steps)
    found = compare(a, load(str(path), {}))
    assert not found.is_empty


def test_other_wiring_of_the_same_layers_is_a_difference(make: Make) -> None:
    steps = """\
  - conv: {filters: 3, kernel_size: 1}
    name: one
  - relu:
    name: two
  - add:
    from: [two, SOURCE]
"""
    found = compare(
        make("a", steps.replace("SOURCE", "one")), make("b", steps.replace("SOURCE", "input"))
    )
    assert [pair.status for pair in found.pairs] == ["same", "same", "changed"]
    assert found.pairs[-1].changes == {"from": (["two", "one"], ["two", "input"])}


def test_an_inserted_layer_changes_no_neighbour(make: Make) -> None:
    longer = A.replace("  - relu\n", "  - relu\n  - dropout: 0.5\n")
    statuses = [pair.status for pair in compare(make("a", A), make("b", longer)).pairs]
    assert statuses == ["same", "same", "added", "same", "same", "same"]


def test_repetitions_are_aligned(make: Make) -> None:
    def stages(*depths: int) -> str:
        return "".join(
            f"  - repeat: {depth}\n    layers:\n"
            "      - conv: {filters: 8, kernel_size: 3, padding: 1}\n"
            "  - max_pool: {kernel_size: 2}\n"
            for depth in depths
        )

    found = compare(make("a", stages(2, 2, 3)), make("b", stages(2, 3, 4)))
    assert [pair.status for pair in found.pairs].count("added") == 2
    assert "removed" not in {pair.status for pair in found.pairs}
    for side, network in (("a", found.a), ("b", found.b)):
        kept = [getattr(pair, side) for pair in found.pairs]
        assert [layer for layer in kept if layer is not None] == list(network.layers)


def test_nothing_in_common(make: Make) -> None:
    found = compare(make("a", "  - relu\n"), make("b", "  - tanh\n"))
    assert [pair.status for pair in found.pairs] == ["removed", "added"]


def test_the_table_shows_both_values(make: Make) -> None:
    told = table(compare(make("a", A), make("b", B)))
    lines = told.split("\n")
    assert lines[:3] == ["A: a", "B: b", ""]
    assert re.fullmatch(
        r"~  conv1 -> features\.conv_1 +conv +224 -> 108 +221,184 -> 110,592  "
        r"filters 8 -> 4, bias true -> false, "
        r"output 8 \u00d7 32 \u00d7 32 -> 4 \u00d7 32 \u00d7 32",
        lines[4],
    )
    assert re.fullmatch(r"\+  features\.batch_norm_1 +batch_norm +8 +0", lines[5])
    assert re.fullmatch(r"~  flatten_1 +flatten +0 +0 +output 2048 -> 1024", lines[8])
    assert re.search(r"\nparameters +20,714 +10,366 +-10,348\n", told)
    assert re.search(r"\nweights in float32 +0\.08 MiB +0\.04 MiB +-0\.04 MiB\n", told)
    assert "\x1b" not in told


def test_a_layer_that_changes_by_its_input_alone_says_so(make: Make) -> None:
    steps = "  - conv: {filters: 8, kernel_size: 1}\n  - conv: {filters: 4, kernel_size: 1}\n"
    told = table(compare(make("a", steps), make("b", steps.replace("8", "6"))))
    assert "input 8 \u00d7 32 \u00d7 32 -> 6 \u00d7 32 \u00d7 32" in told.split("\n")[5]


def test_the_table_in_colour_says_the_same(make: Make) -> None:
    found = compare(make("a", A), make("b", B))
    colored = table(found, color=True)
    assert "\x1b[32m+  features.batch_norm_1" in colored
    assert re.sub(r"\x1b\[[0-9]+m", "", colored) == table(found)


def test_long_networks_that_differ_in_the_middle(make: Make) -> None:
    def steps(middle: str) -> str:
        many = "  - repeat: 5000\n    layers: [relu]\n"
        return f"{many}{middle}{many}"

    found = compare(make("a", steps("  - tanh\n")), make("b", steps("  - sigmoid\n")))
    assert len(found.pairs) == 10_002
    assert sum(pair.status != "same" for pair in found.pairs) == 2
