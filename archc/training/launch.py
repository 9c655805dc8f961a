"""Running training scripts in a process of their own, and what a run's folder holds of archc's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from types import FrameType

from archc import backends
from archc.training import trainable

SPEC = "spec.yaml"
"""The run's network and recipe, resolved: what another backend's script is made from."""
RECORD = "run.json"
"""What a script writes of a run at its start."""
LARGEST_RECORD = 1 << 26
HANDED_ON = tuple(one for one in signal.Signals if one.name in ("SIGTERM", "SIGHUP"))
"""Signals that a script gets when this process does. Windows has the first alone."""


def script_name(name: str) -> str:
    """The file of a network's training script."""
    return f"{name}_train.py"


def missing(backend: str) -> str | None:
    """The first module that a backend's script imports and that is not installed."""
    trainer = backends.backend(backend).trainer
    requires = () if trainer is None else trainer.requires
    return next((name for name in requires if find_spec(name) is None), None)


def run_script(path: str, arguments: Sequence[str]) -> int:
    """Run a script, which writes to this process' streams; its exit code. What asks this process to
    end is handed on to it, and it saves and ends; a terminal's Ctrl-C reaches it by itself."""
    # TensorFlow tells at its start what processor it runs on.
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ}
    command = [sys.executable, "-P", path, *arguments]
    asked: list[int] = []
    started: list[subprocess.Popen[bytes]] = []

    def hand_on(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        for process in started:
            process.send_signal(number)

    with (
        _handled(HANDED_ON, hand_on),
        _handled((signal.SIGINT,), _leave),
        subprocess.Popen(command, env=environment) as process,
    ):
        started.append(process)
        for number in asked[:1]:  # before it was there
            process.send_signal(number)
        code = process.wait()
    return code if code >= 0 else 128 - code


def _leave(_number: int, _frame: FrameType | None) -> None:
    """The script has the signal too."""


@contextmanager
def _handled(
    numbers: Sequence[signal.Signals], handler: Callable[[int, FrameType | None], None]
) -> Iterator[None]:
    """Have signals handled so within it, but for those that this process is to ignore."""
    before = {number: signal.getsignal(number) for number in numbers}
    taken = [number for number in numbers if before[number] != signal.SIG_IGN]
    for number in taken:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])


def recorded_backend(run: str) -> str | None:
    """What a run was trained with, of a run that `archc train` began; else None. A run may come
    from anywhere: its files are read as data, its script is not run."""
    files = [os.path.join(run, name) for name in (RECORD, SPEC)]
    if not all(map(os.path.isfile, files)):  # opened, a pipe would wait
        return None
    try:
        with open(files[0], "rb") as stream:
            record = json.loads(stream.read(LARGEST_RECORD))
    except (ValueError, RecursionError):
        return None
    backend = record.get("backend") if isinstance(record, dict) else None
    return backend if isinstance(backend, str) and backend in trainable() else None
