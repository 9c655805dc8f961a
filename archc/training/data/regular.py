"""Opening files of data, which may come from anywhere: regular files alone, and none that a link
leads to outside of the folder that is read."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from archc.training.errors import DataError


def open_regular(path: Path) -> BinaryIO:
    """Open a file to read its bytes. A pipe never blocks, and a device is never read. Raises
    DataError for anything but a regular file, OSError."""
    check_regular(path, path.stat().st_mode)  # a socket cannot be opened

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))

    with ExitStack() as stack:
        stream = stack.enter_context(open(path, "rb", opener=opener))
        check_regular(path, os.fstat(stream.fileno()).st_mode)
        stack.pop_all()
    return stream


def check_regular(path: Path, mode: int) -> None:
    """Refuse folders, pipes, sockets and devices."""
    if not stat.S_ISREG(mode):
        raise DataError(path, "is not a regular file")


def check_inside(path: Path, root: Path) -> None:
    """Refuse what a link leads to outside of a folder, `root`, without links in its path."""
    if not path.resolve().is_relative_to(root):
        raise DataError(path, "is a link that leads out of the folder")
