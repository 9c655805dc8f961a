"""The threads of workers: how many, and how they wait."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from archc.training import launch, threads
from archc.training.threads import Threads, available_cores, choose_threads, recorded_threads


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
    assert choose_threads(count, waiting, processes, environment) == chosen


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
