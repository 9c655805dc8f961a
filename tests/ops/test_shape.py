"""Which margins can be mirrored, against PyTorch."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch.nn import functional

from archc.ops.axes import feature_map
from archc.ops.base import ShapeError
from archc.ops.shape import Pad, Reshape


def size_of(pad: Pad, size: int) -> int | None:
    """The padded size, or None where the margins are rejected."""
    try:
        return pad.infer((feature_map(1, (size,)),)).spatial[0]
    except ShapeError:
        return None


def size_in_torch(size: int, begin: int, end: int) -> int | None:
    try:
        padded = functional.pad(torch.zeros(1, 1, size), (begin, end), mode="reflect")
    except RuntimeError:
        return None
    return padded.shape[-1]


def test_a_map_is_mirrored_up_to_its_last_element_but_one() -> None:
    for size, begin, end in product(range(1, 6), range(7), range(7)):
        pad = Pad(padding=((begin, end),), mode="reflect")
        assert size_of(pad, size) == size_in_torch(size, begin, end), (size, begin, end)


def test_elements_that_keep_their_order_may_become_tokens() -> None:
    """Of one channel, or at one position; others would be mixed."""
    tokens = Reshape(tokens=16, features=1)
    assert tokens.infer((feature_map(1, (4, 4)),)).sizes == (16, 1)
    assert Reshape(tokens=1, features=16).infer((feature_map(16, (1, 1)),)).sizes == (1, 16)
    with pytest.raises(ShapeError) as refused:
        Reshape(tokens=16, features=2).infer((feature_map(2, (4, 4)),))
    assert refused.value.code == "ARC114"
