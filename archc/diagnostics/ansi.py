"""ANSI colours, and whether to write them to a stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def paint(text: str, style: str) -> str:
    """`text` in a style: bold, dim, red, green, yellow or cyan."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def wants_color(stream: IO[str] | None, environ: Mapping[str, str]) -> bool:
    """Whether to write colours: NO_COLOR, then FORCE_COLOR and CLICOLOR_FORCE, then whether it is a
    terminal."""
    if environ.get("NO_COLOR"):
        return False
    if any(environ.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return stream is not None and stream.isatty() and environ.get("TERM") != "dumb"
