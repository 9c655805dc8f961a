"""What whole processes take, from their start to their end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
LAUNCHER = str(Path(__file__).with_name("launcher.py"))
LIMIT = 600
"""Seconds of a process."""

# Compiled modules, as an installation has them.
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
    "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
    "CUDA_VISIBLE_DEVICES": "",
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


class Process(NamedTuple):
    """Seconds by the clock, seconds of the processor, MB of memory at most, exit code."""

    clock: float
    processor: float
    megabytes: float
    code: int


def run(
    command: list[str], folder: Path = ROOT, environment: Mapping[str, str] | None = None
) -> tuple[Process, str]:
    """What a command took, run in a folder with these variables besides, and what it printed."""
    with tempfile.TemporaryDirectory() as kept:
        usage = Path(kept, "usage")
        with Path(kept, "out").open("w+", encoding="utf-8") as out:
            subprocess.run(
                [sys.executable, "-S", LAUNCHER, str(usage), str(LIMIT), *command],
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**ENVIRONMENT, **(environment or {})},
                check=True,
            )
            out.seek(0)
            printed = out.read()
        return Process(*json.loads(usage.read_text("ascii"))), printed


class Times(NamedTuple):
    """What several runs of a command took: the median and the least of the clock, the least of the
    processor, and the largest MB."""

    clock: float
    least: float
    processor: float
    megabytes: float


def in_turns(rounds: int, commands: Mapping[str, Callable[[], Process]]) -> dict[str, Times]:
    """What each command takes. They take turns, so that all meet the same load; the first round,
    which fills the caches, does not count."""
    taken: dict[str, list[Process]] = {name: [] for name in commands}
    for _ in range(rounds + 1):
        for name, command in commands.items():
            taken[name].append(command())
    return {
        name: Times(
            median(one.clock for one in runs[1:]),
            min(one.clock for one in runs[1:]),
            min(one.processor for one in runs[1:]),
            max(one.megabytes for one in runs[1:]),
        )
        for name, runs in taken.items()
    }
