"""Fully connected layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.backends.ops.reference.convolution import with_bias
from tests.backends.ops.reference.tensor import Arrays, Tensor


def dense(
    arrays: Arrays, x: Tensor, *, units: int, bias: bool = True, initializer: Any = "default"
) -> Tensor:
    """weight . x + bias, along the last axis."""
    assert arrays["weight"].shape == (units, x.array.shape[-1])
    result = x.with_array(np.einsum("...i,oi->...o", x.array, arrays["weight"]))
    return with_bias(arrays, result, bias=bias)


def rbf(arrays: Arrays, x: Tensor, *, codes: list[Any]) -> Tensor:
    """The squared distance to each row; in a picture # is +1 and . is -1 (LeCun et al. 1998)."""
    rows = [
        [1.0 if pixel == "#" else -1.0 for pixel in row if not pixel.isspace()]
        if isinstance(row, str)
        else row
        for row in codes
    ]
    differences = x.array[:, None, :] - np.array(rows, dtype=np.float64)
    return x.with_array((differences**2).sum(axis=-1))


MEANINGS = {"dense": dense, "rbf": rbf}
