"""Which pools and convolutions are rejected, and what sizes the others give: against each window by
itself, and against PyTorch."""

from __future__ import annotations

from contextlib import suppress
from itertools import product

import pytest

from archc.ops.axes import feature_map, vector
from archc.ops.base import ShapeError
from archc.ops.convolution import Conv
from archc.ops.pooling import AdaptiveAvgPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool

SIZES, KERNELS, STRIDES, PADS = range(1, 7), range(1, 5), range(1, 6), range(4)


def size_of(pool: MaxPool | AvgPool | Conv, size: int) -> int | None:
    """The output's size, or None where the op is rejected."""
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
    accepted = rejected = 0
    for size, kernel, stride, pad in product(SIZES, KERNELS, (1, 2, 3, 5), PADS):
        if pad > kernel // 2:
            continue  # PyTorch pads by half the kernel at most
        for ours, layer in ((MaxPool, torch.nn.MaxPool1d), (AvgPool, torch.nn.AvgPool1d)):
            expected = None  # it computes no map of no elements
            with suppress(RuntimeError):
                output = layer(kernel, stride, pad, ceil_mode=ceil)(torch.zeros(1, size))
                expected = output.shape[-1]
            pool = ours(
                kernel_size=(kernel,), stride=(stride,), padding=((pad, pad),), ceil_mode=ceil
            )
            assert size_of(pool, size) == expected, (pool, size)
            accepted += expected is not None
            rejected += expected is None
    assert accepted > 300
    assert rejected > 20


@pytest.mark.torch
@pytest.mark.parametrize("ceil", [False, True])
def test_sides_padded_by_themselves_are_padded_before_pytorch_s_pool(ceil: bool) -> None:
    """PyTorch's layer pads both sides alike: the map is padded by itself, and of the windows that
    it then has, those count that start before the padding at the end."""
    torch = pytest.importorskip("torch")
    compared = 0
    for size, kernel, stride, begin, end in product(SIZES, KERNELS, STRIDES, PADS, PADS):
        pool = MaxPool(
            kernel_size=(kernel,), stride=(stride,), padding=((begin, end),), ceil_mode=ceil
        )
        positions = torch.arange(1.0, size + 1)[None]
        padded = torch.nn.functional.pad(positions, (begin, end), value=-torch.inf)
        expected = None
        with suppress(RuntimeError):
            output = torch.nn.MaxPool1d(kernel, stride, ceil_mode=ceil)(padded)[0]
            starts = torch.arange(len(output)) * stride
            partial = starts + kernel > size + begin + end
            output = output[~(partial & (starts >= size + begin))]
            # A window that sees padding alone has no largest element.
            expected = len(output) if len(output) and output.isfinite().all() else None
        assert size_of(pool, size) == expected, (pool, size)
        compared += expected is not None
    assert compared > 800


@pytest.mark.torch
def test_sizes_of_convolutions_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    accepted = rejected = 0
    for size, kernel, stride, dilation, begin, end in product(
        SIZES, KERNELS, range(1, 3), range(1, 3), range(2), (0, 1)
    ):
        conv = Conv(
            filters=1, kernel_size=kernel, stride=stride, dilation=dilation, padding=((begin, end),)
        )
        padded = torch.nn.functional.pad(torch.zeros(1, 1, size), (begin, end))
        expected = None
        with suppress(RuntimeError):
            weight = torch.zeros(1, 1, kernel)
            output = torch.nn.functional.conv1d(padded, weight, stride=stride, dilation=dilation)
            expected = output.shape[-1]
        assert size_of(conv, size) == expected, (conv, size)
        accepted += expected is not None
        rejected += expected is None
    assert accepted > 200
    assert rejected > 30


def test_an_output_of_millions_costs_no_time() -> None:
    """What its windows see is bounded then: exactly it is one or two of three elements."""
    (field,) = AdaptiveAvgPool(output_size=2**31).receptive_field((feature_map(1, (3,)),))
    assert (field.taps, field.exact) == ((range(3),), False)
    (field,) = AdaptiveAvgPool(output_size=5).receptive_field((feature_map(1, (7,)),))
    assert field.exact
    assert field.taps == (range(0, 2), range(1, 3), range(2, 5), range(4, 6), range(5, 7))


@pytest.mark.parametrize("pool", [GlobalAvgPool(), GlobalMaxPool(keep_dims=True)])
def test_a_vector_has_no_space_to_pool(pool: GlobalAvgPool | GlobalMaxPool) -> None:
    with pytest.raises(ShapeError) as refused:
        pool.infer((vector(3),))
    assert refused.value.code == "ARC102"
