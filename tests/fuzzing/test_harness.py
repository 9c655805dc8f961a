"""The fuzzers notice what goes wrong, and draw the same inputs everywhere."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from archc.backends.runtime import sandbox
from archc.ir import costs
from archc.reports import csv
from tests.fuzzing import chunks, runs, spec_checks
from tests.fuzzing.inputs import KINDS, Input, of_seed
from tests.fuzzing.runs import Fuzzer

ROOT = Path(__file__).parents[2]
SOUND = Input(1, "grown", (ROOT / "specs/lenet5.yaml").read_bytes(), "chain")
DRAWN = "from tests.fuzzing.inputs import of_seed; print([of_seed(seed) for seed in range(300)])"


@pytest.fixture
def fuzzer() -> Iterator[Fuzzer]:
    with Fuzzer() as running:
        yield running


def test_a_seed_gives_one_input_in_every_process() -> None:
    digests = set()
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", DRAWN],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
        )
        digests.add(hashlib.sha256(done.stdout).hexdigest())
    assert len(digests) == 1
    assert len({of_seed(seed).data for seed in range(300)}) > 290


def test_a_sound_spec_is_read(fuzzer: Fuzzer) -> None:
    assert fuzzer.run_input(SOUND) is None
    assert fuzzer.outcomes == {"grown: read": 1}


def test_an_exception_is_a_fault(fuzzer: Fuzzer, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(costs, "Costs", broken)
    fault = fuzzer.run_input(SOUND)
    assert fault is not None
    assert "ZeroDivisionError" in fault.told


def test_an_endless_loop_is_a_fault(fuzzer: Fuzzer, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*arguments: object) -> None:
        while True:
            try:
                sum(range(1000))
            except Exception:
                continue

    monkeypatch.setattr(costs, "Costs", endless)
    monkeypatch.setattr(runs, "SECONDS", 0.2)
    fault = fuzzer.run_input(SOUND)
    assert fault is not None
    assert "SlowError" in fault.told


def test_a_wrong_output_is_a_fault(fuzzer: Fuzzer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec_checks, "CHECKS", (spec_checks._csv,))
    assert fuzzer.run_input(SOUND) is None
    for text in ("", "a,b\n", "\x1b", "::error::x\n"):
        monkeypatch.setattr(csv, "report", lambda costs, text=text: text)
        assert fuzzer.run_input(SOUND) is not None


def test_a_reader_that_raises_is_a_fault(fuzzer: Fuzzer, tmp_path: Path) -> None:
    """And one that is killed is none: archc tells it."""
    (tmp_path / "a.h5").touch()
    arguments = ("archc.backends.keras.hdf5", "read", str(tmp_path / "a.h5"))
    told = fuzzer.readers.run_isolated(*arguments, str(tmp_path / "b"))
    assert told is not None
    with pytest.raises(AssertionError, match="TypeError"):
        fuzzer.readers.run_isolated(*arguments)  # an argument is missing


def test_a_process_that_dies_is_a_fault() -> None:
    outcomes, faults = chunks.run_chunk(range(7, 9), run=_die_at_8)
    assert [seed for seed, _ in faults] == [8]
    assert f"exit code {-signal.SIGKILL}" in faults[0][1]
    assert not outcomes


def _die_at_8(fuzzer: Fuzzer, seed: int) -> None:
    if seed == 8:
        os.kill(os.getpid(), signal.SIGKILL)


def test_runs_add_up_in_one_record(tmp_path: Path) -> None:
    record = tmp_path / "record.json"

    def ran(first: int, count: int) -> tuple[int, dict[str, object]]:
        options = ("--record", str(record), "--chunk", "20")
        command = [sys.executable, "-m", "tests.fuzzing", str(first), str(count), *options]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.returncode, json.loads(record.read_text())

    code, first = ran(10, 30)
    assert (code, first["seeds"], first["inputs"], first["faults"]) == (0, [[10, 39]], 30, [])
    code, second = ran(20, 30)
    assert (code, second["seeds"], second["inputs"]) == (0, [[10, 49]], 40)
    assert sum(second["outcomes"].values()) == 40
    record.write_text(json.dumps({**second, "faults": [12]}))
    code, third = ran(10, 40)  # what failed runs again
    assert (code, third["seeds"], third["faults"]) == (0, [[10, 49]], [])


def test_a_lower_limit_of_the_shell_is_kept() -> None:
    """A hard limit can be lowered, never raised."""
    resource = pytest.importorskip("resource")
    script = (
        "import resource\n"
        "from archc.backends.runtime import sandbox\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 32, 1 << 32))\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (5, 5))\n"
        "sandbox.limit(0)\n"
        "print(resource.getrlimit(resource.RLIMIT_AS), resource.getrlimit(resource.RLIMIT_CPU))\n"
    )
    environment = sandbox.environment()
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == f"{(1 << 32, 1 << 32)} (5, 5)\n", done.stderr
    assert resource.RLIM_INFINITY not in (1 << 32, 5)


def test_every_kind_has_a_share() -> None:
    assert all(share > 0 for share in KINDS.values())
