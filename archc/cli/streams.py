"""Writing to the standard streams: UTF-8 in every locale, closed pipes ignored.

A pipe whose reader has gone away is no error, and a standard error that is closed from the start
loses messages and nothing else. Output that cannot be written otherwise is an input/output error.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import IO, Any

from archc.diagnostics.ansi import wants_color


class _ClosedOutput(io.TextIOBase):
    """In place of a standard output that is closed."""

    def write(self, text: str) -> int:
        """Raises OSError."""
        raise OSError(errno.EBADF, "standard output is closed")


def prepare() -> None:
    """Write the same bytes in every locale; a terminal keeps its own encoding. Libraries that print
    to a standard output that is closed get an error."""
    if sys.stdout is None:
        sys.stdout = _ClosedOutput()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            if stream.isatty():
                stream.reconfigure(errors="replace")
            else:
                stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")


def colors(stream: IO[str] | None) -> bool:
    """Whether to write colours to a stream."""
    return wants_color(stream, os.environ)


def terminal_width() -> int | None:
    """The columns of the terminal; None if standard output is not a terminal."""
    if not sys.stdout.isatty():
        return None
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except OSError:
        return None


def write(content: str | bytes) -> None:
    """Write data to standard output. A closed pipe is not an error. Raises OSError."""
    if isinstance(content, bytes):
        _write(getattr(sys.stdout, "buffer", sys.stdout), content)
    elif content:
        _write(sys.stdout, content)


def print_message(text: str) -> None:
    """Print a message to standard error. Raises OSError where that is full."""
    if text and sys.stderr is not None:
        _write(sys.stderr, text if text.endswith("\n") else f"{text}\n")


def _write(stream: IO[Any], content: str | bytes) -> None:
    try:
        stream.write(content)
        stream.flush()
    except BrokenPipeError:
        discard(stream)
    except OSError:
        discard(stream)
        raise


def discard(stream: IO[Any]) -> None:
    """Discard buffered output, and all that follows: Python would report the error again on
    exit."""
    with suppress(OSError):
        number = stream.fileno()
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, number)
        finally:
            os.close(null)
