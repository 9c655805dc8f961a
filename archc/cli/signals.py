"""Signals that ask archc to end: what it has begun is cleaned up first, as after Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

ENDING = tuple(one for one in signal.Signals if one.name in ("SIGTERM", "SIGHUP"))
"""Windows has no SIGHUP. Ctrl-C is Python's own KeyboardInterrupt."""


class Termination(BaseException):
    """A signal that ends the process. Like KeyboardInterrupt it passes handlers of errors."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def exit_code(self) -> int:
        """128 and the signal's number, as in shells."""
        return 128 + self.number


@contextmanager
def termination() -> Iterator[None]:
    """Raise Termination in the block on these signals, except for those that the process ignores
    (`nohup`) or handles already."""
    if current_thread() is not main_thread():  # no other one may have handlers
        yield
        return
    received: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        raise Termination(number)

    handled = [one for one in ENDING if signal.getsignal(one) == signal.SIG_DFL]
    for number in handled:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, signal.SIG_DFL)
    if received:  # and swallowed, as Python does in callbacks of its own
        raise Termination(received[0])
