"""A value with named axes, and the forms in which fields give numbers for several of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Array = Any
Arrays = Mapping[str, Array]


class Tensor(NamedTuple):
    """A batch of values: the batch is the first axis of `array`, and has no name."""

    axes: tuple[str, ...]
    array: Array

    @property
    def channel_axis(self) -> int:
        """The axis of channels or features in `array`."""
        return 1 if self.axes[0] == "channels" else len(self.axes)

    @property
    def spatial(self) -> tuple[int, ...]:
        """The sizes along space."""
        return tuple(self.array.shape[2:])

    def along_channels(self, values: Array) -> Array:
        """One value a channel, in a shape that broadcasts with `array`."""
        shape = [1] * self.array.ndim
        shape[self.channel_axis] = -1
        return values.reshape(shape)

    def with_array(self, array: Array) -> Tensor:
        """Another array along the same axes."""
        return Tensor(self.axes, array)


def per_axis(value: int | Sequence[int], rank: int) -> list[int]:
    """`n` or `[h, w]`."""
    return [value] * rank if isinstance(value, int) else list(value)


def sides(value: Any, rank: int) -> list[tuple[int, int]]:
    """`n`, `[h, w]` or `[[top, bottom], [left, right]]`, as (begin, end) of each axis."""
    each = [value] * rank if isinstance(value, int) else value
    return [(one, one) if isinstance(one, int) else tuple(one) for one in each]
