"""Where Keras has the numbers of an array in canonical layout, by the formulas of each layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archc.weights.layout import Slot, arrays, slots, to_canonical, to_framework
from tests.backends.networks import written

SIZES = st.integers(1, 4)


def _kept(folder: Path, text: str, key: str) -> tuple[Any, Any, Slot]:
    """An array whose numbers are all different, the same as Keras keeps it, and its slot."""
    network = written(f"archc: 1\nname: net\n{text}", folder)
    slot = slots("keras", network.spec, network.costs)[key]
    (shape,) = (one.weight.shape for one in arrays(network.costs) if one.key == key)
    array = numpy.arange(numpy.prod(shape, dtype=int)).reshape(shape)
    kept = to_framework(array, slot.layout)
    assert kept.shape == slot.layout.kept
    assert numpy.array_equal(to_canonical(kept, slot.layout), array)
    return array, kept, slot


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("specs")


@given(SIZES, SIZES, SIZES, SIZES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_dense_layer_takes_rows_as_keras_flattens(
    folder: Path, channels: int, height: int, width: int, units: int
) -> None:
    text = (
        f"input: {{channels: {channels}, height: {height}, width: {width}}}\n"
        f"layers: [flatten, batch_norm, relu, {{dense: {units}}}]\n"
    )
    array, kept, slot = _kept(folder, text, "dense_1.weight")
    assert slot.variable == "kernel"
    for c, y, x in numpy.ndindex(channels, height, width):
        row = kept[(y * width + x) * channels + c]
        assert numpy.array_equal(row, array[:, (c * height + y) * width + x])
    array, kept, slot = _kept(folder, text, "batch_norm_1.running_var")
    assert slot.variable == "moving_variance"
    for c, y, x in numpy.ndindex(channels, height, width):
        assert kept[(y * width + x) * channels + c] == array[(c * height + y) * width + x]


@given(st.sampled_from([1, 2, 3]), st.integers(1, 3), SIZES, SIZES, st.integers(1, 3))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_convolution_has_space_first(
    folder: Path, rank: int, groups: int, width: int, filters: int, kernel: int
) -> None:
    axes = ["length", "height, width", "depth, height, width"][rank - 1].split(", ")
    space = ", ".join(f"{axis}: 4" for axis in axes)
    text = (
        f"input: {{channels: {groups * width}, {space}}}\nlayers:\n"
        f"  - conv: {{filters: {groups * filters}, kernel_size: {kernel}, groups: {groups}}}\n"
    )
    array, kept, _ = _kept(folder, text, "conv_1.weight")
    assert array.shape == (groups * filters, width, *[kernel] * rank)
    depthwise = groups > 1 == width and rank < 3  # Keras has a layer of its own for it
    for place in numpy.ndindex(*[kernel] * rank):
        for into, out in numpy.ndindex(width, groups * filters):
            pair = divmod(out, filters) if depthwise else (into, out)
            assert kept[(*place, *pair)] == array[(out, into, *place)]


@given(SIZES, st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_depthwise_convolution_has_the_filters_of_a_channel_last(
    folder: Path, channels: int, multiplier: int, kernel: int
) -> None:
    text = (
        f"input: {{channels: {channels}, height: 5, width: 5}}\nlayers:\n"
        f"  - depthwise_conv: {{kernel_size: [{kernel}, 2], multiplier: {multiplier}}}\n"
    )
    array, kept, _ = _kept(folder, text, "depthwise_conv_1.weight")
    for y, x, c, m in numpy.ndindex(kernel, 2, channels, multiplier):
        assert kept[y, x, c, m] == array[c * multiplier + m, 0, y, x]


def test_a_transposed_convolution_has_what_goes_out_before_what_comes_in(folder: Path) -> None:
    text = (
        "input: {channels: 3, height: 4, width: 4}\nlayers:\n"
        "  - conv_transpose: {filters: 5, kernel_size: [2, 3]}\n"
    )
    array, kept, _ = _kept(folder, text, "conv_transpose_1.weight")
    assert array.shape == (3, 5, 2, 3)
    for y, x, out, into in numpy.ndindex(2, 3, 5, 3):
        assert kept[y, x, out, into] == array[into, out, y, x]
