"""The child processes of verifications, one for each runtime, which loads its framework once."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType

from archc.backends.runtime.sandbox import environment
from archc.verify.runtimes import Process

LOG_TAIL = 600
"""Characters of the end of a log that an error quotes."""


class WorkerError(Exception):
    """A child process failed, or misses a module."""


class Workers:
    """A process for each runtime, from its first use to the end of `with`.

    Every process runs on the CPU, outside the user's folder; `environment` are variables that it
    has in addition to those of this process.
    """

    def __init__(self, environment: Mapping[str, str] = MappingProxyType({})) -> None:
        self.environment = environment
        self.home = tempfile.TemporaryDirectory(prefix="archc-")
        self.processes: dict[Process, subprocess.Popen[str]] = {}

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, key: Process) -> None:
        """Start a process, unless it is running."""
        if key not in self.processes:
            self.processes[key] = self._spawn(key)

    def run(self, key: Process, folder: str) -> None:
        """Let a process run the network in a folder. Raises WorkerError where it dies."""
        self.start(key)
        process = self.processes[key]
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(f"{os.path.abspath(folder)}\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if answer != "done\n":
            raise WorkerError(self._exit_reason(key))

    def stop(self, key: Process) -> None:
        """Stop a process, which frees its memory."""
        process = self.processes.pop(key)
        process.kill()
        with suppress(BrokenPipeError):
            process.communicate()

    def close(self) -> None:
        """Stop all processes, and remove their files."""
        for key in list(self.processes):
            self.stop(key)
        self.home.cleanup()

    def _log(self, key: Process) -> str:
        return os.path.join(self.home.name, f"{key.module}.{key.runtime}.log")

    def _spawn(self, key: Process) -> subprocess.Popen[str]:
        with open(self._log(key), "wb") as log:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", key.module, key.runtime],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self.home.name,
                env=environment(self.environment),
                encoding="utf-8",
            )

    def _exit_reason(self, key: Process) -> str:
        """How a process ended. It is removed, so that the next use starts another."""
        code = self.processes[key].wait()
        self.stop(key)
        with open(self._log(key), encoding="utf-8", errors="replace") as log:
            text = " ".join(log.read().split())
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        memory = " (out of memory?)" if code == -9 else ""
        return f"the process of {key.runtime} {how}{memory}: {text[-LOG_TAIL:]}"
