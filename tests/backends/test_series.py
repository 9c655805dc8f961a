"""Values along a row of calls as one expression: exactly these values, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from archc.backends.blocks.series import series
from archc.codegen.docs import to_doc
from archc.codegen.tree import Ref
from tests.backends.networks import STRUCTURES, written


@pytest.mark.parametrize(
    ("values", "first", "text"),
    [
        ([64, 96, 128, 160], 0, "64 + 32 * i"),
        ([1, 2, 3], 1, "i"),
        ([9, 7, 5], 0, "9 - 2 * i"),
        ([0, 3, 0, 3], 0, "3 * (i % 2)"),
        ([0, 3, 0], 1, "3 * (1 - i % 2)"),
        ([1, 0, 1, 0], 1, "i % 2"),
        ([0.2 * n / 11 for n in range(4, 10)], 0, "0.2 * (4 + i) / 11"),
        ([0.1 * n / 17 for n in range(3)], 1, "0.1 * (i - 1) / 17"),
        ([0.0125 * n for n in range(12, 15)], 2, "0.0125 * (10 + i)"),
        ([0.5 * n / 35 for n in range(6, 33)], 0, "0.5 * (6 + i) / 35"),
    ],
)
def test_values_that_run_along_are_one_expression(
    values: list[float], first: int, text: str
) -> None:
    expr = series(values, Ref("i"), first)
    assert expr is not None
    assert to_doc(expr).flat == text
    computed = [eval(text, {"i": first + k}) for k in range(len(values))]
    assert computed == values
    assert [type(value) for value in computed] == [type(value) for value in values]


@pytest.mark.parametrize(
    "values",
    [
        [1, 2],
        [1, 2, 4],
        [True, False, True],
        [0.1, 0.2, 0.7],
        [0.3, 0.2, 0.1],
        [0.1, 0.2 + 1e-12, 0.3],
        [1, 2.0, 3],
        ["a", "b", "c"],
        [2, 3, 2, 3],
    ],
)
def test_others_are_none(values: list[object]) -> None:
    assert series(values, Ref("i")) is None


def test_a_sequence_leaves_out_what_a_condition_bars(tmp_path: Path) -> None:
    network = written(STRUCTURES["sequence_without_an_expansion"], tmp_path)
    source = " ".join(network.emit("torch").split())
    assert "*( [nn.Conv2d(in_channels, expand * in_channels, kernel_size=1)] if" in source
    assert "nn.Identity" not in source
    assert "rate=0.1 * (1 + i) / 7) for i in range(4))" in source
