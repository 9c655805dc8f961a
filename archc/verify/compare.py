"""The difference of two arrays in files."""

from __future__ import annotations

from math import inf, sqrt
from typing import Any, NamedTuple

CHUNK = 1 << 20
"""Elements that are compared at a time."""
ROUNDING = 16
"""How many times the difference that the last bits of weights and inputs make still counts as
rounding: two frameworks also round differently in every layer."""


class Difference(NamedTuple):
    """The largest distance of two values, and the largest ratio of a distance to its tolerance, the
    `share`: values agree where it is at most one. Values that are not finite agree with nothing.
    `rounding` is the share of a run with perturbed weights and inputs, where there was one."""

    largest: float = 0.0
    share: float = 0.0
    rounding: float = 0.0

    @property
    def agrees(self) -> bool:
        """Whether all values are within the tolerance."""
        return self.share <= 1

    @property
    def is_rounding(self) -> bool:
        """Whether values exceed the tolerance because the network magnifies rounding as much."""
        return 1 < self.share <= ROUNDING * self.rounding < inf

    def maximum(self, other: Difference) -> Difference:
        """The larger of two differences, in distance and in share."""
        return Difference(max(self.largest, other.largest), max(self.share, other.share))


NOT_FINITE = Difference(inf, inf)


def difference(ours: Any, reference: Any, tolerance: tuple[float, float]) -> Difference:
    """The difference of two arrays of one shape, in memory or mapped to it."""
    import numpy

    absolute, relative = tolerance
    ours, reference = ours.reshape(-1), reference.reshape(-1)
    largest = Difference()
    for start in range(0, len(reference), CHUNK):
        a = numpy.asarray(ours[start : start + CHUNK], "float64")
        b = numpy.asarray(reference[start : start + CHUNK], "float64")
        if not (numpy.isfinite(a).all() and numpy.isfinite(b).all()):
            return NOT_FINITE
        distance = numpy.abs(a - b)
        share = distance / (absolute + relative * numpy.abs(b))
        largest = largest.maximum(Difference(float(distance.max()), float(share.max())))
    return largest


def size(values: Any) -> float:
    """The root mean square of an array, to which its differences relate; infinite where the squares
    overflow."""
    import numpy

    values = values.reshape(-1)
    total = 0.0
    for start in range(0, len(values), CHUNK):
        chunk = numpy.asarray(values[start : start + CHUNK], "float64")
        with numpy.errstate(over="ignore"):
            total += float(numpy.dot(chunk, chunk))
    return sqrt(total / len(values))
