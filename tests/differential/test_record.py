"""The records of the random specs that ran: 10,000 of the generator before it drew attention,
sequences and shared variables, and 10,000 of today's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archc.api import load
from archc.verify.settings import TOLERANCES
from tests.differential.coverage import counted

RECORD = Path(__file__).with_name("record_of_maps.json")
TODAY = Path(__file__).with_name("record.json")
FEWEST = 10_000
"""Specs of today's generator that ran."""
REST = Path(__file__).parents[1] / "regressions" / "pairs_that_chance_left_out.yaml"


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    return read(RECORD)


def test_todays_specs_are_verified_with_every_option() -> None:
    """Each seed once, without a mismatch; every option of every op was drawn."""
    today = read(TODAY)
    seeds = [seed for first, last in today["seeds"] for seed in range(first, last + 1)]
    assert len(seeds) == len(set(seeds)) == today["specs"] >= FEWEST
    assert today["mismatches"] == today["lint"] == []
    # Above 1 where changes in the last bits of weights and inputs make as much.
    tolerance = TOLERANCES["float64"]
    assert today["largest share of the tolerance"] <= tolerance.proof / tolerance.relative
    ops = {option.partition(":")[0] for option, count in today["options"].items() if count}
    assert {"attention", "window_attention", "embedding", "lstm", "gru", "rms_norm"} <= ops
    assert [option for option, count in today["options"].items() if not count] == []


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


def test_the_third_witness_agreed() -> None:
    """The networks of `make witness`, PyTorch's beside ONNX's."""
    path = Path(__file__).with_name("record_onnx.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["specs"] >= 400
    assert record["mismatches"] == record["lint"] == []
    assert any(one.startswith("onnx.reference ") for one in record["versions"])
