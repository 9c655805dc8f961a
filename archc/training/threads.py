"""The threads of a worker, and how they wait for one another: chosen before it starts, and read by
the frameworks from its environment."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

WAITING = ("passive", "active")
"""Threads of OpenMP, PyTorch's on a CPU, sleep or spin while they wait. Spinning ones take the time
of a busy neighbour, who takes theirs, and a step many times as long; alone on a machine they are
faster by some percent."""
THREADS_VARIABLE = "OMP_NUM_THREADS"
WAITING_VARIABLE = "OMP_WAIT_POLICY"
TENSORFLOW_VARIABLES = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
MOST_THREADS = 1024
QUOTA = Path("/sys/fs/cgroup/cpu.max")


class Threads(NamedTuple):
    """The threads of each process, and how they wait."""

    number: int
    waiting: str

    def variables(self) -> dict[str, str]:
        """What the frameworks read of an environment."""
        names = (THREADS_VARIABLE, *TENSORFLOW_VARIABLES)
        return {**dict.fromkeys(names, str(self.number)), WAITING_VARIABLE: self.waiting}


def choose_threads(
    count: int | None, waiting: str | None, processes: int, environment: Mapping[str, str]
) -> Threads:
    """The threads that are asked for; else those that the environment asks for; else one for each
    core that this process may use, shared by the run's processes, which wait passively."""
    if count is None:
        count = _number(environment.get(THREADS_VARIABLE))
    if count is None:
        count = max(1, available_cores() // processes)
    return Threads(count, waiting or environment.get(WAITING_VARIABLE, WAITING[0]).lower())


def recorded_threads(computed: object) -> int | None:
    """The number of threads in what a run's record says that it is computed with: another number
    adds in another order, and gives other bits."""
    count = computed.get("threads") if isinstance(computed, dict) else None
    return count if type(count) is int and 0 < count <= MOST_THREADS else None


def available_cores() -> int:
    """The cores that this process may use: by its affinity, and by the share of a container."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # Linux
        cores = len(os.sched_getaffinity(0))
    with suppress(OSError, ValueError):  # no container, or one without a limit
        quota, period = map(int, QUOTA.read_text(encoding="ascii").split())
        cores = min(cores, max(1, math.ceil(quota / period)))
    return cores


def thread_count() -> int | None:
    """The threads that this process' environment asks for."""
    return _number(os.environ.get(THREADS_VARIABLE))


def waiting_policy() -> str:
    """How this process' environment lets threads wait."""
    return os.environ.get(WAITING_VARIABLE, "default").lower()


def _number(text: str | None) -> int | None:
    """The number of a variable, which may be a list, of which the first is meant."""
    first = (text or "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and 0 < int(first) <= MOST_THREADS else None
