"""How long `archc diff` takes on two of VGG's networks, from the start of its process to the end,
against the floor of `archc report` (`floor_report.py`).

The aim is at most 5 times that. The ratio is printed, not asserted: it is the machine's as well."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.benchmarks.test_report_speed import FLOOR, ROOT, SPEC, medians, run

DIFF = [
    str(Path(sys.executable).with_name("archc")),
    "diff",
    SPEC,
    str(ROOT / "specs" / "vgg19.yaml"),
]


def test_diff_against_the_floor(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(DIFF)[1].startswith("3 layers added, 24 the same: ")
    ours, least = medians(21, (DIFF, ""), ([sys.executable, FLOOR, SPEC], ""))
    with capsys.disabled():
        print(f"\narchc diff {1e3 * ours:.0f} ms, floor {1e3 * least:.0f} ms: {ours / least:.2f}")
