"""Running workers in a child process, and the files of a run's folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from types import FrameType

from archc.files.reading import read_regular
from archc.files.signals import uninterrupted
from archc.training import trainable
from archc.training.task import trainer_of
from archc.training.threads import Threads, choose_threads, recorded_threads

SPEC = "spec.yaml"
"""The run's resolved network and recipe, from which scripts for other backends are emitted."""
RECORD = "run.json"
"""The record of a run, written at its start."""
LARGEST_RECORD = 1 << 26
FORWARDED = tuple(one for one in signal.Signals if one.name in ("SIGTERM", "SIGHUP"))
"""Signals that are forwarded to a worker. Windows has only the first one."""
WORKER = "archc.training.worker"
DEFAULTS = {"TF_CPP_MIN_LOG_LEVEL": "2"}
"""The environment of workers, where the user sets nothing else: TensorFlow logs errors alone."""


def missing(backend: str) -> str | None:
    """The first module that a backend's worker needs and that is not installed."""
    requires = trainer_of(backend).requires
    return next((name for name in requires if find_spec(name) is None), None)


def run_worker(plan: str, processes: Sequence[str] = (), threads: Threads | None = None) -> int:
    """Run the worker of a plan with this process' streams; `processes` are the arguments of a
    Python that starts several, `threads` by default as many as there are cores. Returns its exit
    code.

    Signals to terminate are forwarded to the worker, which saves a checkpoint and exits; a terminal
    sends Ctrl-C to both.
    """
    # What lies in the working directory is not imported, by processes started in turn either.
    threads = threads or choose_threads(None, None, 1, os.environ)
    environment = {**DEFAULTS, **threads.within(os.environ), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-P", *processes, "-m", WORKER, plan]
    received: list[int] = []
    running: list[subprocess.Popen[bytes]] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        for process in running:
            process.send_signal(number)

    with (
        _signal_handler(FORWARDED, forward),
        _signal_handler((signal.SIGINT,), _leave),
        _started(command, environment, is_alone=not processes) as process,
    ):
        running.append(process)
        for number in received[:1]:  # received before it was started
            process.send_signal(number)
        code = process.wait()
    return code if code >= 0 else 128 - code


def _started(
    command: Sequence[str], environment: Mapping[str, str], *, is_alone: bool
) -> subprocess.Popen[bytes]:
    """Start a worker, or what starts several. Signals wait until a worker that is alone has been
    imported: it can tell then that it was interrupted."""
    with uninterrupted() if is_alone else nullcontext():
        return subprocess.Popen(command, env=environment)


def _leave(_number: int, _frame: FrameType | None) -> None:
    """The worker gets the signal from the terminal."""


@contextmanager
def _signal_handler(
    numbers: Sequence[signal.Signals], handler: Callable[[int, FrameType | None], None]
) -> Iterator[None]:
    """Install a handler for signals, except for those that this process ignores."""
    previous = {number: signal.getsignal(number) for number in numbers}
    handled = [number for number in numbers if previous[number] != signal.SIG_IGN]
    for number in handled:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, previous[number])


def recorded_backend(run: str) -> str | None:
    """The backend of a run of `archc train`; None for other folders. A run may come from anywhere:
    its files are read as data, and none of them is run."""
    try:
        read_regular(os.path.join(run, SPEC), LARGEST_RECORD, root=run)
    except (OSError, ValueError):
        return None
    backend = _record(run).get("backend")
    return backend if isinstance(backend, str) and backend in trainable() else None


def recorded_count(run: str) -> int | None:
    """The number of threads of a run; None where its record has none."""
    return recorded_threads(_record(run).get("computed"))


def _record(run: str) -> dict[str, object]:
    """The record of a run, empty where it is none."""
    try:
        record = json.loads(read_regular(os.path.join(run, RECORD), LARGEST_RECORD, root=run))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
