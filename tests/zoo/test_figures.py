"""Every spec that comes with archc against the figures that its library or paper publishes."""

from __future__ import annotations

from functools import cache

import pytest

from archc.ir.costs import Costs
from tests.backends.networks import ALL_SPECS, shipped
from tests.test_specs import PARAMS, connections
from tests.zoo.references import AUXILIARY, KERAS, OTHER_SIZE, OTHERS, TORCHVISION


@cache
def costs(name: str) -> Costs:
    return shipped(name).costs


def test_the_figures_are_those_of_specs() -> None:
    assert {*PARAMS, *TORCHVISION, *KERAS, *OTHERS} <= set(ALL_SPECS)


@pytest.mark.parametrize("name", TORCHVISION)
def test_figures_are_those_of_torchvision(name: str) -> None:
    published = TORCHVISION[name]
    totals = costs(name).totals
    assert totals.params == published.params - AUXILIARY.get(name, 0)
    if name not in OTHER_SIZE:
        assert abs(totals.macs / 1e9 - published.giga_macs) < 0.00051


@pytest.mark.parametrize("name", [*KERAS, *OTHERS])
def test_parameters_are_those_of_other_sources(name: str) -> None:
    assert costs(name).totals.params == (KERAS | OTHERS)[name]


@pytest.mark.parametrize(
    ("name", "giga_macs"),
    [
        # timm's results table: 12.6.
        ("mlp_mixer_b16", 12.6),
        # Howard et al. 2017, table 4: 569 million mult-adds.
        ("mobilenet", 0.569),
        # Sermanet et al. 2014, table 4: 2810 million connections, biases among them.
        ("overfeat", 2.80),
        # Ultralytics: 8.7 GFLOPs, two for each multiply-accumulate, at 640 x 640.
        ("yolov8n", 8.7 / 2),
    ],
)
def test_macs_are_those_of_other_sources(name: str, giga_macs: float) -> None:
    assert costs(name).totals.macs / 1e9 == pytest.approx(giga_macs, rel=0.01)


def test_lenet1_has_the_connections_of_its_paper() -> None:
    """LeCun et al. 1990: 98,442, of a subsampling unit its four inputs and its bias."""
    total = connections(list(costs("lenet1").layers))
    assert total == 98_442
