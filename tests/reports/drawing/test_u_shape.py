"""What is drawn as a U, and where its parts stand."""

from __future__ import annotations

from typing import Any

import pytest

from archc.ir.costs import Costs
from archc.reports.drawing.contents import nodes_of
from archc.reports.drawing.lanes import Lanes
from archc.reports.drawing.layout import Box, layout
from archc.reports.drawing.pieces import ROW
from archc.reports.drawing.tree import drawing
from archc.reports.drawing.u_shape import Level, u_shape
from tests.backends.networks import SHIPPED, shipped
from tests.reports.drawing.networks import U_NET, costs, text_of
from tests.reports.drawing.test_layout import check

MAP = {"channels": 4, "height": 32, "width": 32}
CONV = {"conv": {"filters": 4, "kernel_size": 3, "padding": "same"}}
POINTWISE = {"conv": {"filters": 4, "kernel_size": 1}}
DOWN = {"max_pool": 2}
UP = {"upsample": 2}
RESIDUAL = {"add": [[], [CONV, "relu", CONV]]}
POOLED = [{"adaptive_avg_pool": 1}, POINTWISE, "sigmoid"]
SQUEEZE = {"multiply": [[], POOLED]}


def levels(network: Costs) -> tuple[Level, ...]:
    tree = drawing(network.graph)
    return u_shape(tree.root, network.graph.nodes, Lanes(tree))


def around(*inner: Any, skip: tuple[Any, ...] = ()) -> list[Any]:
    """A level: down, `inner`, up, and the skip around them."""
    return [CONV, {"concat": [list(skip), [DOWN, *inner, UP]]}, CONV]


def names(network: Costs) -> list[list[list[str]]]:
    """The paths of each part of each level."""
    return [[[node.path for node in nodes_of(part)] for part in level] for level in levels(network)]


def test_the_published_u_net_has_four_levels_and_a_bottom() -> None:
    first, *_, last, bottom = names(shipped("unet").costs)
    assert first == [
        ["input", "encoder_1.conv_1", "encoder_1.conv_2"],
        ["skip_4"],
        ["concat_4", "decoder_4.conv_1", "decoder_4.conv_2", "conv_1"],
    ]
    assert last[0] == ["max_pool_3", "encoder_4.conv_1", "encoder_4.conv_2"]
    assert last[2] == ["concat_1", "decoder_1.conv_1", "decoder_1.conv_2", "up_2"]
    assert bottom == [["max_pool_4", "bottom.conv_1", "bottom.conv_2"], [], ["up_1"]]
    assert len(levels(shipped("unet").costs)) == len(levels(costs(U_NET))) == 5


def test_no_other_shipped_network_is_a_u() -> None:
    assert [name for name in SHIPPED if levels(shipped(name).costs)] == []


SHORTCUT = {"add": [[{"avg_pool": 2}, POINTWISE], [DOWN, CONV, SQUEEZE, CONV]]}
GATED = {"add": [[], [CONV, SQUEEZE, POINTWISE]]}
HOURGLASS = around(*around(CONV))
CROSSED = [
    {"name": "a", **CONV},
    {"name": "b", **CONV},
    {"name": "c", "from": ["a", "b"], "add": None},
    {"name": "d", "from": ["a", "b"], "add": None},
    {"name": "e", "from": ["c", "d"], "add": None},
]
NONE = {
    "one_level": around(CONV, CONV),
    "residual": [{"add": [[], [CONV, RESIDUAL, CONV]]}],
    "squeeze": [GATED, GATED],
    "strided": [SHORTCUT, SHORTCUT],
    "two_in_a_row": [*HOURGLASS, *HOURGLASS],
    "long_skip": around(*around(CONV, skip=(RESIDUAL,)), skip=(RESIDUAL,)),
    "same_space": [CONV, {"concat": [[], [CONV, *around(CONV), DOWN, CONV, UP]]}],
    "gates": [CONV, {"multiply": [[], [DOWN, CONV, SQUEEZE, *POOLED]]}],
    "beside": [*CROSSED, *HOURGLASS],
}


@pytest.mark.parametrize("layers", NONE.values(), ids=NONE)
def test_others_are_not(layers: list[Any]) -> None:
    network = costs(text_of(MAP, layers))
    assert levels(network) == ()
    check(network)


def test_blocks_inside_a_level_stay_branches() -> None:
    layers = [RESIDUAL, *around(RESIDUAL, *around(RESIDUAL, GATED, skip=(POINTWISE, "relu")))]
    network = costs(text_of(MAP, layers))
    assert [len(level.skip.items) for level in levels(network)] == [0, 1, 0]
    check(network)


@pytest.mark.parametrize("text", ["unet", U_NET], ids=["published", "padded"])
def test_each_skip_is_a_level_line_between_two_columns(text: str) -> None:
    network = shipped("unet").costs if text == "unet" else costs(text)
    arrangement = layout(network, drawing(network.graph))
    merges = [box for box in arrangement.boxes if box.rows[0].label == "concat"]
    pools = [box for box in arrangement.boxes if box.rows[0].label.startswith("max_pool")]
    assert len(merges) == len(pools) == 4
    for pool, merge in zip(sorted(pools, key=_top), sorted(merges, key=_top), strict=True):
        assert pool.x + pool.width < merge.x
        axis = merge.x + merge.width / 2
        ends = [e.points for e in arrangement.edges if e.points[-1][0] == pytest.approx(axis)]
        (line,) = [
            points for points in ends if merge.y + ROW < points[0][1] < pool.y and _flat(points)
        ]
        assert line[0][0] < merge.x


def _top(box: Box) -> float:
    return box.y


def _flat(points: tuple[tuple[float, float], ...]) -> bool:
    return len({y for _, y in points}) == 1
