"""How time and memory of every verb grow with the layers of a spec, for specs of several shapes and
for faulty ones: seconds of the processor and the peak of resident memory of a process of its own.

The exponent is that of a power law through the sizes, without what a process costs that reads a
small spec. The aim is at most 1.1 in time. The figures are printed, not asserted: they are the
machine's as well. All of it takes an hour and more; `-k "wide and diff"` asks for a part."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from math import log
from pathlib import Path

import pytest

from tests.benchmarks.shapes import FAULTY, HEAD, SHAPES

ROOT = Path(__file__).parents[2]
LIMIT = 600
"""Seconds of a process."""

VERBS: dict[str, list[str]] = {
    "validate": ["validate", "A"],
    **{
        form: ["report", "A", "--format", form]
        for form in ("table", "json", "csv", "markdown", "latex", "svg", "html")
    },
    "torch": ["build", "A", "--backend", "torch", "--stdout"],
    "keras": ["build", "A", "--backend", "keras", "--stdout"],
    "show": ["show", "A"],
    "resolved": ["show", "A", "--resolved"],
    "diff": ["diff", "A", "B"],
    "list": ["list", "A"],
}


def measured(command: list[str], folder: Path) -> tuple[float, float, int]:
    """Seconds of the processor, MB of memory at most, and the exit code of a command."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "archc", *command],
            stdout=out,
            stderr=out,
            cwd=folder,
            env=environment,
        )
        timer = threading.Timer(LIMIT, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    megabytes = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return usage.ru_utime + usage.ru_stime, megabytes, process.returncode


def exponent(sizes: list[int], seconds: list[float]) -> float:
    """The slope of a line through the logarithms."""
    xs, ys = [log(size) for size in sizes], [log(max(one, 1e-3)) for one in seconds]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    slope = sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True))
    return slope / sum((a - x) ** 2 for a in xs)


CASES = [(shape, verb) for shape in SHAPES for verb in VERBS]
CASES += [(shape, "validate") for shape in FAULTY]


@pytest.mark.parametrize(("shape", "verb"), CASES)
def test_growth(shape: str, verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, largest = {**SHAPES, **FAULTY}[shape]
    command = [f"{word}.yaml" if word in ("A", "B") else word for word in VERBS[verb]]
    sizes = [largest // 8, largest // 4, largest // 2, largest]
    rows = []
    for size in (100, *sizes):
        (tmp_path / "A.yaml").write_text(HEAD + text(size), encoding="utf-8")
        (tmp_path / "B.yaml").write_text(HEAD + text(size - size // 50), encoding="utf-8")
        rows.append(measured(command, tmp_path))
    base, *grown = [seconds for seconds, _, _ in rows]
    slope = exponent(sizes, [seconds - base for seconds in grown])
    seconds, megabytes, code = rows[-1]
    with capsys.disabled():
        print(
            f"\n{shape:15} {verb:9} exponent {slope:5.2f}, {largest:7,}: "
            f"{seconds:6.2f} s {megabytes:5.0f} MB, exit {code}",
            flush=True,
        )
