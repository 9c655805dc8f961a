"""The threads of a worker, and how they wait for one another: chosen before it starts, and read by
the frameworks from its environment."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PASSIVE, BRIEF = "passive", "brief"
WAITING = (PASSIVE, BRIEF, "active")
"""How threads of OpenMP, PyTorch's on a CPU, wait for one another: they sleep, spin for some
milliseconds before they do, as is OpenMP's default, or spin. Spinning ones take the time of a busy
neighbour, who takes theirs, and a step many times as long; sleeping ones are woken late, and a
small network takes a fourth more time alone on a machine. Either wait for the one whose core the
neighbour has: one thread fewer takes half the time of any of them."""
THREADS_VARIABLE = "OMP_NUM_THREADS"
WAITING_VARIABLE = "OMP_WAIT_POLICY"
TENSORFLOW_VARIABLES = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
MOST_THREADS = 1024
QUOTA = Path("/sys/fs/cgroup/cpu.max")
TIMES = Path("/proc/stat")
"""What the cores did since the start of the machine, on Linux."""
OBSERVED_SECONDS = 0.2
SMALLEST_LOAD = 0.25
"""Cores that others may take of a machine that is called idle."""


class Threads(NamedTuple):
    """The threads of each process, how they wait, and how many cores have none for it because
    others use them."""

    number: int
    waiting: str
    busy: int = 0

    def within(self, environment: Mapping[str, str]) -> dict[str, str]:
        """An environment in which the frameworks read them."""
        names = (THREADS_VARIABLE, *TENSORFLOW_VARIABLES)
        changed = {**environment, **dict.fromkeys(names, str(self.number))}
        changed[WAITING_VARIABLE] = self.waiting
        if self.waiting == BRIEF:
            del changed[WAITING_VARIABLE]
        return changed


def choose_threads(
    count: int | None,
    waiting: str | None,
    processes: int,
    environment: Mapping[str, str],
    idle: Callable[[], float | None] = lambda: None,
) -> Threads:
    """The threads that are asked for; else those that the environment asks for; else one for each
    core that this process may use and that is idle, shared by the run's processes. They wait
    briefly where so many cores are `idle` that each has one, and passively beside others and where
    nothing is known of them."""
    if count is None:
        count = _number(environment.get(THREADS_VARIABLE))
    waiting = waiting or environment.get(WAITING_VARIABLE, "").lower()
    free = None if count and waiting else idle()
    busy = 0
    if count is None:
        cores = available_cores()
        busy = 0 if free is None else max(0, cores - max(processes, round(free)))
        count = max(1, (cores - busy) // processes)
    if not waiting:
        is_alone = free is not None and count * processes <= free + SMALLEST_LOAD
        waiting = BRIEF if is_alone else PASSIVE
    return Threads(count, waiting, busy)


def idle_cores() -> float | None:
    """The cores of the machine that nobody uses at the moment; None where the system does not
    tell."""
    before = _core_times()
    time.sleep(OBSERVED_SECONDS)
    spent = [after - one for after, one in zip(_core_times(), before, strict=True)]
    if sum(spent) <= 0:
        return None
    # Of user, nice, system, idle, iowait and others.
    return sum(spent[3:5]) / sum(spent) * (os.cpu_count() or 1)


def _core_times() -> list[int]:
    """The time that all cores together have spent in each way, in some unit: empty where the
    system does not tell."""
    with suppress(OSError, ValueError), TIMES.open(encoding="ascii") as stream:
        # What guests took, from the ninth on, is in user and nice already.
        return [*map(int, stream.readline().split()[1:9])]
    return []


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
    return os.environ.get(WAITING_VARIABLE, BRIEF).lower()


def _number(text: str | None) -> int | None:
    """The number of a variable, which may be a list, of which the first is meant."""
    first = (text or "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and 0 < int(first) <= MOST_THREADS else None
