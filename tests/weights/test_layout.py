"""Where Keras has the numbers of an array in canonical layout, by the formulas of each layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archc.api import load
from archc.backends.base import StoredVariable
from archc.backends.layouts import to_canonical, to_framework
from archc.ir.arrays import arrays

SPECS = Path(__file__).parent / "specs"
SIZES = st.integers(1, 4)


def _kept(name: str, key: str, **params: object) -> tuple[Any, Any, StoredVariable]:
    """An array of a spec under values for its parameters, its numbers all different; the same as
    Keras keeps it; and where it does."""
    network = load(str(SPECS / f"{name}.yaml"), params)
    stored = network.compiled("keras").variables[key]
    (shape,) = (one.variable.shape for one in arrays(network.costs) if one.key == key)
    array = numpy.arange(numpy.prod(shape, dtype=int)).reshape(shape)
    kept = to_framework(array, stored.layout)
    assert kept.shape == stored.layout.kept
    assert numpy.array_equal(to_canonical(kept, stored.layout), array)
    return array, kept, stored


@given(SIZES, SIZES, SIZES, SIZES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_dense_layer_takes_rows_as_keras_flattens(
    channels: int, height: int, width: int, units: int
) -> None:
    sizes = {"channels": channels, "height": height, "width": width, "units": units}
    array, kept, stored = _kept("flatten_norm_dense", "dense_1.weight", **sizes)
    assert stored.name == "kernel"
    for c, y, x in numpy.ndindex(channels, height, width):
        row = kept[(y * width + x) * channels + c]
        assert numpy.array_equal(row, array[:, (c * height + y) * width + x])
    array, kept, stored = _kept("flatten_norm_dense", "batch_norm_1.running_var", **sizes)
    assert stored.name == "moving_variance"
    for c, y, x in numpy.ndindex(channels, height, width):
        assert kept[(y * width + x) * channels + c] == array[(c * height + y) * width + x]


@given(st.sampled_from([1, 2, 3]), st.integers(1, 3), SIZES, SIZES, st.integers(1, 3))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_convolution_has_space_first(
    rank: int, groups: int, width: int, filters: int, kernel: int
) -> None:
    array, kept, _ = _kept(
        f"conv_{rank}d", "conv_1.weight", groups=groups, width=width, filters=filters, kernel=kernel
    )
    assert array.shape == (groups * filters, width, *[kernel] * rank)
    depthwise = groups > 1 == width and rank < 3  # Keras has a layer of its own for it
    for place in numpy.ndindex(*[kernel] * rank):
        for into, out in numpy.ndindex(width, groups * filters):
            pair = divmod(out, filters) if depthwise else (into, out)
            assert kept[(*place, *pair)] == array[(out, into, *place)]


@given(SIZES, st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_depthwise_convolution_has_the_filters_of_a_channel_last(
    channels: int, multiplier: int, kernel: int
) -> None:
    key = "depthwise_conv_1.weight"
    array, kept, _ = _kept(
        "depthwise_conv", key, channels=channels, multiplier=multiplier, kernel=kernel
    )
    for y, x, c, m in numpy.ndindex(kernel, 2, channels, multiplier):
        assert kept[y, x, c, m] == array[c * multiplier + m, 0, y, x]


def test_a_transposed_convolution_has_what_goes_out_before_what_comes_in() -> None:
    array, kept, _ = _kept("conv_transpose", "conv_transpose_1.weight")
    assert array.shape == (3, 5, 2, 3)
    for y, x, out, into in numpy.ndindex(2, 3, 5, 3):
        assert kept[y, x, out, into] == array[into, out, y, x]
