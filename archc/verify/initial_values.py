"""Whether arrays begin as their ops say: constants by their values, random ones by the moments of
their distribution.

The mean square of n values of a distribution is about chi-squared, with n degrees of freedom if it
is normal, more if its tails are lighter; its cube root is about normal, also for a few values
(Wilson & Hilferty 1931).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import expm1, inf, log, sqrt
from typing import NamedTuple

from archc.ops.base import Variable
from archc.ops.initializer import Initializer

DEVIATIONS = 6.0
"""Standard deviations by which a moment may differ from that of the distribution: of a billion
right ones, two do."""
CHANCE = 1e-9
"""The probability that no value lies as far out as one must."""
ROUNDING = 1e-6
"""The relative error of numbers that frameworks may keep in float32."""
FEWEST = 1000
"""Values from which on the kurtosis is compared."""


class Distribution(NamedTuple):
    """A distribution around zero: its variance, its kurtosis (3 if normal), the variance of the
    kurtosis of n values, times n, the largest amount of a value, and whether values are as frequent
    there as anywhere."""

    variance: float
    kurtosis: float
    kurtosis_variance: float
    bound: float = inf
    is_flat: bool = False


def initial_error(variable: Variable, moments: Mapping[str, float]) -> str | None:
    """How initial values differ from those that the op gives the variable; None if they do not.
    `moments` has their smallest and largest, `low` and `high`, and the means of them, of their
    squares and of their fourth powers."""
    initial = variable.initial
    assert initial is not None
    if initial.name == "constant":
        assert initial.value is not None
        low, high = moments["low"], moments["high"]
        if max(abs(low - initial.value), abs(high - initial.value)) <= ROUNDING * abs(
            initial.value
        ):
            return None
        actual = f"{low:g}" if low == high else f"values from {low:g} to {high:g}"
        return f"`{variable.name}` begins with {actual}, expected {initial.value:g}"
    expected = _distribution(initial, variable.shape)
    differs = _difference(expected, variable.elements, initial.name == "orthogonal", moments)
    return None if differs is None else f"`{variable.name}` begins with {differs}"


def is_too_small(variable: Variable) -> bool:
    """Whether an array is drawn at random, and has too few values to tell a distribution from one
    of twice its deviation."""
    initial = variable.initial
    if initial is None or initial.name in ("constant", "orthogonal"):
        return False
    expected = _distribution(initial, variable.shape)
    return not _is_beyond(4.0, variable.elements, expected.kurtosis)


def _distribution(initial: Initializer, shape: tuple[int, ...]) -> Distribution:
    """The distribution of an initializer with a number, for an array of a shape. The rows or the
    columns of an orthogonal matrix, whichever are fewer, have the length one."""
    if initial.name == "orthogonal":
        rows, columns = shape[0], Variable("", "kernel", shape[1:]).elements
        return Distribution(1 / max(rows, columns), 3.0, 24.0, 1.0)
    assert initial.value is not None
    if initial.name == "normal":
        return Distribution(initial.value**2, 3.0, 24.0)
    return Distribution(initial.value**2 / 3, 1.8, 1.32, initial.value, is_flat=True)


def _difference(
    expected: Distribution, count: int, exact: bool, moments: Mapping[str, float]
) -> str | None:
    deviation = sqrt(expected.variance)
    largest = max(-moments["low"], moments["high"])
    if largest > expected.bound * (1 + ROUNDING):
        return f"values up to {largest:g}, expected at most {expected.bound:g}"
    least = expected.bound * (1 - 2 * -expm1(log(CHANCE) / count))
    for value in (moments["high"], -moments["low"]):
        if expected.is_flat and value < least:
            return f"values up to {value:g} at one side, expected {expected.bound:g}"
    if abs(moments["mean"]) > DEVIATIONS * deviation / sqrt(count):
        return f"the mean {moments['mean']:g}, expected zero"
    ratio = moments["square"] / expected.variance
    differs = abs(ratio - 1) > 1e-3 if exact else _is_beyond(ratio, count, expected.kurtosis)
    if differs:
        actual = sqrt(moments["square"])
        return f"the standard deviation {actual:g}, expected {deviation:g}"
    kurtosis = moments["fourth"] / moments["square"] ** 2 if moments["square"] else 0.0
    allowed = DEVIATIONS * sqrt(expected.kurtosis_variance / count)
    if count >= FEWEST and not exact and abs(kurtosis - expected.kurtosis) > allowed:
        return f"the kurtosis {kurtosis:.2f}, expected {expected.kurtosis:g}"
    return None


def _is_beyond(ratio: float, count: int, kurtosis: float) -> bool:
    """Whether the mean square of so many values, as a ratio to the variance, lies beyond chance."""
    spread = 2 / (9 * 2 * count / (kurtosis - 1))
    root: float = ratio ** (1 / 3)
    return abs(root - (1 - spread)) > DEVIATIONS * sqrt(spread)
