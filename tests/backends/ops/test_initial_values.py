"""Initial values: the distribution that the spec names, the same on every backend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archc.ops.initializer import NAMES
from tests.backends.ops.cases import network
from tests.backends.ops.models import MODELS
from tests.backends.ops.reference.tensor import Array

Step = tuple[str, dict[str, Any]]

KERNELS: dict[str, tuple[Step, dict[str, int], int, int]] = {
    "conv": (
        ("conv", {"filters": 64, "kernel_size": 3}),
        {"channels": 32, "height": 4, "width": 4}, 32 * 9, 64 * 9,
    ),
    "conv in groups": (
        ("conv", {"filters": 64, "kernel_size": 3, "groups": 2}),
        {"channels": 32, "height": 4, "width": 4}, 16 * 9, 64 * 9,
    ),
    "depthwise conv": (
        ("depthwise_conv", {"kernel_size": 5, "multiplier": 4}),
        {"channels": 256, "height": 6, "width": 6}, 25, 1024 * 25,
    ),
    "depthwise conv in space": (
        ("depthwise_conv", {"kernel_size": 3}),
        {"channels": 512, "depth": 4, "height": 4, "width": 4}, 27, 512 * 27,
    ),
    "transposed conv": (  # the fans of the convolution that it reverses
        ("conv_transpose", {"filters": 64, "kernel_size": 3}),
        {"channels": 32, "height": 4, "width": 4}, 64 * 9, 32 * 9,
    ),
    "dense": (("dense", {"units": 150}), {"features": 200}, 200, 150),
}  # fmt: skip
"""A step, its input, and the fans of its kernel: 12,000 values and more."""


def kernel(backend: str, step: Step, sizes: dict[str, int], initializer: Any) -> Array:
    op, fields = step
    layers = [{op: {**fields, "initializer": initializer}}]
    return MODELS[backend](network({"input": sizes, "layers": layers}), seed=3).arrays()[0]


@pytest.mark.parametrize("backend", MODELS)
@pytest.mark.parametrize("initializer", [name for name in NAMES if "_" in name])
@pytest.mark.parametrize("name", KERNELS)
def test_kernels_have_the_distribution(name: str, initializer: str, backend: str) -> None:
    """Glorot & Bengio 2010, He et al. 2015, LeCun et al. 1998, without truncation."""
    step, sizes, fan_in, fan_out = KERNELS[name]
    values = kernel(backend, step, sizes, initializer)
    family, shape = initializer.split("_")
    variance = {"glorot": 2 / (fan_in + fan_out), "he": 2 / fan_in, "lecun": 1 / fan_in}[family]
    deviation = variance**0.5
    assert abs(values.mean()) < 0.05 * deviation
    assert values.std() == pytest.approx(deviation, rel=0.04)
    # Normal values go beyond three deviations, uniform ones never beyond the root of three.
    largest = np.abs(values).max() / deviation
    assert 1.7 < largest <= 3**0.5 + 1e-6 if shape == "uniform" else largest > 3


@pytest.mark.parametrize("backend", MODELS)
@pytest.mark.parametrize("name", ["conv", "depthwise conv", "dense"])
def test_kernels_have_the_numbers(name: str, backend: str) -> None:
    step, sizes, _, _ = KERNELS[name]
    assert kernel(backend, step, sizes, {"normal": 0.3}).std() == pytest.approx(0.3, rel=0.05)
    uniform = kernel(backend, step, sizes, {"uniform": 0.3})
    assert 0.29 < uniform.max() <= 0.3
    assert -0.3 <= uniform.min() < -0.29
    assert (kernel(backend, step, sizes, {"constant": 0.3}) == np.float32(0.3)).all()
    assert not kernel(backend, step, sizes, "zeros").any()


@pytest.mark.parametrize("backend", MODELS)
@pytest.mark.parametrize("name", ["conv", "dense"])
def test_kernels_are_orthogonal(name: str, backend: str) -> None:
    step, sizes, _, _ = KERNELS[name]
    rows = kernel(backend, step, sizes, "orthogonal")
    rows = rows.reshape(rows.shape[0], -1)
    np.testing.assert_allclose(rows @ rows.T, np.eye(len(rows)), atol=1e-5)


@pytest.mark.parametrize("backend", MODELS)
def test_coefficients_begin_as_the_fields_say(backend: str) -> None:
    layers = [{"scale": {"initial": 0.5, "bias": True}}, "prelu", {"prelu": {"slope": -0.5}}]
    model = MODELS[backend](network({"input": {"features": 4}, "layers": layers}))
    weight, bias, *slopes = model.arrays()
    assert weight.tolist() == [0.5] * 4
    assert bias.tolist() == [0.0] * 4
    assert [one.tolist() for one in slopes] == [[0.25] * 4, [-0.5] * 4]
