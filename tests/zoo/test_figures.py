"""Every spec that comes with archc against the figures that its library or paper publishes."""

from __future__ import annotations

from functools import cache

import pytest

from archc.ir.costs import Costs
from tests.backends.networks import ALL_SPECS, shipped
from tests.test_specs import PARAMS, connections
from tests.zoo.references import (
    AUXILIARY,
    GIGA_MACS,
    KERAS,
    OTHER_SIZE,
    OTHERS,
    TORCHVISION,
    ZEROED,
)


@cache
def costs(name: str) -> Costs:
    return shipped(name).costs


def test_the_figures_are_those_of_specs() -> None:
    assert {*PARAMS, *TORCHVISION, *KERAS, *OTHERS} == set(ALL_SPECS)
    assert set(GIGA_MACS) <= set(ALL_SPECS)


@pytest.mark.parametrize("name", TORCHVISION)
def test_figures_are_those_of_torchvision(name: str) -> None:
    published = TORCHVISION[name]
    totals = costs(name).totals
    assert totals.params == published.params - (AUXILIARY | ZEROED).get(name, 0)
    if name not in OTHER_SIZE:
        assert abs(totals.macs / 1e9 - published.giga_macs) < 0.00051


@pytest.mark.parametrize("name", [*KERAS, *OTHERS])
def test_parameters_are_those_of_other_sources(name: str) -> None:
    assert costs(name).totals.params == (KERAS | OTHERS)[name]


@pytest.mark.parametrize(("name", "giga_macs"), GIGA_MACS.items())
def test_macs_are_those_of_other_sources(name: str, giga_macs: float) -> None:
    assert costs(name).totals.macs / 1e9 == pytest.approx(giga_macs, rel=0.015)


def test_lenet1_has_the_connections_of_its_paper() -> None:
    """LeCun et al. 1990: 98,442, of a subsampling unit its four inputs and its bias."""
    total = connections(list(costs("lenet1").layers))
    assert total == 98_442


def test_lenet4_has_the_connections_of_its_paper() -> None:
    """LeCun et al. 1998, section III.C: about 260,000. The 17,000 free parameters there cannot
    be: its layer of 120 units has 48,120 alone, of 5 x 5 elements of 16 maps, and a bias each."""
    layers = {layer.node.path: layer for layer in costs("lenet4").layers}
    assert connections(list(layers.values())) == pytest.approx(260_000, rel=0.01)
    assert layers["c5"].params == 120 * (16 * 5 * 5 + 1)
