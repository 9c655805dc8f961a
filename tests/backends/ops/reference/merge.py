"""Ops of several inputs. A spatial axis of one element is repeated along the others'."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import numpy as np

from tests.backends.ops.reference.tensor import Array, Arrays, Tensor


def elementwise(function: Callable[[Array, Array], Array]) -> Callable[..., Tensor]:
    """One input with the next, and so on."""

    def meaning(arrays: Arrays, *inputs: Tensor) -> Tensor:
        return inputs[0].with_array(reduce(function, (x.array for x in inputs)))

    return meaning


def average(arrays: Arrays, *inputs: Tensor) -> Tensor:
    """The sum by the number of inputs."""
    total = MEANINGS["add"](arrays, *inputs)
    return total.with_array(total.array / len(inputs))


def concat(arrays: Arrays, *inputs: Tensor) -> Tensor:
    """Along the channels or features."""
    joined = np.concatenate([x.array for x in inputs], axis=inputs[0].channel_axis)
    return inputs[0].with_array(joined)


MEANINGS = {
    "add": elementwise(np.add),
    "multiply": elementwise(np.multiply),
    "average": average,
    "maximum": elementwise(np.maximum),
    "concat": concat,
}
