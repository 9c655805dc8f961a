"""The child processes of verifications, one a framework, which each loads once."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType

from archc.weights.sandbox import environment

MODULES = {
    "torch": "archc.verify.torch_side",
    "tensorflow": "archc.verify.keras_side",
    "jax": "archc.verify.keras_side",
}
"""What runs in the process of each framework."""

LONGEST_TOLD = 600


class WorkerError(Exception):
    """A child process cannot do its work."""


class Workers:
    """A process for each framework (`torch`, `tensorflow`, `jax`), from its first use to the end of
    `with`.

    Every process runs on the CPU, away from the user's folder and settings of Keras;
    `environment` are variables that it has beside those of this process.
    """

    def __init__(self, environment: Mapping[str, str] = MappingProxyType({})) -> None:
        self.environment = environment
        self.home = tempfile.TemporaryDirectory(prefix="archc-")
        self.processes: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, runtime: str) -> None:
        """Start the process of a framework, unless it runs."""
        if runtime not in self.processes:
            self.processes[runtime] = self._started(runtime)

    def run(self, runtime: str, folder: str) -> None:
        """Let a framework's process run what is in a folder. Raises WorkerError where it dies."""
        self.start(runtime)
        process = self.processes[runtime]
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(f"{os.path.abspath(folder)}\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if answer != "done\n":
            raise WorkerError(self._how_it_ended(runtime))

    def stop(self, runtime: str) -> None:
        """End a framework's process, so that its memory is free."""
        process = self.processes.pop(runtime)
        process.kill()
        with suppress(BrokenPipeError):
            process.communicate()

    def close(self) -> None:
        """End all processes, and remove what they leave."""
        for runtime in list(self.processes):
            self.stop(runtime)
        self.home.cleanup()

    def _log(self, runtime: str) -> str:
        return os.path.join(self.home.name, f"{runtime}.log")

    def _started(self, runtime: str) -> subprocess.Popen[str]:
        own = {"KERAS_BACKEND": runtime, "KERAS_HOME": self.home.name}
        with open(self._log(runtime), "wb") as log:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", MODULES[runtime]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self.home.name,
                env=environment({**self.environment, **own}),
                encoding="utf-8",
            )

    def _how_it_ended(self, runtime: str) -> str:
        """How a process ended, which is then forgotten: the next use starts another."""
        code = self.processes[runtime].wait()
        self.stop(runtime)
        with open(self._log(runtime), encoding="utf-8", errors="replace") as log:
            told = " ".join(log.read().split())
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        memory = " (out of memory?)" if code == -9 else ""
        return f"the process of {runtime} {how}{memory}: {told[-LONGEST_TOLD:]}"
