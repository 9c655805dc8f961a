"""Initializers with their numbers, by hand from the papers that name them."""

from __future__ import annotations

from math import sqrt

import pytest

from archc.ops import OPS
from archc.ops.axes import feature_map
from archc.ops.base import Variable
from archc.ops.initializer import Initializer, explicit


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        # 32 channels by a 3x3 kernel come in, 64 channels by 3x3 go out.
        ("he_normal", (64, 32, 3, 3), ("normal", sqrt(2 / 288))),
        ("he_uniform", (64, 32, 3, 3), ("uniform", sqrt(6 / 288))),
        ("glorot_normal", (64, 32, 3, 3), ("normal", sqrt(2 / (288 + 576)))),
        ("glorot_uniform", (150, 200), ("uniform", sqrt(6 / 350))),
        ("lecun_normal", (8, 1, 5, 5), ("normal", 0.2)),
        ("lecun_uniform", (10, 12), ("uniform", 0.5)),
        ("zeros", (3, 4), ("constant", 0.0)),
        ("orthogonal", (3, 4), ("orthogonal", None)),
    ],
)
def test_names_stand_for_numbers(
    name: str, shape: tuple[int, ...], expected: tuple[str, float | None]
) -> None:
    distribution, value = explicit(Initializer(name), shape)
    assert distribution == expected[0]
    assert value == (None if expected[1] is None else pytest.approx(expected[1]))


def test_numbers_stay() -> None:
    assert explicit(Initializer("normal", 0.3), (3, 4)) == ("normal", 0.3)


def variables(name: str, **fields: object) -> tuple[Variable, ...]:
    return OPS[name](**fields).variables((feature_map(4, (5, 5)),))


def test_variables_say_how_they_begin() -> None:
    """Ioffe & Szegedy 2015: gamma 1, beta 0; He et al. 2015: slopes of a quarter."""
    begins = [(one.role, one.initial) for one in variables("batch_norm")]
    values = {"scale": 1.0, "bias": 0.0, "mean": 0.0, "variance": 1.0}
    assert begins == [(role, ("constant", value)) for role, value in values.items()]
    assert [one.initial for one in variables("prelu", slope=0.25)] == [("constant", 0.25)]
    scale, offset = variables("scale", initial=0.5, bias=True)
    assert (scale.initial, offset.initial) == (("constant", 0.5), ("constant", 0.0))
    kernel, bias = variables("conv", filters=2, kernel_size=3)
    assert (kernel.initial, bias.initial) == (None, None)
