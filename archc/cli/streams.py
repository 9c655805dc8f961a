"""Writing to the standard streams: UTF-8 in every locale, closed pipes ignored."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import IO

from archc.diagnostics.ansi import wants_color


def use_utf8() -> None:
    """Write the same bytes in every locale; a terminal keeps its own encoding."""
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
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except OSError:
        return None


def write(text: str) -> None:
    """Write data to standard output. A closed pipe is not an error."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, "standard output is closed")
    _write(sys.stdout, text)


def print_message(text: str) -> None:
    """Print a message to standard error."""
    if text and sys.stderr is not None:
        _write(sys.stderr, text if text.endswith("\n") else f"{text}\n")


def _write(stream: IO[str], text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _silence(stream)
    except OSError:
        _silence(stream)
        raise


def _silence(stream: IO[str]) -> None:
    """Discard buffered output: Python would report the error again on exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, stream.fileno())
    finally:
        os.close(null)
