"""The difference of two arrays in files, in relation to what the layer computes.

The distance of two values is divided by the scale of the computation: the amount of the value
itself, plus the root mean square of its array, since a sum rounds by the size of its terms and not
of its result, plus a share of the largest root mean square in the network, since a whole array may
be a sum that cancels, as the gradient of a bias before a normalization does.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, isfinite, sqrt
from typing import Any, NamedTuple

from archc.verify.settings import Tolerance

CHUNK = 1 << 20
"""Elements that are compared at a time."""
ROUNDING = 16
"""How many times the difference that the last bits of weights and inputs make still counts as
rounding: two frameworks also round differently in every layer."""
WEAK = 1e-3
"""The change of a typical value, relative to it, that a comparison must tell to say anything."""


class Difference(NamedTuple):
    """`largest` is the largest distance of two values, `relative` the largest ratio of a distance
    to the scale. Values that are not finite agree with nothing. `size` is the root mean square of
    the array, `floor` the scale of its values of zero. `rounding` is the ratio of a run with
    perturbed weights and inputs, where there was one."""

    largest: float
    relative: float
    tolerance: Tolerance
    size: float
    floor: float
    rounding: float = 0.0

    @property
    def allowed(self) -> float:
        """The ratio that is tolerated: more than that of the dtype where the network magnifies
        the last bits of its weights and inputs, but never one that would prove nothing."""
        raised = min(ROUNDING * self.rounding, self.tolerance.proof)
        return max(self.tolerance.relative, raised)

    @property
    def agrees(self) -> bool:
        """Whether all values are within the tolerance."""
        return self.relative <= self.allowed

    @property
    def is_magnified(self) -> bool:
        """Whether all values are within the tolerance because it is raised."""
        return self.tolerance.relative < self.relative <= self.allowed

    @property
    def is_rounding(self) -> bool:
        """Whether values exceed the tolerance, but by no more than rounding explains."""
        return self.allowed < self.relative <= ROUNDING * self.rounding < inf

    @property
    def is_vacuous(self) -> bool:
        """Whether the values are so small, beside the network's others, that a comparison says
        nothing: they equal zero within the tolerance, or nearly."""
        return self.tolerance.relative * self.floor > WEAK * self.size


def worst(differences: Iterable[Difference | None]) -> Difference | None:
    """Of some differences that which agrees least; None where there are none."""
    existing = [one for one in differences if one is not None]
    return max(existing, key=_severity, default=None)


def _severity(one: Difference) -> tuple[bool, bool, float]:
    return not one.agrees and not one.is_rounding, not one.agrees, one.relative


def difference(
    ours: Any, reference: Any, tolerance: Tolerance, size: float, largest_size: float
) -> Difference:
    """The difference of two arrays of one shape, in memory or mapped to it. `size` is the root mean
    square of the reference, `largest_size` that of the network's largest array."""
    import numpy

    floor = size + tolerance.zero * largest_size
    ours, reference = ours.reshape(-1), reference.reshape(-1)
    largest = relative = 0.0
    for start in range(0, len(reference), CHUNK):
        a = numpy.asarray(ours[start : start + CHUNK], "float64")
        b = numpy.asarray(reference[start : start + CHUNK], "float64")
        if not (numpy.isfinite(a).all() and numpy.isfinite(b).all()):
            return Difference(inf, inf, tolerance, size, floor)
        distance = numpy.abs(a - b)
        largest = max(largest, float(distance.max()))
        relative = max(relative, float((distance / (numpy.abs(b) + floor)).max()))
    return Difference(largest, relative, tolerance, size, floor)


def root_mean_square(values: Any) -> float:
    """The size of an array, to which its differences relate; infinite where the squares overflow,
    not a number where a value is none."""
    import numpy

    values = values.reshape(-1)
    total = 0.0
    for start in range(0, len(values), CHUNK):
        chunk = numpy.asarray(values[start : start + CHUNK], "float64")
        with numpy.errstate(over="ignore"):
            total += float(numpy.dot(chunk, chunk))
    return sqrt(total / len(values))


def largest_of(sizes: Iterable[float]) -> float:
    """The largest of some sizes and of the inputs' and the loss's factors, which are about one."""
    return max([1.0, *filter(isfinite, sizes)])
