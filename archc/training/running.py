"""Running training scripts in a process of their own, and what a run's folder holds of archc's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec

SPEC = "spec.yaml"
"""The run's network and recipe, resolved: what another backend's script is made from."""
RECORD = "run.json"
"""What a script writes of a run at its start."""
NEEDED = {"keras": ("keras", "numpy", "safetensors"), "torch": ("torch", "numpy", "safetensors")}
"""What the script of each backend imports."""


def script_name(name: str) -> str:
    """The file of a network's training script."""
    return f"{name}_train.py"


def missing(backend: str) -> str | None:
    """The first module that a backend's script imports and that is not installed."""
    return next((name for name in NEEDED[backend] if find_spec(name) is None), None)


def run_script(path: str, arguments: Sequence[str]) -> int:
    """Run a script, which writes to this process' streams; its exit code. An interruption goes to
    it alone: it saves and ends."""
    # TensorFlow tells at its start what processor it runs on.
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ}
    command = [sys.executable, "-P", path, *arguments]
    with subprocess.Popen(command, env=environment) as process:
        while True:
            try:
                code = process.wait()
                break
            except KeyboardInterrupt:
                continue
    return code if code >= 0 else 128 - code


def scripts_in(run: str) -> list[str]:
    """The training scripts in a run's folder."""
    found: list[str] = []
    with suppress(OSError):
        found = sorted(name for name in os.listdir(run) if name.endswith("_train.py"))
    return [os.path.join(run, name) for name in found]
