"""Moments of initial values, of arrays that NumPy draws."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from archc.ops.base import Variable
from archc.ops.initializer import Initializer
from archc.verify.initial_values import initial_error, is_too_small

Array = Any


def moments(values: Array) -> dict[str, float]:
    return {
        "low": values.min(),
        "high": values.max(),
        "mean": values.mean(),
        "square": (values**2).mean(),
        "fourth": (values**4).mean(),
    }


def error(values: Array, name: str, value: float | None = None) -> str | None:
    variable = Variable("weight", "kernel", values.shape, initial=Initializer(name, value))
    return initial_error(variable, moments(values))


def normal(deviation: float, *shape: int, seed: int = 0) -> Array:
    return deviation * numpy.random.default_rng(seed).standard_normal(shape)


def uniform(limit: float, *shape: int, seed: int = 0) -> Array:
    return numpy.random.default_rng(seed).uniform(-limit, limit, shape)


@pytest.mark.parametrize("count", [1, 2, 5, 30, 1000, 30_000])
def test_right_values_are_right_however_few(count: int) -> None:
    for seed in range(200 if count <= 1000 else 20):
        assert error(normal(0.1, count, seed=seed), "normal", 0.1) is None
        assert error(uniform(0.1, count, seed=seed), "uniform", 0.1) is None


def test_the_kurtosis_of_a_hundred_values_is_chance() -> None:
    values = normal(0.1, 100, seed=1312)
    assert moments(values)["fourth"] / moments(values)["square"] ** 2 > 6.5
    assert error(values, "normal", 0.1) is None


def test_another_deviation_is_told_from_two_dozen_values_on() -> None:
    wrong = [error(normal(0.2, 100, seed=seed), "normal", 0.1) for seed in range(50)]
    assert all(one is not None and "standard deviation" in one for one in wrong)
    assert error(normal(0.11, 10_000), "normal", 0.1) is not None
    for count, told in ((10, False), (100, True)):
        variable = Variable("w", "kernel", (count,), initial=Initializer("normal", 0.1))
        assert is_too_small(variable) is not told
    assert not is_too_small(Variable("w", "kernel", (1,), initial=Initializer("constant", 0.1)))
    assert not is_too_small(Variable("w", "kernel", (1,)))


def test_the_shape_of_the_distribution_is_told() -> None:
    text = error(uniform(0.1 * 3**0.5, 2000), "normal", 0.1)
    assert text == "`weight` begins with the kurtosis 1.79, expected 3"
    assert "expected at most" in str(error(normal(0.1 / 3**0.5, 2000), "uniform", 0.1))
    draws = normal(1.0, 20_000)
    truncated = draws[numpy.abs(draws) < 2]
    truncated /= (truncated**2).mean() ** 0.5
    assert "kurtosis" in str(error(truncated, "normal", 1.0))


def test_another_mean_or_limit_is_told() -> None:
    assert "mean" in str(error(normal(0.1, 5000) + 0.01, "normal", 0.1))
    assert "at one side" in str(error(numpy.minimum(uniform(0.1, 5000), 0.09), "uniform", 0.1))
    assert "expected at most 0.1" in str(error(1.1 * uniform(0.1, 5000), "uniform", 0.1))


def test_constants_are_what_they_are() -> None:
    assert error(numpy.full(3, numpy.float32(0.1)), "constant", 0.1) is None
    assert error(numpy.zeros(3), "constant", 0.0) is None
    text = error(numpy.full(3, 0.2), "constant", 0.1)
    assert text == "`weight` begins with 0.2, expected 0.1"
    text = error(numpy.array([0.1, 0.3]), "constant", 0.1)
    assert text == "`weight` begins with values from 0.1 to 0.3, expected 0.1"
    assert error(numpy.full(3, 1e-9), "constant", 0.0) is not None


def test_orthogonal_rows_or_columns_have_the_length_one() -> None:
    square, _ = numpy.linalg.qr(normal(1.0, 60, 60))
    assert error(square, "orthogonal") is None
    assert error(square[:20].reshape(20, 15, 4), "orthogonal") is None
    assert error(square[:, :20], "orthogonal") is None
    assert error(normal(60**-0.5, 60, 60), "orthogonal") is not None
