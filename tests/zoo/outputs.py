"""What networks compute, and how far apart two results are."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

Array = Any


def outputs(model: Any, values: list[Array]) -> list[Array]:
    """The outputs of a PyTorch network."""
    with torch.no_grad():
        result = model(*map(torch.from_numpy, values))
    if isinstance(result, dict):
        result = tuple(result.values())
    return [one.numpy() for one in (result if isinstance(result, tuple) else (result,))]


def difference(actual: list[Array], expected: list[Array]) -> float:
    """The largest difference of some outputs, as a share of their largest value."""
    largest = 0.0
    for one, other in zip(actual, expected, strict=True):
        assert one.shape == other.shape
        assert np.isfinite(other).all()
        assert other.size == 1 or other.std() > 0, "an output that does not move tells nothing"
        assert np.count_nonzero(other) > other.size / 4, "a softmax of one logit tells nothing"
        largest = max(largest, float(np.abs(one - other).max() / np.abs(other).max()))
    return largest
