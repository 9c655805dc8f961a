"""Every spec that comes with archc against the figures that its library or paper publishes."""

from __future__ import annotations

from functools import cache

import pytest

from archc.ir.costs import Costs
from tests.backends.networks import ALL_SPECS, shipped
from tests.test_specs import PARAMS
from tests.zoo.references import AUXILIARY, OTHER_SIZE, TORCHVISION


@cache
def costs(name: str) -> Costs:
    return shipped(name).costs


def test_every_spec_has_figures_from_outside() -> None:
    assert set(ALL_SPECS) == {*PARAMS, *TORCHVISION}


@pytest.mark.parametrize("name", TORCHVISION)
def test_figures_are_those_of_torchvision(name: str) -> None:
    published = TORCHVISION[name]
    totals = costs(name).totals
    assert totals.params == published.params - AUXILIARY.get(name, 0)
    if name not in OTHER_SIZE:
        assert abs(totals.macs / 1e9 - published.giga_macs) < 0.00051
