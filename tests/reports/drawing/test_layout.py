"""Elements of a drawing do not overlap, and every line ends at its target."""

from __future__ import annotations

from itertools import combinations, pairwise
from time import process_time
from typing import NamedTuple

import pytest

from archc.ir.costs import Costs
from archc.reports.drawing.labels import SMALL, cut, op_label, text_width, wrap_text
from archc.reports.drawing.layout import Border, Layout, layout
from archc.reports.drawing.pieces import HEADER, ROW, SHADOW, Label
from archc.reports.drawing.tree import drawing
from tests.backends.networks import SHIPPED, STRUCTURES, shipped
from tests.reports.drawing.networks import (
    CROSSED,
    INCEPTION,
    TWO_TWO,
    U_NET,
    costs,
    deep,
    text_of,
)

TEXTS = {"inception": INCEPTION, "crossed": CROSSED, "u_net": U_NET, "two_two": TWO_TWO}
TEXTS |= {"deep": deep(120)} | STRUCTURES
NEAR = 0.05


class Area(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def holds(self, other: Area) -> bool:
        return (
            self.left <= other.left + NEAR
            and self.top <= other.top + NEAR
            and self.right >= other.right - NEAR
            and self.bottom >= other.bottom - NEAR
        )

    def overlaps(self, other: Area) -> bool:
        return (
            self.left < other.right - NEAR
            and other.left < self.right - NEAR
            and self.top < other.bottom - NEAR
            and other.top < self.bottom - NEAR
        )


def laid_out(network: Costs) -> Layout:
    return layout(network, drawing(network.graph))


def boxes(arrangement: Layout) -> list[Area]:
    areas = [Area(b.x, b.y, b.x + b.width, b.y + b.height) for b in arrangement.boxes]
    return areas + [Area(e.x, e.y, e.x + e.width, e.y + ROW) for e in arrangement.endings]


def frames(arrangement: Layout) -> list[Area]:
    return [Area(b.x, b.y, b.x + b.width, b.y + b.height) for b in arrangement.borders]


def area_of(label: Label) -> Area:
    # Digits reach 0.75 of the font's size above the base line and do not reach below it.
    width = text_width(label.text, SMALL)
    return Area(label.x, label.y - 0.75 * SMALL, label.x + width, label.y)


def check(network: Costs) -> None:
    arrangement = laid_out(network)
    whole = Area(0, 0, arrangement.width, arrangement.height)
    drawn, around, labels = (
        boxes(arrangement),
        frames(arrangement),
        [area_of(one) for one in arrangement.labels],
    )
    heads = [area._replace(bottom=area.top + HEADER) for area in around]
    for area in [*drawn, *around, *labels]:
        assert whole.holds(area), area
    for one, other in combinations(sorted([*drawn, *heads, *labels], key=lambda a: a.top), 2):
        assert not one.overlaps(other), (one, other)
    for one, other in combinations(around, 2):
        assert not one.overlaps(other) or one.holds(other) or other.holds(one)
    for area in drawn:
        for frame in around:
            assert not frame.overlaps(area) or frame.holds(area)
    for points, arrow in arrangement.edges:
        for (x, y), (to_x, to_y) in pairwise(points):
            assert x == to_x or y == to_y
            assert whole.holds(Area(min(x, to_x), min(y, to_y), max(x, to_x), max(y, to_y)))
        if arrow:
            assert any(_ends_at(a, *points[-2:]) for a in [*drawn, *around]), points


def _ends_at(area: Area, before: tuple[float, float], tip: tuple[float, float]) -> bool:
    """Whether a line ends at the side of an area that it comes from."""
    x, y = tip
    if before[0] == x:
        side = area.top if before[1] < y else area.bottom
        return abs(side - y) < NEAR and area.left < x < area.right
    side = area.left if before[0] < x else area.right
    return abs(side - x) < NEAR and area.top < y < area.bottom


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_network_is_laid_out_clearly(name: str) -> None:
    check(shipped(name).costs)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_network_is_laid_out_clearly(text: str) -> None:
    check(costs(text))


@pytest.mark.parametrize("name", SHIPPED)
def test_lines_of_shipped_networks_cross_no_box(name: str) -> None:
    crosses_no_box(shipped(name).costs)


def crosses_no_box(network: Costs) -> Layout:
    arrangement = laid_out(network)
    drawn = [a._replace(top=a.top + 1, bottom=a.bottom - 1) for a in boxes(arrangement)]
    for points, _ in arrangement.edges:
        for (x, y), (to_x, to_y) in pairwise(points):
            wide, high = (1, 0) if x == to_x else (0, 1)
            line = Area(min(x, to_x), min(y, to_y), max(x, to_x), max(y, to_y))
            line = Area(line.left - wide, line.top - high, line.right + wide, line.bottom + high)
            assert not any(area.overlaps(line) for area in drawn)
    return arrangement


@pytest.mark.parametrize("name", ["transformer_base", "whisper_tiny"])
def test_an_encoder_and_a_decoder_are_laid_out_clearly(name: str) -> None:
    """Inside the decoder, which has columns, the edges from the encoder lead over them."""
    check(shipped(name).costs)
    arrangement = crosses_no_box(shipped(name).costs)
    (decoder,) = [border for border in arrangement.borders if border.label == "decoder"]
    layers = [one for one in arrangement.borders if one.label.startswith("decoder_layer_")]
    assert len({layer.x for layer in layers}) > 2
    into = {
        layer.label
        for layer in layers
        for edge in arrangement.edges
        if edge.points[0][1] < decoder.y and _inside(layer, edge.points[-1])
    }
    assert len(into) == len(layers)


def test_shapes_stand_on_the_edges_of_lenet() -> None:
    arrangement = laid_out(shipped("lenet5").costs)
    labels = [label.text.replace(" \u00d7 ", "x") for label in arrangement.labels]
    assert labels[:3] == ["1x32x32", "6x28x28", "6x14x14"]
    assert labels[-2:] == ["84", "10"]
    rows = [row for box in arrangement.boxes for row in box.rows]
    assert [row.figure for row in rows] == [
        "",
        "156",
        "",
        "2,416",
        "",
        "",
        "48,120",
        "10,164",
        "850",
    ]
    assert rows[1].label == "conv 5\u00d75, 6 + relu"


def test_a_repeat_says_how_often() -> None:
    arrangement = laid_out(shipped("resnet50").costs)
    labels = [(b.label, b.figure, b.times) for b in arrangement.borders if b.times > 1]
    # After the first block of each of its 3, 4, 6 and 3: all stages alike.
    assert labels == [
        ("bottleneck \u00d72", "70,400 each", 2),
        ("bottleneck \u00d73", "280,064 each", 3),
        ("bottleneck \u00d75", "1,117,184 each", 5),
        ("bottleneck \u00d72", "4,462,592 each", 2),
    ]
    around = {border.label: border for border in arrangement.borders}
    assert around["layer3"].figure == "7,098,368"
    pile = around["bottleneck \u00d75"]
    outer = around["layer3"]
    assert pile.x + pile.width + 2 * SHADOW <= outer.x + outer.width


def test_what_gets_high_goes_on_in_columns() -> None:
    arrangement = laid_out(costs(deep(1000)))
    assert 0.8 < arrangement.width / arrangement.height < 2.5
    assert len({round(box.x) for box in arrangement.boxes}) > 10
    straight = laid_out(shipped("lenet5").costs)
    assert straight.height > 2 * straight.width


def test_a_merge_stands_below_its_branches() -> None:
    convs = [
        {"filters": 4, "kernel_size": 1 + 2 * number, "padding": "same"} for number in range(60)
    ]
    layers = [{"add": [[], [{"conv": conv}]]} for conv in convs]
    arrangement = laid_out(costs(text_of({"channels": 4, "height": 32, "width": 32}, layers)))
    assert len({round(box.x) for box in arrangement.boxes if box.rows[0].label == "add"}) > 2
    merges = {
        (box.x + box.width / 2, box.y) for box in arrangement.boxes if box.rows[0].label == "add"
    }
    into = [points for points, arrow in arrangement.edges if arrow and points[-1] in merges]
    assert len(into) == len(merges) == 60
    assert all(len(points) == 2 for points in into)


def test_lanes_are_apart_and_used_again() -> None:
    arrangement = laid_out(costs(CROSSED))
    skips = [
        points
        for points, _ in arrangement.edges
        if len(points) == 4 and points[-1][0] < points[2][0]
    ]
    assert len(skips) == 6
    down = [(points[1][0], points[1][1], points[2][1], points[0]) for points in skips]
    for (x, top, bottom, source), (other_x, other_top, other_bottom, other) in combinations(
        down, 2
    ):
        if x == other_x and source != other:
            assert bottom < other_top or other_bottom < top
    # Three beside the first column, one beside the second.
    assert len({x for x, *_ in down}) == 4


def test_edges_beside_columns_lead_from_one_to_another() -> None:
    arrangement = crosses_no_box(shipped("yolov8n").costs)
    check(shipped("yolov8n").costs)
    assert 0.7 < arrangement.width / arrangement.height < 2
    around = {border.label: border for border in arrangement.borders}
    top = around["stage_2: c2f"].y
    over = [e.points for e in arrangement.edges if len(e.points) == 6 and e.points[2][1] < top]
    # Of the sources of the neck and heads, all but two are columns away.
    ways = [(points[0], points[-1]) for points in over]
    for name, target in (("stage_2: c2f", "level_8: top_down"), ("stage_3: c2f", "top_down_16")):
        source, end = around[name], around[target]
        assert any(_inside(source, first) and _inside(end, last) for first, last in ways), (
            name,
            target,
        )
    heights = [points[2][1] for points in over]
    for one, other in combinations(over, 2):
        if one[2][1] == other[2][1] and one[0] != other[0]:
            assert one[3][0] < other[2][0] or other[3][0] < one[2][0]
    assert len(set(heights)) > 2


def _inside(border: Border, point: tuple[float, float]) -> bool:
    x, y = point
    return border.x < x <= border.x + border.width and border.y < y < border.y + border.height


def test_no_column_holds_a_lone_op() -> None:
    arrangement = laid_out(shipped("vgg11").costs)
    (flatten,) = [box for box in arrangement.boxes if box.rows[0].label == "flatten"]
    (start,) = [box for box in arrangement.boxes if box.rows[0].label == "input"]
    (features,) = [border for border in arrangement.borders if border.label == "features"]
    assert features.x < start.x < features.x + features.width
    (classifier,) = [border for border in arrangement.borders if border.label == "classifier"]
    assert classifier.x < flatten.x < classifier.x + classifier.width


def test_time_grows_with_the_layers_alone() -> None:
    seconds = []
    for layers in (600, 6000):
        network = costs(deep(layers))
        runs = []
        for _ in range(3):
            begin = process_time()
            laid_out(network)
            runs.append(process_time() - begin)
        seconds.append(min(runs))
    assert seconds[1] < 40 * seconds[0]


def test_fields_that_one_looks_for_are_reported() -> None:
    text = (
        "archc: 1\nname: labels\ninput: {channels: 8, height: 64, width: 64}\nlayers:\n"
        "  - conv: {filters: 16, kernel_size: [3, 5], stride: 2, groups: 4}\n"
        "  - depthwise_conv: {kernel_size: 3, dilation: 2, multiplier: 2, activation: relu6}\n"
        "  - max_pool: 2\n"
        "  - max_pool: {kernel_size: 3, stride: 2}\n"
        "  - upsample: 2\n"
        "  - group_norm: {groups: 8}\n"
        "  - local_response_norm\n"
        "  - channel_shuffle: 2\n"
        "  - dropout: 0.25\n"
        "  - adaptive_avg_pool: 3\n"
    )
    labels = [op_label(node).replace("\u00d7", "x") for node in costs(text).graph.layers]
    assert labels == [
        "conv 3x5, 16, stride 2, groups 4",
        "depthwise_conv 3x3, dilation 2, x 2 + relu6",
        "max_pool 2x2",
        "max_pool 3x3, stride 2",
        "upsample 2x2",
        "group_norm groups 8",
        "local_response_norm",
        "channel_shuffle groups 2",
        "dropout 0.25",
        "adaptive_avg_pool 3x3",
    ]


def test_several_inputs_and_outputs_are_named() -> None:
    arrangement = laid_out(costs(TWO_TWO))
    labels = [
        row.label for box in arrangement.boxes for row in box.rows if row.node.op.name == "input"
    ]
    assert labels == ["input image", "input meta"]
    assert [ending.label for ending in arrangement.endings] == ["output label", "output box"]


def test_text_is_fit() -> None:
    assert text_width("mm", 10) == 2 * text_width("m", 10) == 4 * text_width("m", 5)
    assert text_width("\u5c42", 10) > text_width("m", 10)
    assert wrap_text("one two three", 10, text_width("one two", 10) + 0.1, 3) == [
        "one two",
        "three",
    ]
    assert wrap_text("one two three", 10, text_width("three", 10) + 0.1, 2)[1].endswith("\u2026")
    short = cut("a" * 50, 10, 60)
    assert short.endswith("\u2026")
    assert text_width(short, 10) <= 60
    assert cut("short", 10, 60) == "short"
