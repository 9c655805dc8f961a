"""The record of the random specs that ran, which `make differential` makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archc.api import load
from tests.differential.coverage import counted

RECORD = Path(__file__).with_name("record.json")
REST = Path(__file__).parents[1] / "regressions" / "pairs_that_chance_left_out.yaml"


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
    return found


def test_the_record_is_whole(record: dict[str, Any]) -> None:
    """5,000 seeds and more, each once, without a mismatch, some of them of sixty nodes."""
    seeds = [seed for first, last in record["seeds"] for seed in range(first, last + 1)]
    assert len(seeds) == len(set(seeds)) == record["specs"] >= 5000
    assert record["mismatches"] == record["lint"] == []
    assert record["nodes"]["most"] == 60
    assert record["largest share of the tolerance"] <= 1


def test_the_record_has_every_option_and_every_pair_of_them(record: dict[str, Any]) -> None:
    """What chance has left out is in a spec that the tests verify beside it."""
    assert [one for one, count in record["options"].items() if not count] == []
    rest = counted(load(str(REST), {}).costs)
    assert [pair for pair in record["pairs"]["missing"] if not rest[pair]] == []
    assert record["pairs"]["all"] > 3000


def test_the_record_says_what_ran(record: dict[str, Any]) -> None:
    told = " ".join(record["versions"])
    assert all(name in told for name in ("archc", "PyTorch", "TensorFlow", "JAX", "Keras"))
