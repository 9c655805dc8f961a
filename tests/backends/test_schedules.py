"""Rates of a schedule in emitted source: as they are planned, to the last bit."""

from __future__ import annotations

from pathlib import Path

import pytest

from archc.backends.schedules import schedule
from archc.codegen.docs import to_doc
from tests.backends.networks import written

SPEC = """
archc: 1
name: dropping
input: {channels: 4, height: 8, width: 8}
blocks:
  unit:
    params: {rate: 0.0, filters: 4}
    layers:
      - add:
          - []
          - - conv: {filters: $filters, kernel_size: 3, padding: 1}
            - drop_path: $rate
layers:
  - for: {kernel: [1, 3, 5]}
    layers:
      - block: unit
        with: {rate: $(0.3 * index / 7)}
      - conv: {filters: 4, kernel_size: $kernel}
"""


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.2 * n / 11 for n in (0, 1, 2, 10, 11)], ["0.2 / 11", "0.2 * 2 / 11", "0.2 * 10 / 11"]),
        ([0.0125 * n for n in (1, 3, 4, 6)], ["0.0125 * 3", "0.0125 * 6"]),
        # The step is a difference: no value is one step.
        ([0.5 * n / 35 for n in (6, 7)], ["0.5 * 6 / 35"]),
    ],
)
def test_long_rates_are_products(values: list[float], texts: list[str]) -> None:
    products = schedule(values)
    assert [to_doc(expr).flat for expr in products.values()] == texts
    for value, expr in products.items():
        assert eval(str(to_doc(expr).flat)) == value
        assert value in values


@pytest.mark.parametrize(
    "values", [[0.1, 0.25, 1e-05], [22.627416997969522], [0.2 / 11, 0.123456789012345], []]
)
def test_other_numbers_are_left(values: list[float]) -> None:
    assert schedule(values) == {}


@pytest.mark.parametrize(
    ("backend", "calls"),
    [
        ("torch", ["Unit(4, rate=0.3 / 7)", "Unit(4, rate=0.3 * 2 / 7)"]),
        ("keras", ["unit(x, rate=0.3 / 7, ", "unit(x, rate=0.3 * 2 / 7, "]),
    ],
)
def test_calls_take_products(backend: str, calls: list[str], tmp_path: Path) -> None:
    emitted = written(SPEC, tmp_path).emit(backend)
    assert [call for call in calls if call in emitted] == calls
