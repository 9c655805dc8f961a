"""Differences of arrays that are compared piece by piece: no element is passed over."""

from __future__ import annotations

import math

import numpy
import pytest

from archc.verify.compare import CHUNK, difference, size

SIZES = [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 3]


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("where", ["first", "last"])
def test_one_element_that_differs_is_seen_wherever_it_stands(count: int, where: str) -> None:
    reference = numpy.full(count, 2.0, "float32")
    ours = reference.copy()
    ours[0 if where == "first" else -1] = 2.5
    seen = difference(ours, reference, (0.0, 0.01))
    assert seen.largest == 0.5
    assert seen.share == pytest.approx(0.5 / (0.01 * 2.0))
    assert not seen.agrees
    assert difference(reference, reference, (0.0, 0.01)).agrees


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("count", [1, CHUNK + 1])
def test_one_element_that_is_not_finite_agrees_with_nothing(value: float, count: int) -> None:
    reference = numpy.ones(count, "float32")
    reference[-1] = value
    assert not difference(reference, reference, (1.0, 1.0)).agrees


@pytest.mark.parametrize("count", SIZES)
def test_the_size_of_an_array_is_its_root_mean_square(count: int) -> None:
    values = numpy.zeros(count, "float32")
    values[-1] = 3.0
    assert size(values) == pytest.approx(3 / math.sqrt(count))
