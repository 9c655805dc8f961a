"""How time and memory of every verb grow with the layers of a spec, for specs of several shapes and
for faulty ones: seconds of the processor and the peak of resident memory of a process of its own.

The exponent is that of a power law through the sizes, without what a process costs that reads a
small spec. All of it takes an hour and more: `make benchmarks` asks for the shape `repeated`,
`-k "wide and diff"` for another part."""

from __future__ import annotations

import sys
from math import log
from pathlib import Path

import pytest

from tests.benchmarks.conftest import Record
from tests.benchmarks.processes import run
from tests.benchmarks.shapes import FAULTY, HEAD, SHAPES
from tests.benchmarks.table import GROWTH

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


def exponent(sizes: list[int], seconds: list[float]) -> float:
    """The slope of a line through the logarithms."""
    xs, ys = [log(size) for size in sizes], [log(max(one, 1e-3)) for one in seconds]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    slope = sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True))
    return slope / sum((a - x) ** 2 for a in xs)


CASES = [(shape, verb) for shape in SHAPES for verb in VERBS]
CASES += [(shape, "validate") for shape in FAULTY]


@pytest.mark.parametrize(("shape", "verb"), CASES)
def test_growth(shape: str, verb: str, tmp_path: Path, record: Record) -> None:
    text, largest = {**SHAPES, **FAULTY}[shape]
    words = [f"{word}.yaml" if word in ("A", "B") else word for word in VERBS[verb]]
    sizes = [largest // 8, largest // 4, largest // 2, largest]
    taken = []
    for size in (100, *sizes):
        (tmp_path / "A.yaml").write_text(HEAD + text(size), encoding="utf-8")
        (tmp_path / "B.yaml").write_text(HEAD + text(size - size // 50), encoding="utf-8")
        taken.append(run([sys.executable, "-m", "archc", *words], tmp_path)[0])
    base, *grown = [one.processor for one in taken]
    last = taken[-1]
    assert last.code in ((0, 1) if shape in FAULTY or verb == "diff" else (0,))
    cells = {
        "exponent": f"{exponent(sizes, [seconds - base for seconds in grown]):.2f}",
        "processor": f"{last.processor:.2f} s",
        "memory": f"{last.megabytes:.0f} MB",
    }
    record(GROWTH, f"{verb}, {shape}, {largest:,}", cells)
