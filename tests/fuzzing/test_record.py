"""The record of the inputs that ran, which `make fuzz` makes."""

from __future__ import annotations

import json
from pathlib import Path

from tests.fuzzing.inputs import KINDS

RECORD = Path(__file__).with_name("record.json")
LEAST = 1_000_000


def test_the_record_is_whole() -> None:
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    seeds = sum(last - first + 1 for first, last in record["seeds"])
    assert seeds == record["inputs"] == sum(record["outcomes"].values())
    assert record["faults"] == []
    assert record["inputs"] >= LEAST
    assert {outcome.partition(": ")[0] for outcome in record["outcomes"]} == KINDS.keys()
