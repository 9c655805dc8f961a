"""Signals that ask archc to end: what it has begun is cleaned up first, as after Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

from archc.files.signals import ENDING


class Interruption(KeyboardInterrupt):
    """Ctrl-C, as a class of its own: where Python's has left a text that was executed, as every
    frozen dataclass is while its module is imported, the process ends by the signal and not with
    its exit code, even if the exception was caught since."""


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
    """Raise Termination in the block on these signals and Interruption on Ctrl-C, except for those
    that the process ignores (`nohup`) or handles already."""
    if current_thread() is not main_thread():  # no other one may have handlers
        yield
        return
    received: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        raise _exception(number)

    defaults = (signal.SIG_DFL, signal.default_int_handler)
    before = {number: signal.getsignal(number) for number in ENDING}
    handled = {number: one for number, one in before.items() if one in defaults}
    for number in handled:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
    if received:  # and swallowed, as Python does in callbacks of its own
        raise _exception(received[0])


def _exception(number: int) -> BaseException:
    return Interruption() if number == signal.SIGINT else Termination(number)
