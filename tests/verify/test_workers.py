"""Processes that run emitted networks."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from archc.verify.workers import Process, WorkerError, Workers


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="the system has no /proc")
def test_emitted_code_runs_outside_the_user_s_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it writes without a path is not left there, and no module there is imported."""
    monkeypatch.chdir(tmp_path)
    with Workers() as workers:
        workers.start(Process("archc.backends.torch.runner", "torch"))
        (process,) = workers.processes.values()
        home = os.readlink(f"/proc/{process.pid}/cwd")
        assert Path(home) == Path(workers.home.name).resolve() != tmp_path
    assert process.returncode is not None
    assert not Path(home).exists()


@pytest.mark.parametrize(
    ("module", "told"),
    [("this", "ended with exit code 0: "), ("tarfile", "ended with exit code 2: u")],
)
def test_a_process_that_ends_early_says_how(tmp_path: Path, module: str, told: str) -> None:
    """Modules of Python's own, which know no network: the second tells its usage."""
    with Workers() as workers, pytest.raises(WorkerError) as error:
        workers.run(Process(module, "torch"), str(tmp_path))
    assert str(error.value).startswith(f"the process of torch {told}")


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (signal.SIGKILL, "was killed by signal 9 (out of memory?): "),
        (signal.SIGTERM, "was killed by signal 15: "),
    ],
)
def test_a_process_that_is_killed_says_by_what(
    tmp_path: Path, number: signal.Signals, told: str
) -> None:
    key = Process("archc.backends.torch.runner", "torch")
    with Workers() as workers:
        workers.start(key)
        workers.processes[key].send_signal(number)
        with pytest.raises(WorkerError) as error:
            workers.run(key, str(tmp_path))
    assert str(error.value).startswith(f"the process of torch {told}")
