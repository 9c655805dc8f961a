"""What is counted of a layer that drops at random, on masks that NumPy draws."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from archc.ops.base import Unit
from archc.verify.dropping import dropping_error

Array = Any
SHAPE = (4096, 2, 2, 2)


def dropped(rate: float, shape: tuple[int, ...], seed: int = 0) -> Array:
    """Ones of which some are dropped, each element of `shape` by itself; the rest is scaled."""
    kept = numpy.random.default_rng(seed).random(shape) >= rate
    return numpy.broadcast_to(kept / (1 - rate), SHAPE)


@pytest.mark.parametrize("rate", [0.0, 1e-4, 0.02, 0.3, 0.5, 0.95])
def test_right_masks_are_right(rate: float) -> None:
    for seed in range(50):
        assert dropping_error(dropped(rate, SHAPE, seed), rate, "element") is None
        assert dropping_error(dropped(rate, (4096, 1, 1, 1), seed), rate, "sample") is None


def test_a_few_drops_of_many_trials_are_chance() -> None:
    """Five where 0.4 are expected lie beyond six normal standard deviations of 0.64."""
    values = numpy.full(SHAPE, 1 / (1 - 1e-4))
    values[:500:100] = 0
    assert dropping_error(values, 1e-4, "sample") is None
    values[:2000:100] = 0
    assert dropping_error(values, 1e-4, "sample") is not None


@pytest.mark.parametrize(
    ("shape", "unit", "message"),
    [
        ((4096, 2, 1, 1), "element", "neighbours together along axis 2"),
        ((4096, 1, 2, 2), "element", "neighbours together along axis 1"),
        ((4096, 1, 1, 1), "element", "neighbours together along axis 1"),
        ((1, 2, 2, 2), "element", "drops"),
        (SHAPE, "sample", "drops parts of a sample"),
        ((4096, 2, 1, 1), "sample", "drops parts of a sample"),
        ((1, 1, 1, 1), "sample", "drops 0.0% of all samples, expected 30.0%"),
    ],
)
def test_another_unit_is_told(shape: tuple[int, ...], unit: Unit, message: str) -> None:
    assert message in str(dropping_error(dropped(0.3, shape), 0.3, unit))


def test_neighbouring_samples_are_dropped_by_themselves() -> None:
    pairs = numpy.repeat(dropped(0.3, (4096, 1, 1, 1))[:2048], 2, axis=0)
    message = "drops neighbours together along axis 0, expected each sample by itself"
    assert dropping_error(pairs, 0.3, "sample") == message


def test_another_share_or_factor_is_told() -> None:
    values = dropped(0.3, SHAPE)
    text = dropping_error(dropped(0.4, SHAPE) * 0.6 / 0.7, 0.3, "element")
    assert text == "drops 39.5% of all elements, expected 30.0%"
    text = dropping_error(values * 0.7, 0.3, "element")
    assert text == "scales what it keeps by 1, expected 1.428571"
    assert dropping_error(dropped(0.30001, SHAPE), 0.3, "element") is not None
    assert dropping_error(numpy.ones(SHAPE), 0.3, "sample") is not None
