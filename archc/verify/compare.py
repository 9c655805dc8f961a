"""How far two arrays in files lie apart."""

from __future__ import annotations

from math import inf, sqrt
from typing import Any, NamedTuple

CHUNK = 1 << 20
"""Elements that are compared at once."""
ROUNDING = 16
"""How many times as far as by the last bits of its weights and inputs a network's results may lie
apart: two frameworks also round on the way, in every layer."""


class Difference(NamedTuple):
    """The largest distance of two values, and the largest share of it in what is tolerated there:
    they agree up to one. Values that are not finite agree with nothing. `rounding` is the share
    that changes in the last bits make up, where that was asked for."""

    largest: float = 0.0
    share: float = 0.0
    rounding: float = 0.0

    @property
    def agrees(self) -> bool:
        """Whether all values are as close as is tolerated."""
        return self.share <= 1

    @property
    def is_rounding(self) -> bool:
        """Whether values lie farther apart than is tolerated because the network magnifies the
        rounding of numbers as much."""
        return 1 < self.share <= ROUNDING * self.rounding < inf

    def joined(self, other: Difference) -> Difference:
        """The larger of two differences, in both respects."""
        return Difference(max(self.largest, other.largest), max(self.share, other.share))


WRONG = Difference(inf, inf)


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
            return WRONG
        distance = numpy.abs(a - b)
        share = distance / (absolute + relative * numpy.abs(b))
        largest = largest.joined(Difference(float(distance.max()), float(share.max())))
    return largest


def size(values: Any) -> float:
    """The root of the mean square of an array: what its differences are to be seen against. It is
    infinite where the squares are too large."""
    import numpy

    values = values.reshape(-1)
    total = 0.0
    for start in range(0, len(values), CHUNK):
        chunk = numpy.asarray(values[start : start + CHUNK], "float64")
        with numpy.errstate(over="ignore"):
            total += float(numpy.dot(chunk, chunk))
    return sqrt(total / len(values))
