"""How long `archc report` takes, from the start of its process to the end, against the least that
Python can do, and against what one would use in its place.

The aims are at most 3 times the floor, and at least 25 times as fast as torchinfo. The ratios are
printed, not asserted: they are the machine's as well."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest

from archc.api import load

ROOT = Path(__file__).parents[2]
SPEC = str(ROOT / "specs" / "vgg16.yaml")
FLOOR = str(Path(__file__).with_name("floor_report.py"))
ARCHC = [str(Path(sys.executable).with_name("archc")), "report", SPEC]

SUMMARY = """
import sys
import torch
import torchinfo

scope = {"__name__": "emitted"}
exec(compile(sys.stdin.read(), "emitted.py", "exec"), scope)
with torch.device("meta"):
    model = scope["build_model"]()
print(torchinfo.summary(model, input_size=(1, 3, 224, 224), device="meta", verbose=0))
"""


def run(command: list[str], given: str = "") -> tuple[float, str]:
    """Seconds that a process takes, and what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled modules, as an installation has
    begin = perf_counter()
    result = subprocess.run(
        command,
        capture_output=True,
        check=True,
        encoding="utf-8",
        env=environment,
        input=given,
    )
    return perf_counter() - begin, result.stdout


def medians(runs: int, *commands: tuple[list[str], str]) -> list[float]:
    """The median seconds of each command. They take turns, so that all meet the same load; the
    first round, which fills the caches, does not count."""
    taken = [[run(*command)[0] for command in commands] for _ in range(runs + 1)][1:]
    return [median(column) for column in zip(*taken, strict=True)]


def test_report_against_the_floor(capsys: pytest.CaptureFixture[str]) -> None:
    floor = [sys.executable, FLOOR, SPEC]
    assert run(floor)[1] == run(ARCHC)[1], "they must print the same"
    ours, least = medians(21, (ARCHC, ""), (floor, ""))
    with capsys.disabled():
        print(f"\narchc report {1e3 * ours:.0f} ms, floor {1e3 * least:.0f} ms: {ours / least:.2f}")


def test_report_against_torchinfo(capsys: pytest.CaptureFixture[str]) -> None:
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("torchinfo") is None:
        pytest.skip("torch or torchinfo is not installed")
    source = load(SPEC, {}).emit("torch")
    theirs = [sys.executable, "-c", SUMMARY]
    assert "138,357,544" in run(theirs, source)[1]
    ours, other = medians(7, (ARCHC, ""), (theirs, source))
    with capsys.disabled():
        print(f"\narchc report {1e3 * ours:.0f} ms, torchinfo {other:.2f} s: {other / ours:.1f}")
