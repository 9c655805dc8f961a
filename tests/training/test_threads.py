"""The threads of workers: how many, and how they wait."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archc.training import launch, threads
from archc.training.threads import (
    Threads,
    available_cores,
    choose_threads,
    idle_cores,
    recorded_threads,
)


@pytest.mark.parametrize(
    ("count", "waiting", "processes", "environment", "chosen"),
    [
        (None, None, 1, {}, (6, "passive")),
        (None, None, 4, {}, (1, "passive")),
        (None, None, 8, {}, (1, "passive")),
        (None, None, 2, {"OMP_NUM_THREADS": "5", "OMP_WAIT_POLICY": "ACTIVE"}, (5, "active")),
        (None, None, 1, {"OMP_NUM_THREADS": "4,2"}, (4, "passive")),
        (None, None, 1, {"OMP_NUM_THREADS": "many"}, (6, "passive")),
        (3, "passive", 2, {"OMP_NUM_THREADS": "5", "OMP_WAIT_POLICY": "active"}, (3, "passive")),
        (3, "active", 2, {}, (3, "active")),
        (3, "brief", 2, {"OMP_WAIT_POLICY": "active"}, (3, "brief")),
    ],
)
def test_options_go_before_the_environment_and_that_before_cores(
    count: int | None,
    waiting: str | None,
    processes: int,
    environment: dict[str, str],
    chosen: tuple[int, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "available_cores", lambda: 6)
    assert choose_threads(count, waiting, processes, environment)[:2] == chosen


@pytest.mark.parametrize(
    ("count", "processes", "idle", "waiting"),
    [
        (6, 1, 6.0, "brief"),
        (6, 1, 5.8, "brief"),
        (6, 1, 5.0, "passive"),
        (3, 2, 6.0, "brief"),
        (3, 2, 4.0, "passive"),
        (2, 1, 2.5, "brief"),
        (1, 1, 0.0, "passive"),
    ],
)
def test_threads_wait_briefly_where_each_has_a_core(
    count: int, processes: int, idle: float, waiting: str
) -> None:
    assert choose_threads(count, None, processes, {}, lambda: idle).waiting == waiting
    assert choose_threads(count, "active", processes, {}, lambda: idle).waiting == "active"


@pytest.mark.parametrize(
    ("idle", "processes", "chosen"),
    [
        (None, 1, (6, "passive", 0)),
        (5.9, 1, (6, "brief", 0)),
        (5.6, 1, (6, "passive", 0)),  # somebody else uses a little
        (5.1, 1, (5, "brief", 1)),
        (0.2, 1, (1, "passive", 5)),
        (40.0, 1, (6, "brief", 0)),  # of a larger machine
        (3.9, 2, (2, "brief", 2)),
        (0.2, 2, (1, "passive", 4)),
    ],
)
def test_cores_that_others_use_get_no_thread(
    idle: float | None, processes: int, chosen: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "available_cores", lambda: 6)
    assert choose_threads(None, None, processes, {}, lambda: idle) == chosen
    fixed = choose_threads(None, None, processes, {"OMP_NUM_THREADS": "3"}, lambda: idle)
    assert (fixed.number, fixed.busy) == (3, 0)


def test_nobody_looks_where_both_are_asked_for() -> None:
    assert choose_threads(2, "brief", 1, {}, pytest.fail) == (2, "brief", 0)


def test_openmp_waits_briefly_where_nothing_is_set() -> None:
    given = {"OMP_WAIT_POLICY": "active", "HOME": "/"}
    assert "OMP_WAIT_POLICY" not in Threads(2, "brief").within(given)
    assert Threads(2, "passive").within(given)["OMP_WAIT_POLICY"] == "passive"
    assert Threads(2, "brief").within(given)["HOME"] == "/"


@pytest.mark.parametrize(
    ("spent", "idle"),
    [
        # user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice
        ((0, 0, 0, 80, 0, 0, 0, 0, 0, 0), 4.0),
        ((30, 0, 10, 30, 10, 0, 0, 0, 30, 0), 2.0),
        ((20, 20, 10, 10, 0, 5, 5, 10, 0, 0), 0.5),
        ((80, 0, 0, 0, 0, 0, 0, 0, 0, 0), 0.0),
        ((0, 0, 0, 0, 0, 0, 0, 0, 0, 0), None),
    ],
)
def test_cores_that_nobody_uses_are_told_by_what_they_spent(
    spent: tuple[int, ...], idle: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = [range(1000, 1010), [1000 + i + one for i, one in enumerate(spent)]]
    path = tmp_path / "stat"

    def pass_time(seconds: float) -> None:
        path.write_text(f"cpu  {' '.join(map(str, times[1]))}\ncpu0 1 2\n")

    path.write_text(f"cpu  {' '.join(map(str, times[0]))}\ncpu0 1 2\n")
    monkeypatch.setattr(threads, "TIMES", path)
    monkeypatch.setattr(time, "sleep", pass_time)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert idle_cores() == idle


def test_nothing_is_known_where_the_system_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "TIMES", tmp_path / "stat")
    assert idle_cores() is None


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000", 4), ("250000 100000", 3), ("50000 100000", 1), ("900000 100000", 4), ("", 4)],
)
def test_cores_are_those_that_the_process_may_use(
    quota: str, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    monkeypatch.setattr(threads, "QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 4, 6}, raising=False)
    assert available_cores() == cores


def test_workers_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """PyTorch has as many; TensorFlow and OpenMP are told."""
    source = (
        "import torch, os; print(torch.get_num_threads(), *(os.environ[name] for name in NAMES))"
    )
    names = ("OMP_WAIT_POLICY", "TF_NUM_INTRAOP_THREADS", "TF_CPP_MIN_LOG_LEVEL")
    (tmp_path / "stand_in.py").write_text(f"NAMES = {names!r}\n{source}\n")
    real = subprocess.Popen

    def start(command: list[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
        assert command[:3] == [sys.executable, "-P", "-m"]
        return real([sys.executable, str(tmp_path / "stand_in.py")], env=env)

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    assert launch.run_worker("plan.json", (), Threads(1, "active")) == 0
    assert capfd.readouterr().out.split() == ["1", "active", "1", "2"]


@pytest.mark.parametrize(
    ("computed", "count"),
    [
        ({"threads": 3}, 3),
        ({"threads": 0}, None),
        ({"threads": True}, None),
        ({"threads": "3"}, None),
        ({"threads": 10**9}, None),
        ({}, None),
        (None, None),
        ([], None),
    ],
)
def test_a_run_that_resumes_has_as_many_as_before(computed: object, count: int | None) -> None:
    assert recorded_threads(computed) == count
