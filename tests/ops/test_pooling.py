"""Which pools are rejected, and what sizes the others give: against each window by itself, and
against PyTorch."""

from __future__ import annotations

from itertools import product

import pytest

from archc.ops.axes import feature_map
from archc.ops.base import ShapeError
from archc.ops.pooling import AdaptiveAvgPool, AvgPool, MaxPool

SIZES, KERNELS, STRIDES, PADS = range(1, 7), range(1, 5), range(1, 6), range(4)


def size_of(pool: MaxPool | AvgPool, size: int) -> int | None:
    """The output's size, or None where the pool is rejected."""
    try:
        return pool.infer((feature_map(1, (size,)),)).spatial[0]
    except ShapeError:
        return None


def starts(size: int, kernel: int, stride: int, begin: int, end: int, *, ceil: bool) -> list[int]:
    """Where the windows start: as many as lie on the padded map; in ceil mode one more where
    elements are left over, unless it would start in the padding at the end."""
    own = list(range(-begin, size + end - kernel + 1, stride))
    following = own[-1] + stride if own else -begin
    if ceil and following < size and following + kernel > size + end:
        # Before a map smaller than the kernel there is one if less than a stride is lacking.
        left_over = own[-1] + kernel < size + end if own else kernel - stride < begin + size + end
        own += [following] if left_over else []
    return own


@pytest.mark.parametrize("ceil", [False, True])
def test_sizes_are_those_of_windows_that_see_the_map(ceil: bool) -> None:
    for size, kernel, stride, begin, end in product(SIZES, KERNELS, STRIDES, PADS, PADS):
        own = starts(size, kernel, stride, begin, end, ceil=ceil)
        sees = all(start < size and start + kernel > 0 for start in own)
        expected = len(own) if own and sees else None
        pool = MaxPool(
            kernel_size=(kernel,), stride=(stride,), padding=((begin, end),), ceil_mode=ceil
        )
        assert size_of(pool, size) == expected, pool


@pytest.mark.torch
@pytest.mark.parametrize("ceil", [False, True])
def test_sizes_are_those_of_pytorch(ceil: bool) -> None:
    torch = pytest.importorskip("torch")
    compared = 0
    for size, kernel, stride, pad in product(SIZES, KERNELS, STRIDES, PADS):
        if pad > kernel // 2:
            continue  # PyTorch pads by half the kernel at most
        try:
            theirs = torch.nn.MaxPool1d(kernel, stride, pad, ceil_mode=ceil)(torch.zeros(1, size))
        except RuntimeError:
            continue  # it computes no map of no elements
        for kind in (MaxPool, AvgPool):
            pool = kind(
                kernel_size=(kernel,), stride=(stride,), padding=((pad, pad),), ceil_mode=ceil
            )
            assert size_of(pool, size) == theirs.shape[-1], (pool, size)
            compared += 1
    assert compared > 200


def test_an_output_of_millions_costs_no_time() -> None:
    """What its windows see is bounded then: exactly it is one or two of three elements."""
    (field,) = AdaptiveAvgPool(output_size=2**31).receptive_field((feature_map(1, (3,)),))
    assert (field.taps, field.exact) == ((range(3),), False)
    (field,) = AdaptiveAvgPool(output_size=5).receptive_field((feature_map(1, (7,)),))
    assert field.exact
    assert field.taps == (range(0, 2), range(1, 3), range(2, 5), range(4, 6), range(5, 7))
