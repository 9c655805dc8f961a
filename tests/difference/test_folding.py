"""The folded rows of a difference: whole blocks, equal changes, and blocks at a depth."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings

from archc import load
from archc.difference import Difference, difference
from archc.difference.folding import Row, rows, whole_parts
from archc.reports.difference import table
from archc.reports.difference_rows import description, headline, label
from tests.difference.networks import Tree, compared, trees

SPECS = Path(__file__).parents[2] / "specs"


def of(a: str, b: str) -> Difference:
    one, two = (load(str(SPECS / f"{name}.yaml")).costs for name in (a, b))
    return difference(one, two)


def texts(shown: list[Row]) -> list[tuple[str, str, str]]:
    return [(row.status, label(row), description(row)) for row in shown]


def test_added_blocks_are_a_row_each() -> None:
    """ResNet-34 has 3, 4, 6 and 3 blocks where ResNet-18 has two; He et al. 2016, table 1."""
    result = of("resnet18", "resnet34")
    blocks = [(1, 3), (2, 3), (2, 4), (3, 3), (3, 4), (3, 5), (3, 6), (4, 3)]
    assert texts(rows(result)) == [
        ("added", f"layer{layer}.basic_block_{number}", "") for layer, number in blocks
    ]
    # The difference of torchvision's counts, 21,797,672 and 11,689,512.
    assert headline(result).startswith(
        "8 blocks added, 8 blocks and 6 layers the same: +10,108,160 parameters"
    )
    assert [row.status for row in rows(difference(result.b, result.a))] == ["removed"] * 8


def test_many_equal_blocks_are_one_row() -> None:
    """ResNet-152 has 8 and 36 blocks where ResNet-50 has 4 and 6."""
    assert texts(rows(of("resnet50", "resnet152"))) == [
        *(("added", f"layer2.bottleneck_{number}", "") for number in (5, 6, 7, 8)),
        (
            "added",
            "30 \u00d7 bottleneck",
            "added; layer3.bottleneck_7 \u2026 layer3.bottleneck_36",
        ),
    ]


def test_equal_changes_are_one_row_with_their_count() -> None:
    """VGG-16 has 13 convolutions and 3 dense layers; Simonyan and Zisserman 2015, table 1."""
    shown = rows(of("vgg16", "vgg16_bn"))
    assert [(row.status, label(row)) for row in shown] == [
        ("changed", "13 \u00d7 conv"),
        ("added", "13 \u00d7 batch_norm"),
        ("added", "13 \u00d7 relu"),
        ("changed", "3 \u00d7 dense"),
    ]
    assert description(shown[0]).startswith("activation relu \u2192 none, ")
    # Two for each channel: 2 x 64 + 2 x 128 + 3 x 256 + 6 x 512 channels.
    assert shown[1].delta.params == 2 * 4224


def test_unequal_changes_stay_apart() -> None:
    conv = "  - conv: {filters: FILTERS, kernel_size: SIZE, padding: same}\n"

    def steps(*both: tuple[int, int]) -> str:
        return "".join(
            conv.replace("FILTERS", str(filters)).replace("SIZE", str(size))
            for filters, size in both
        )

    before = steps((4, 3), (4, 3), (4, 3), (4, 3))
    shown = rows(compared(before, steps((4, 5), (4, 5), (4, 5), (4, 5))))
    assert [label(row) for row in shown] == ["4 \u00d7 conv"]
    assert description(shown[0]) == "kernel_size 3 \u2192 5; conv_1 \u2026 conv_4"
    shown = rows(compared(before, steps((4, 5), (4, 5), (4, 1), (4, 5))))
    assert [label(row) for row in shown] == ["3 \u00d7 conv", "conv_3"]
    # Two equal changes are told by their names.
    shown = rows(compared(before, steps((4, 5), (4, 3), (4, 3), (4, 5))))
    assert [label(row) for row in shown] == ["conv_1", "conv_4"]


def test_layers_with_another_input_fold_by_its_cause() -> None:
    tail = "  - relu\n" * 4
    first = "  - conv: {filters: 8, kernel_size: 3}\n"
    shown = rows(compared(first + tail, first.replace("8", "16") + tail))
    assert [(label(row), description(row)) for row in shown][1:] == [
        ("4 \u00d7 relu", "input reshaped (filters: conv_1); relu_1 \u2026 relu_4")
    ]


def test_blocks_at_a_depth_are_whole() -> None:
    result = of("resnet18", "resnet34")
    assert texts(rows(result, depth=1)) == [
        ("changed", "layer1", "1 block added, 2 the same"),
        ("changed", "layer2", "2 blocks added, 2 the same"),
        ("changed", "layer3", "4 blocks added, 2 the same"),
        ("changed", "layer4", "1 block added, 2 the same"),
    ]
    assert texts(rows(result, depth=2)) == texts(rows(result))
    assert len(rows(result, depth=3)) == 56
    assert len(rows(result, depth=1, everything=True)) == 10


def test_a_layer_that_has_gone_counts_to_its_section() -> None:
    steps = "  - section: NAME\n    layers: [tanh, relu]\n"
    before, after = steps.replace("NAME", "old"), steps.replace("NAME", "new")
    result = compared(before, after.replace("tanh, ", ""))
    assert texts(rows(result, depth=1)) == [
        ("changed", "old \u2192 new", "1 layer removed, 1 the same")
    ]


def test_a_section_of_one_layer_is_told_by_the_layer() -> None:
    added = "  - section: extra\n    layers: [tanh]\n"
    assert [label(row) for row in rows(compared("  - relu\n", "  - relu\n" + added))] == [
        "extra.tanh_1"
    ]


@given(one=trees(), two=trees())
@settings(max_examples=60)
def test_every_fold_has_every_layer_once(one: Tree, two: Tree) -> None:
    result = difference(one.costs(), two.costs())
    different = [pair for pair in result.pairs if pair.status != "same"]
    total = result.b.totals.params - result.a.totals.params
    for depth in (None, 1, 2):
        shown = rows(result, depth=depth)
        folded = [pair for row in shown for part in row.parts for pair in part.pairs]
        assert {id(pair) for pair in different} <= {id(pair) for pair in folded}
        assert len({id(pair) for pair in folded}) == len(folded)
        assert sum(row.delta.params for row in shown) == total
    assert sum(len(part.pairs) for part in whole_parts(result)) == len(result.pairs)


NARROW = [("resnet18", "resnet50"), ("vgg16", "vgg16_bn"), ("alexnet", "alexnet_torchvision")]


@pytest.mark.parametrize(("a", "b"), NARROW)
@pytest.mark.parametrize("width", [20, 33, 40, 60, 80, 100])
def test_no_line_runs_past_the_terminal(a: str, b: str, width: int) -> None:
    result = of(a, b)
    for depth in (None, 1, 9):
        lines = table(result, width=width, depth=depth).split("\n")
        assert max(map(len, lines)) <= width


def test_a_table_says_which_columns_it_lacks() -> None:
    result = of("resnet18", "resnet34")
    assert "(not in " not in table(result, width=100)
    narrow = table(result, width=50)
    assert "(not in 50 columns: op, activations)" in narrow
    assert "basic_block  " not in narrow
