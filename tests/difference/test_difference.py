"""Alignment and comparison of layers, and the reports of a difference."""

from __future__ import annotations

import json
import re

from archc.difference import Difference, difference
from archc.reports.difference import table
from archc.reports.difference_markdown import comment
from tests.difference.networks import IMAGE, compared, network

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


def statuses(result: Difference) -> list[str]:
    return [pair.status for pair in result.pairs]


def alone(result: Difference) -> list[str]:
    """The paths of unpaired layers."""
    sides = [pair.a or pair.b for pair in result.pairs if pair.status in ("added", "removed")]
    return [side.node.path for side in sides if side is not None]


def test_report_is_what_the_contract_says() -> None:
    report = compared(A, B).report()
    layers = report.pop("layers")
    assert report.pop("causes")
    assert report == {
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
        "training": {},
    }
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
        "activations": [8192, 4096],
        "causes": [
            # From B, the smaller network: first filters, 4 * 27 more parameters without a bias.
            {
                "cause": "filters",
                "layer": "features.conv_1",
                "downstream": False,
                "params": -108,
                "macs": -110592,
                "activations": -4096,
            },
            {
                "cause": "bias",
                "layer": "features.conv_1",
                "downstream": False,
                "params": -8,
                "macs": 0,
                "activations": 0,
            },
        ],
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
        "activations": [None, 4096],
        "causes": [
            {
                "cause": "added layers",
                "layer": "features.batch_norm_1",
                "downstream": False,
                "params": 8,
                "macs": 0,
                "activations": 4096,
            }
        ],
    }
    assert layers[-1]["changes"] == {"activation": ["none", "softmax"]}
    json.dumps(layers)


def test_names_and_sections_make_no_difference() -> None:
    wrapped = "  - section: all_of_it\n    layers:\n" + re.sub("^(?=.)", "    ", A, flags=re.M)
    assert compared(A, A.replace("conv1", "stem_conv")).is_empty
    assert compared(A, wrapped).is_empty
    assert compared(wrapped.replace("all_of_it", "some"), wrapped).is_empty


def test_a_larger_input_alone_is_a_difference() -> None:
    steps = "  - global_avg_pool\n  - dense: 2\n"
    larger = network("b", steps, image=IMAGE.replace("32", "64"))
    result = difference(network("a", steps), larger)
    assert set(statuses(result)) == {"same"}
    assert not result.is_empty
    assert "same layers, different inputs or outputs" in table(result)
    assert "input: 3 \u00d7 32 \u00d7 32 \u2192 3 \u00d7 64 \u00d7 64\n" in table(result)


def test_another_recipe_is_a_difference() -> None:
    """Field by field, with defaults; a different kind of optimizer as a whole."""
    steps = "  - flatten\n  - dense: 2\n"
    recipe = "training: {epochs: 2, batch_size: 8, augment: {shift: 0.1}, optimizer: sgd}\n"
    other = recipe.replace("batch_size: 8, augment: {shift: 0.1}, optimizer: sgd", "CHANGED")
    changed = "inputs: {resize: [36, 40]}, optimizer: {sgd: {momentum: 0.5}}, schedule: cosine"
    a, b = network("a", steps + recipe), network("b", steps + other.replace("CHANGED", changed))
    result = difference(a, b)
    assert result.recipe == {
        "training.inputs.resize": ("none", [36, 40]),
        "training.augment.shift": (0.1, 0.0),
        "training.optimizer.momentum": (0.0, 0.5),
        "training.schedule": ("constant", "cosine"),
        "training.batch_size": (8, 32),
    }
    assert list(result.report()["training"].values()) == [
        list(pair) for pair in result.recipe.values()
    ]
    assert not result.is_empty
    assert set(statuses(result)) == {"same"}
    text = table(result)
    assert "\ntraining.inputs.resize: none \u2192 [36, 40]\n" in text
    assert "same network, different training" in text
    assert "- training.batch_size: 8 \u2192 32\n" in comment(result)
    assert difference(a, a).is_empty


def test_a_recipe_that_one_has_alone_is_a_difference() -> None:
    steps = "  - flatten\n  - dense: 2\n"
    recipe = "training: {epochs: 2, batch_size: 8, optimizer: {sgd: {learning_rate: 0.1}}}\n"
    settings = {"optimizer": {"sgd": {"learning_rate": 0.1}}, "batch_size": 8, "epochs": 2}
    a, b = network("a", steps), network("b", steps + recipe)
    assert difference(a, b).recipe == {"training": ("none", settings)}
    assert difference(b, a).recipe == {"training": (settings, "none")}
    lines = table(difference(b, a), width=40).splitlines()[3:6]
    assert " ".join(map(str.strip, lines)).endswith(", epochs: 2} \u2192 none")
    assert all(len(line) <= 40 for line in lines)


def test_other_wiring_of_the_same_layers_is_a_difference() -> None:
    steps = """\
  - conv: {filters: 3, kernel_size: 1}
    name: one
  - relu:
    name: two
  - add:
    from: [two, SOURCE]
"""
    result = compared(steps.replace("SOURCE", "one"), steps.replace("SOURCE", "input"))
    assert statuses(result) == ["same", "same", "changed"]
    assert result.pairs[-1].changes == {"from": (["two", "one"], ["two", "input"])}


def test_the_new_one_of_equal_layers_is_the_last_of_its_repetition() -> None:
    def stages(*depths: int) -> str:
        return "".join(
            f"  - repeat: {depth}\n    layers:\n"
            "      - conv: {filters: 8, kernel_size: 3, padding: 1}\n"
            "  - max_pool: {kernel_size: 2}\n"
            for depth in depths
        )

    result = compared(stages(2, 2, 3), stages(2, 3, 4))
    assert alone(result) == ["conv_5", "conv_9"]
    assert set(statuses(result)) == {"same", "added"}


def test_a_new_block_instance_is_added_whole() -> None:
    steps = """\
  - batch_norm
  - conv: {filters: WIDTH, kernel_size: 1}
"""
    body = "".join(
        f"  - section: part_{index}\n    layers:\n"
        + re.sub("^(?=.)", "    ", steps.replace("WIDTH", width), flags=re.M)
        for index, width in enumerate(["3", "3", "8"])
    )
    # The new part begins like the following one, which keeps its own layers.
    longer = body.replace(
        "  - section: part_2\n",
        "  - section: part_9\n    layers:\n      - batch_norm\n"
        "      - conv: {filters: 3, kernel_size: 1}\n  - section: part_2\n",
    )
    assert alone(compared(body, longer)) == ["part_9.batch_norm_1", "part_9.conv_1"]


def test_a_stretch_goes_where_nothing_is_wired_otherwise() -> None:
    branches = "  - add:\n      - - tanh\n        - relu\n      - []\n"
    result = compared(branches, f"  - tanh\n{branches}")
    assert statuses(result) == ["added", "same", "same", "same"]
    # Equal, if the layer below it is the new one.
    both = "  - add:\n      - - tanh\n      - - tanh\n"
    result = compared(both, both.replace("- - tanh\n", "- - tanh\n        - tanh\n", 1))
    assert sorted(statuses(result)) == ["added", "same", "same", "same"]


def test_layers_with_weights_are_kept_together_before_others() -> None:
    before = "  - flatten\n  - dense: 64\n  - dropout: 0.5\n  - dense: 10\n"
    after = "  - flatten\n  - dropout: 0.5\n  - dense: 64\n  - dense: 10\n"
    assert alone(compared(before, after)) == ["dropout_1", "dropout_1"]


def test_nothing_in_common() -> None:
    assert statuses(compared("  - relu\n", "  - tanh\n")) == ["removed", "added"]


def test_long_networks_take_no_time_to_speak_of() -> None:
    def steps(middle: str) -> str:
        many = "  - repeat: 5000\n    layers: [relu, {dropout: 0.5}]\n"
        return f"{many}{middle}{many}"

    result = compared(steps("  - tanh\n"), steps("  - sigmoid\n"))
    assert len(result.pairs) == 20_002
    assert statuses(result).count("same") == 20_000


def test_the_table_names_both_values() -> None:
    text = table(compared(A, B))
    lines = text.split("\n")
    assert lines[0].startswith(
        "2 layers changed, 1 added, 3 reshaped: -10,348 parameters (-49.96%)"
    )
    assert lines[1:4] == ["A: a", "B: b", ""]
    assert re.fullmatch(
        r"~  conv1 \u2192 features\.conv_1 +conv +-116 +-110,592 +-4,096  "
        r"filters 8 \u2192 4, bias true \u2192 false, "
        r"output 8 \u00d7 32 \u00d7 32 \u2192 4 \u00d7 32 \u00d7 32",
        lines[5],
    )
    assert re.fullmatch(r"\+  features\.batch_norm_1 +batch_norm +\+8 +0 +\+4,096", lines[6])
    assert re.search(r"\nparameters +20,714 +10,366 +-10,348 +-49\.96%\n", text)
    assert re.search(r"\nweights in float32 +80\.91 KiB +40\.52 KiB +-40\.39 KiB +-49\.92%\n", text)
    assert "\x1b" not in text


def test_the_table_shows_what_is_the_same_when_asked() -> None:
    result = compared(A, A)
    assert "relu_1" not in table(result)
    assert table(result).startswith("no difference\n")
    assert "--all shows all layers" in table(result)
    assert re.search(r"\n   relu_1 +relu +0 +0 +0\n", table(result, everything=True))


def test_the_table_fits_the_terminal_and_keeps_its_figures() -> None:
    result = compared(A, B)
    for width in (120, 80, 60, 50):
        text = table(result, width=width).split("\n\n")[1]
        assert max(map(len, text.split("\n"))) <= width
        assert re.search(r"-116 +-110,592", text)
        assert "filters 8 \u2192 4" in " ".join(text.split())


def test_the_table_in_colour_says_the_same() -> None:
    result = compared(A, B)
    colored = table(result, color=True)
    assert "\x1b[32m+  features.batch_norm_1" in colored
    assert re.sub(r"\x1b\[[0-9]+m", "", colored) == table(result)
