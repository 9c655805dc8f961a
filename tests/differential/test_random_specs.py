"""300 random specs in every run of the tests. The whole record of 5,000 is made by `make
differential`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from archc import backends
from archc.verify import Workers
from tests.differential.generator import MOST_NODES, read, spec_text
from tests.differential.runs import runs

FIRST = 1_000_000
COUNT = 300
CHUNK = 25


@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, CHUNK))
def test_random_specs_are_one_network_on_both(first: int, workers: Workers, tmp_path: Path) -> None:
    for run in runs(range(first, first + CHUNK), workers):
        assert run.found.agrees, run.told
        spec, costs = read(run.text)
        for backend in backends.BACKENDS:
            source = backends.emit(backend, spec, costs)
            (tmp_path / f"{backend}_{run.seed}.py").write_text(source, encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["check", "--isolated"], ["format", "--isolated", "--check"]):
        done = subprocess.run(
            [*ruff, *command, str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout


def test_a_seed_gives_one_spec() -> None:
    assert spec_text(Random(7)) == spec_text(Random(7)) != spec_text(Random(8))


def test_specs_reach_what_they_should() -> None:
    """Sizes, structures and ranks, over some hundred seeds."""
    texts = [spec_text(Random(seed)) for seed in range(200)]
    sizes = [len(read(text)[1].layers) for text in texts]
    assert min(sizes) == 1
    assert 40 < max(sizes) <= MOST_NODES
    for word in (
        "blocks:", "inputs:", "outputs:", "repeat:", "for:", "section:", "when:", "from:", "with:",
        "$", "depth:", "length:", "tokens:",
    ):  # fmt: skip
        assert sum(word in text for text in texts) >= 5, word
