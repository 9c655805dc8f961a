"""Signals that end a process, held back while files are put in place."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

ENDING = tuple(one for one in signal.Signals if one.name in ("SIGINT", "SIGTERM", "SIGHUP"))
"""Signals that ask a process to end. Windows has no SIGHUP."""


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back signals of this thread: they act when the block has ended. Where the system cannot
    (on Windows) they act at once."""
    yield from _with_mask("SIG_BLOCK")


@contextmanager
def interruptible() -> Iterator[None]:
    """Let signals act again inside of an uninterrupted block; those held back act at its start."""
    yield from _with_mask("SIG_UNBLOCK")


def _with_mask(change: str) -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(getattr(signal, change), ENDING)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
