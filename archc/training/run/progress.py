"""Progress reports during training, and requests to stop."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TextIO

from archc.training.run.metrics import EpochRecord

DRAWN_SECONDS = 0.1  # between two drawings of the progress line


class Progress:
    """Tells how training goes: a line an epoch; when quiet, nothing.

    On a terminal one more, drawn again and again.
    """

    def __init__(
        self,
        steps: int,
        done: int,
        *,
        quiet: bool,
        stream: TextIO = sys.stderr,
    ) -> None:
        """Begin with `done` of all `steps`."""
        self.steps = steps
        self.stream = stream
        self.is_quiet = quiet
        self.draws = not quiet and stream.isatty()
        self.began = time.perf_counter()
        self.first = done
        self.drawn = self.began
        self.images = 0

    def step(self, epoch: int, step: int, images: int, loss: Callable[[], float]) -> None:
        """Tell of a step that is done; `loss` is asked for its value to be drawn."""
        self.images += images
        now = time.perf_counter()
        if not self.draws or now - self.drawn < DRAWN_SECONDS:
            return
        self.drawn = now
        seconds = now - self.began
        left = seconds / (step - self.first) * (self.steps - step)
        columns = terminal_columns(self.stream)
        told = f"  {self.images / seconds:,.0f} images/s  loss {loss():.4f}  {clock(left)} left"
        head = f"epoch {epoch} "
        width = max(0, min(40, columns - 1 - len(head) - len(told) - 2))
        filled = width * step // self.steps
        bar = f"[{'#' * filled}{'.' * (width - filled)}]" if width else ""
        self.write(f"\r{(head + bar + told)[: columns - 1]}\x1b[K")

    def epoch(self, record: EpochRecord, *, best: bool) -> None:
        """Tell what an epoch came to."""
        told = [f"epoch {record.epoch:3}", f"loss {record.training.loss:.4f}"]
        told.append(f"accuracy {record.training.accuracy:.2%}")
        if record.validation is not None:
            told.append(f"validation loss {record.validation.loss:.4f}")
            told.append(f"accuracy {record.validation.accuracy:.2%}")
        told.append(f"{record.samples_per_second:,.0f} images/s")
        told.append(f"{record.seconds:.1f} s")
        self.say("  ".join(told) + "  best" * best)

    def close(self) -> None:
        """Clear the line that was drawn, for what comes after it."""
        if self.draws:
            self.write("\r\x1b[K")

    def say(self, text: str) -> None:
        """Tell something on a line of its own."""
        clear = "\r\x1b[K" if self.draws else ""
        self.write(f"{clear}{text}\n")

    def write(self, text: str) -> None:
        """Write to the stream; that nobody reads is no reason to end."""
        if not self.is_quiet:
            with suppress(OSError):
                self.stream.write(text)
                self.stream.flush()


def resumption(epochs: int, steps: int) -> str:
    """After what a run resumes."""
    return f"resumes after {epochs} epochs" + f" and {steps} steps" * (steps > 0)


def terminal_columns(stream: TextIO) -> int:
    """How wide a terminal is."""
    with suppress(OSError):
        return os.get_terminal_size(stream.fileno()).columns or 80
    return 80


def clock(seconds: float) -> str:
    """A time as hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


class StopRequest:
    """Whether Ctrl-C or SIGTERM asked to stop. A second Ctrl-C ends at once."""

    def __init__(self) -> None:
        self.made = False

    def make(self, number: int, _frame: FrameType | None) -> None:
        """Take a signal."""
        if self.made and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.made = True


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Within it a request to stop is noted, for the loop to look at after a step."""
    request = StopRequest()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, request.make) for number in numbers}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
