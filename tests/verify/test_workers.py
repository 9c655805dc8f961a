"""Processes that run emitted networks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archc.verify.workers import Process, Workers


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
