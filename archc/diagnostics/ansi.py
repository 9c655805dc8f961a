"""Plain ANSI colours, and whether a stream wants any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def paint(text: str, style: str) -> str:
    """`text` in a style: bold, dim, red, green, yellow or cyan."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def wants_color(stream: IO[str] | None, environ: Mapping[str, str]) -> bool:
    """NO_COLOR says no, then CLICOLOR_FORCE says yes, then it takes a terminal."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    return stream is not None and stream.isatty() and environ.get("TERM") != "dumb"
