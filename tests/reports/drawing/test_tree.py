"""The structure of a drawing: every edge once, repeats collapsed, ops in their frames."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from archc.ir.graph import Graph, Node
from archc.reports.drawing.items import Frame, Item, Output, Parallel, Repeat, Series, Stack
from archc.reports.drawing.tree import DEEPEST, Drawing, drawing
from tests.backends.networks import SHIPPED, STRUCTURES, shipped
from tests.differential.accepting import read
from tests.differential.generator import spec_text
from tests.reports.drawing.networks import (
    CROSSED,
    INCEPTION,
    TWO_TWO,
    U_NET,
    costs,
    deep,
    text_of,
)

DRAWN = {"inception": INCEPTION, "crossed": CROSSED, "u_net": U_NET, "two_two": TWO_TWO}


def edges(series: Series, sources: list[int]) -> Iterator[tuple[int, int]]:
    """The edges that a series shows, fed by `sources`; an output of the network is node -1."""
    for item, linked in zip(series.items, series.linked, strict=True):
        before = sources if linked else []
        if isinstance(item, Stack):
            yield from ((source, item.nodes[0].index) for source in before)
            yield from ((a.index, b.index) for a, b in pairwise(item.nodes))
            sources = [item.nodes[-1].index]
        elif isinstance(item, Output):
            yield from ((source, -1 - item.node.index) for source in before)
        elif isinstance(item, Frame):
            assert not linked or item.region.input in before
            yield from edges(item.body, [item.region.input])
            assert item.body.output == item.region.output
            sources = [item.region.output]
        elif isinstance(item, Repeat):
            assert linked
            for unit in item.units:
                yield from edges(unit, sources)
                assert unit.output is not None
                sources = [unit.output]
        else:
            assert linked == any(not b.items or b.linked[0] for b in item.branches)
            ends = []
            for branch in item.branches:
                yield from edges(branch, sources)
                assert branch.items or branch.leaves
                if branch.leaves:
                    ends += sources if branch.output is None else [branch.output]
            sources = ends


def items(series: Series) -> Iterator[Item]:
    for item in series.items:
        yield item
        for inner in inside(item):
            yield from items(inner)


def inside(item: Item) -> tuple[Series, ...]:
    if isinstance(item, Frame):
        return (item.body,)
    if isinstance(item, Repeat):
        return item.units
    return item.branches if isinstance(item, Parallel) else ()


def check(graph: Graph) -> Drawing:
    drawn = drawing(graph)
    joined = list(edges(drawn.root, []))
    for source, target in drawn.skips:
        if isinstance(target, Node):
            joined.append((source, target.index))
        elif isinstance(target, Output):
            joined.append((source, -1 - target.node.index))
    expected = {(source, node.index) for node in graph.nodes for source in node.inputs}
    expected |= {(index, -1 - index) for index in (*graph.outputs, *graph.training_outputs)}
    assert sorted(joined) == sorted(expected)
    nodes = [node for item in items(drawn.root) if isinstance(item, Stack) for node in item.nodes]
    assert sorted(node.index for node in nodes) == list(range(len(graph.nodes)))
    return drawn


@pytest.mark.parametrize("name", SHIPPED)
def test_every_edge_of_a_shipped_network_is_drawn_once(name: str) -> None:
    assert check(shipped(name).costs.graph).skips == ()


@pytest.mark.parametrize("text", DRAWN.values(), ids=DRAWN)
def test_every_edge_is_drawn_once(text: str) -> None:
    check(costs(text).graph)


@pytest.mark.parametrize("text", STRUCTURES.values(), ids=STRUCTURES)
def test_every_edge_of_a_structure_is_drawn_once(text: str) -> None:
    check(costs(text).graph)


@pytest.mark.parametrize("seed", range(60))
def test_every_edge_of_a_random_network_is_drawn_once(seed: int) -> None:
    _, network = read(spec_text(Random(seed)))
    check(network.graph)


def repeats(graph: Graph) -> list[tuple[str, int]]:
    repeats = []
    for item in items(drawing(graph).root):
        if isinstance(item, Repeat):
            frame = item.alone
            repeats.append(("" if frame is None else frame.region.path, len(item.units)))
    return repeats


def test_equal_blocks_in_a_row_are_one() -> None:
    # The first block of each stage of ResNet-50 differs; stages 1 and 4 have two equal ones.
    expected = [
        (f"layer{stage}.bottleneck_2", times) for stage, times in enumerate((2, 3, 5, 2), 1)
    ]
    assert repeats(shipped("resnet50").costs.graph) == expected


def test_plain_ops_repeat_when_there_are_enough_of_them() -> None:
    assert repeats(shipped("vgg16").costs.graph) == []
    assert repeats(costs(CROSSED).graph) == [("", 4)]


def repeated(count: int, step: Any) -> Graph:
    conv = {"conv": {"filters": 8, "kernel_size": 1}}
    layers = [{**conv, "name": "stem"}, {"repeat": count, "layers": [conv, step]}]
    return costs(text_of({"channels": 8, "height": 8, "width": 8}, layers)).graph


def test_what_differs_is_no_repeat() -> None:
    assert repeats(repeated(6, "relu")) == [("", 6)]
    wider = {"conv": {"filters": "$(8 + index)", "kernel_size": 1}}
    assert repeats(repeated(6, wider)) == []


def test_a_row_of_what_takes_one_value_is_no_repeat() -> None:
    layers: list[Any] = [{"dense": 4, "name": "stem"}, {"dense": 4, "name": "a0"}]
    for number in range(1, 7):
        layers.append({"dense": 4, "name": f"d{number}"})
        layers.append({"add": [], "from": ["stem", f"d{number}"], "name": f"a{number}"})
    drawn = check(costs(text_of({"features": 4}, layers)).graph)
    assert not any(isinstance(item, Repeat) for item in items(drawn.root))


def test_a_row_whose_members_feed_each_other_is_no_repeat() -> None:
    layers: list[Any] = [{"dense": 4, "name": "d0"}]
    for number in range(1, 9):
        layers.append({"dense": 4, "name": f"d{number}"})
        sources = [f"d{number - 1}", f"d{number}"]
        layers.append({"add": [], "from": sources, "name": f"a{number}"})
    assert repeats(costs(text_of({"features": 4}, layers)).graph) == []


def test_blocks_of_other_names_are_no_repeat() -> None:
    body = {"layers": [{"dense": 4}, "relu"]}

    def instances(*names: str) -> Graph:
        layers = [{"block": name} for name in names]
        return costs(text_of({"features": 4}, layers, blocks={"p": body, "q": body})).graph

    assert repeats(instances("p", "q", "p", "q")) == []
    assert repeats(instances("p", "p", "p", "p")) == [("p_1", 4)]


def test_a_repeat_begins_with_its_branches() -> None:
    def residual(size: int) -> list[Any]:
        conv = {"filters": 4, "kernel_size": size, "padding": "same"}
        return [{"add": [[], [{"conv": conv}, "relu"]]}, "relu"]

    layers = [*residual(5), {"repeat": 4, "layers": residual(3)}]
    drawn = drawing(costs(text_of({"channels": 4, "height": 8, "width": 8}, layers)).graph)
    (repeat,) = [item for item in items(drawn.root) if isinstance(item, Repeat)]
    assert len(repeat.units) == 4
    assert isinstance(repeat.units[0].items[0], Parallel)


def test_what_dresses_an_op_is_in_its_box() -> None:
    stacks = [item for item in items(drawing(costs(CROSSED).graph).root) if isinstance(item, Stack)]
    labels = [" ".join(node.op.name for node in stack.nodes) for stack in stacks]
    assert labels[:4] == ["input", "conv", "conv", "conv"]
    assert "conv batch_norm" in labels
    assert "add relu" in labels
    # An op with two consumers has its own box.
    assert all(len({node.output.sizes for node in stack.nodes}) == 1 for stack in stacks)


def test_an_op_with_several_consumers_has_its_own_box() -> None:
    text = (
        "archc: 1\nname: apart\ninput: {features: 4}\nlayers:\n"
        "  - {dense: 4, name: a}\n  - relu\n  - {add: [], from: [a, relu_1]}\n"
    )
    drawn = drawing(costs(text).graph)
    stacks = [item for item in items(drawn.root) if isinstance(item, Stack)]
    assert [len(stack.nodes) for stack in stacks] == [1, 1, 1, 1]


def test_skips_are_the_remaining_edges() -> None:
    graph = costs(CROSSED).graph
    paths = {node.index: node.path for node in graph.nodes}
    skips = {(paths[s], getattr(t, "path", "")) for s, t in drawing(graph).skips}
    expected = {("stem", "b"), ("a", "c"), ("a", "d"), ("b", "d"), ("c", "concat_1")}
    assert skips == expected | {("enc.e1", "add_1")}
    assert drawing(costs(U_NET).graph).skips == ()


def test_outputs_inside_a_section_are_led_out() -> None:
    text = (
        "archc: 1\nname: inner\ninput: {features: 4}\nlayers:\n"
        "  - section: body\n    layers:\n      - {dense: 3, name: low}\n      - dense: 2\n"
        "  - dense: 5\n    name: top\noutputs: [body.low, top]\n"
    )
    drawn = check(costs(text).graph)
    assert [(skip.source, type(skip.target)) for skip in drawn.skips] == [(1, Output)]


def test_what_leads_into_a_section_is_no_branch() -> None:
    text = (
        "archc: 1\nname: inward\ninput: {features: 4}\nlayers:\n"
        "  - {dense: 4, name: a}\n  - {dense: 4, name: b}\n"
        "  - section: body\n    layers:\n      - {add: [], from: [FROM]}\n      - dense: 2\n"
    )
    for order in ("a, b", "b, a"):
        drawn = check(costs(text.replace("FROM", order)).graph)
        assert not any(isinstance(item, Parallel) for item in items(drawn.root))
        assert len(drawn.skips) == 1


def nested(levels: int) -> str:
    layers: list[Any] = [{"dense": 4, "name": f"d{level}"} for level in range(levels)]
    before = f"d{levels - 1}"
    for level in range(levels - 2, -1, -1):
        layers.append({"add": [], "from": [f"d{level}", before], "name": f"s{level}"})
        before = f"s{level}"
    return text_of({"features": 4}, layers)


def depth(series: Series) -> int:
    below = [depth(inner) for item in series.items for inner in inside(item)]
    return 1 + max(below) if below else 0


def test_nesting_is_bounded() -> None:
    drawn = check(costs(nested(DEEPEST + 20)).graph)
    assert depth(drawn.root) == DEEPEST
    assert drawn.skips != ()


def test_frames_nest_as_deep_as_is_drawn() -> None:
    levels = DEEPEST + 10
    blocks: dict[str, Any] = {
        f"b{level}": {"layers": ["relu", {"block": f"b{level + 1}"}, "relu"]}
        for level in range(levels)
    }
    blocks[f"b{levels}"] = {"layers": ["relu"]}
    drawn = check(costs(text_of({"features": 4}, [{"block": "b0"}], blocks=blocks)).graph)
    assert depth(drawn.root) == DEEPEST + 1


def test_a_deep_network_is_drawn_without_recursion() -> None:
    check(costs(deep(3000)).graph)
