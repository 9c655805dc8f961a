"""Faults in the middle of writing: old or new, nothing else, and nothing left behind.

Some of each kind; `make faults` runs all of them.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.files import faults
from tests.files.faults import FAULTS, SCENARIOS, Injection, Scenario, folder_in

EVERY = 7
"""Calls between two faults: each kind of fault meets others of them."""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each fault has a process")


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder in memory, where the system has one: nothing here waits for a disk."""
    memory = "/dev/shm"
    path = Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None))
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_a_fault_at_any_call(home: Path, scenario: Scenario) -> None:
    wrong = {}
    count = faults.count_calls(scenario, home)
    for at in range(1, count + 1, EVERY):
        fault = FAULTS[at % len(FAULTS)]
        with folder_in(home) as folder:
            wrong[at, fault] = faults.inject(Injection(scenario, at, fault), folder)
    assert count > 40
    assert {place: reason for place, reason in wrong.items() if reason is not None} == {}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_an_end_at_a_random_moment(home: Path, number: signal.Signals) -> None:
    wrong = []
    for seed in range(12):
        with folder_in(home) as folder:
            wrong.append(faults.end_at_random(seed, number, folder))
    assert wrong == [None] * 12


def test_two_writers_at_once(home: Path) -> None:
    wrong = []
    for _ in range(20):
        with folder_in(home) as folder:
            wrong.append(faults.write_at_once(folder))
    assert wrong == [None] * 20


def test_files_may_not_grow(home: Path) -> None:
    """Whatever the system accepts of a file, up to its whole size."""
    wrong = []
    for size in (0, 1, 100, 300, 593, 594, 10_000):
        with folder_in(home) as folder:
            wrong.append(faults.limit_file_size(size, folder))
    assert wrong == [None] * 7


@pytest.mark.parametrize("free", [0, 1, 2, 5, 9, 20, 40])
def test_a_full_disk(home: Path, free: int) -> None:
    try:
        wrong = faults.fill_disk(free, home / "disk")
    except PermissionError:
        pytest.skip("no file system can be mounted here")
    assert wrong is None
