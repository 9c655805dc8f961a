"""The scale to which differences relate, and what a comparison can tell."""

from __future__ import annotations

import math
from typing import Any

import numpy
import pytest

from archc.verify.compare import CHUNK, Difference, difference, root_mean_square, worst
from archc.verify.settings import TOLERANCES

Array = Any
TOLERANCE = TOLERANCES["float64"]
RANDOM = numpy.random.default_rng(0)
SIZES = [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 3]
"""Arrays are compared piece by piece: no element is passed over."""


def compared(ours: Array, reference: Array, largest_size: float = 1.0) -> Difference:
    size = root_mean_square(reference)
    return difference(ours, reference, TOLERANCE, size, largest_size)


def test_a_difference_relates_to_the_size_of_its_array() -> None:
    """1.8e-9 is an error of 1e-10 where the values are about 18."""
    values = 18 * RANDOM.standard_normal(1000)
    wrong = values.copy()
    wrong[0] += 1.8e-9
    one = compared(wrong, values, 18.0)
    assert one.agrees
    assert one.largest == pytest.approx(1.8e-9, rel=1e-4)
    assert 1.8e-11 < one.relative < 1e-10
    assert not compared(values / 18 + 1e-8, values / 18).agrees


def test_an_array_may_span_many_orders_of_magnitude() -> None:
    """What is small beside the rest of its array is a sum of terms as large as the rest."""
    values = numpy.logspace(-12, 3, 200) * RANDOM.choice([-1, 1], 200)
    noise = 1e-12 * root_mean_square(values) * RANDOM.standard_normal(200)
    assert compared(values + noise, values, 100.0).agrees
    wrong = values.copy()
    wrong[-1] *= 1 + 3e-9
    assert not compared(wrong, values, 100.0).agrees


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e6])
def test_one_wrong_value_is_enough_at_any_scale(size: float) -> None:
    values = size * RANDOM.standard_normal(100_000)
    wrong = values.copy()
    wrong[99_999] += 1e-6 * size
    assert not compared(wrong, values, max(1.0, size)).agrees
    assert compared(values, values, max(1.0, size)).relative == 0


def test_a_sum_that_cancels_is_zero_beside_the_network_s_other_arrays() -> None:
    noise, other = 1e-15 * RANDOM.standard_normal((2, 50))
    one = compared(noise, other)
    assert (one.agrees, one.is_vacuous) == (True, True)
    assert not compared(noise + 1e-11, other).agrees
    tiny = 1e-10 * RANDOM.standard_normal(50)  # of which a hundredth is within the tolerance
    assert compared(tiny, tiny).is_vacuous
    small = 1e-6 * RANDOM.standard_normal(50)
    assert not compared(small, small).is_vacuous
    assert not compared(small * (1 + 1e-5), small).agrees
    assert compared(numpy.zeros(5), numpy.zeros(5)).is_vacuous


def test_the_tolerance_is_raised_by_what_last_bits_make() -> None:
    values = numpy.ones(10)
    one = compared(values + 2e-8, values)
    assert not one.agrees
    explained = one._replace(rounding=2e-9)
    assert (explained.agrees, explained.is_magnified, explained.is_rounding) == (True, True, False)
    assert not one._replace(rounding=1e-10).agrees
    assert not one._replace(rounding=1e-10).is_rounding


def test_beyond_a_limit_only_rounding_is_told() -> None:
    values = numpy.ones(10)
    one = compared(values + 1e-5, values)._replace(rounding=1e-5)
    assert (one.agrees, one.is_rounding) == (False, True)
    # A network that magnifies much proves as much as the difference that was seen.
    assert compared(values + 1e-8, values)._replace(rounding=1e-5).agrees


def test_values_that_are_not_finite_agree_with_nothing() -> None:
    for ours, reference in (([1.0, numpy.nan], [1.0, 2.0]), ([1.0, 2.0], [1.0, numpy.inf])):
        one = compared(numpy.array(ours), numpy.array(reference))
        assert not one._replace(rounding=numpy.inf).agrees
        assert not one._replace(rounding=numpy.inf).is_rounding


def test_the_worst_is_what_agrees_least() -> None:
    fine, raised, rounding, wrong = (
        Difference(1.0, relative, TOLERANCE, 1.0, 1.0, magnified)
        for relative, magnified in ((1e-10, 0.0), (1e-7, 1e-7), (1e-2, 1e-2), (1e-8, 0.0))
    )
    assert worst([fine, None, raised]) is raised
    assert worst([rounding, fine, raised]) is rounding
    assert worst([rounding, wrong, fine]) is wrong
    assert worst([None]) is None


def test_every_element_is_compared() -> None:
    values = numpy.zeros((1 << 20) + 5)
    wrong = values.copy()
    wrong[-1] = 1.0
    assert not compared(wrong, values).agrees
    assert root_mean_square(wrong) == pytest.approx(((1 << 20) + 5) ** -0.5)


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("where", ["first", "last"])
def test_one_element_that_differs_is_seen_wherever_it_stands(count: int, where: str) -> None:
    reference = numpy.full(count, 2.0, "float32")
    ours = reference.copy()
    ours[0 if where == "first" else -1] = 2.5
    seen = compared(ours, reference)
    assert seen.largest == 0.5
    assert seen.relative == pytest.approx(0.5 / (2.0 + 2.0 + 1e-3))
    assert not seen.agrees
    assert compared(reference, reference).agrees


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("count", [1, CHUNK + 1])
def test_one_element_that_is_not_finite_agrees_with_nothing(value: float, count: int) -> None:
    reference = numpy.ones(count, "float32")
    reference[-1] = value
    assert not difference(reference, reference, TOLERANCE, 1.0, 1.0).agrees


@pytest.mark.parametrize("count", SIZES)
def test_the_size_of_an_array_is_its_root_mean_square(count: int) -> None:
    values = numpy.zeros(count, "float32")
    values[-1] = 3.0
    assert root_mean_square(values) == pytest.approx(3 / math.sqrt(count))
