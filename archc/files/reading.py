"""Reading files that somebody else may have put there: regular files alone, reached without links,
of a bounded size. A pipe never blocks, and a device is never read."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

LARGEST = 1 << 28
"""Bytes of a file below an output folder that are read."""


class OutputError(Exception):
    """A file cannot be written, or compared, where it should be. `hint` is a way out."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message} ({self.hint})"


def read_regular(path: str, limit: int, *, root: str | None = None) -> bytes:
    """At most `limit` bytes of the regular file at `path`.

    With `root`, it must be inside that folder after resolving links, and must be neither a symbolic
    link nor one of several hard links. Raises OSError, and ValueError for a path that is none.
    """
    if root is not None and not _is_inside(path, root):
        raise PermissionError(errno.EPERM, "it is outside the root folder", path)
    # Opening a FIFO for reading would wait for a writer.
    flags = getattr(os, "O_NONBLOCK", 0) | (0 if root is None else getattr(os, "O_NOFOLLOW", 0))
    if root is not None and os.path.islink(path):  # also where the system has no O_NOFOLLOW
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    with open(path, "rb", opener=lambda name, mode: os.open(name, mode | flags)) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise PermissionError(errno.EPERM, "it is not a regular file", path)
        if root is not None and status.st_nlink != 1:
            raise PermissionError(errno.EPERM, "the file has several hard links", path)
        return file.read(limit)


def _is_inside(path: str, root: str) -> bool:
    folder = os.path.join(os.path.realpath(root), "")
    # The folder as well as the file: a link from outside that points back in is still outside.
    parent = os.path.join(os.path.realpath(os.path.dirname(path) or "."), "")
    return os.path.realpath(path).startswith(folder) and parent.startswith(folder)


def read_below(folder: str, path: str) -> bytes | None:
    """The content of a file by its relative path below a folder; None where there is none.

    Raises OutputError for anything but folders and a regular file on the way, for a file with
    several names (hard links) and for one of more than 256 MiB, and OSError.
    """
    check_path(folder, path)
    target = os.path.join(folder, path)
    try:
        if os.lstat(target).st_nlink != 1:
            raise OutputError(f"{target} has several hard links", _WAY_OUT)
        content = read_regular(target, LARGEST + 1, root=folder)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if len(content) > LARGEST:
        raise OutputError(f"{target} is larger than {LARGEST >> 20} MiB", _WAY_OUT)
    return content


_WAY_OUT = "remove it, or choose another folder"


def is_inside(path: str) -> bool:
    """Whether a relative path stays inside the folder that it is relative to."""
    return not os.path.isabs(path) and all(
        part not in ("", ".", "..") and "\0" not in part for part in path.split("/")
    )


def check_path(folder: str, path: str) -> None:
    """Reject a path that leaves the folder, and anything but folders and a file on the way. Raises
    OutputError."""
    if not is_inside(path):
        raise OutputError(f"{path} does not lie inside the output folder")
    parts = path.split("/")
    prefix = folder
    for index, part in enumerate(parts):
        prefix = os.path.join(prefix, part)
        try:
            mode = os.lstat(prefix).st_mode
        except FileNotFoundError:
            return
        if stat.S_ISLNK(mode):
            raise OutputError(f"{prefix} is a symbolic link", _WAY_OUT)
        if index < len(parts) - 1 and not stat.S_ISDIR(mode):
            raise OutputError(f"{prefix} is not a folder", _WAY_OUT)
        if index == len(parts) - 1 and not stat.S_ISREG(mode):
            raise OutputError(f"{prefix} is not a regular file", _WAY_OUT)


def files_below(folder: str, suffix: str) -> Iterator[str]:
    """The paths of the regular files below a folder whose names end in `suffix`, sorted within each
    folder. Links are not followed, and hidden names are passed over."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = os.path.join(parent, name)
            if name.endswith(suffix) and not name.startswith(".") and _is_regular(path):
                yield path


def _is_regular(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False
