"""Locks on open files, which end with the process that holds them, however it ends."""

from __future__ import annotations

import errno
import os
from importlib import import_module
from typing import Any

_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


def try_lock(descriptor: int) -> bool:
    """Lock an open file for this process alone; whether no other one has it.

    Raises OSError where the system or the file system has no locks.
    """
    system = _system()
    try:
        if system.__name__ == "fcntl":
            system.flock(descriptor, system.LOCK_EX | system.LOCK_NB)
        else:
            system.locking(descriptor, system.LK_NBLCK, 1)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True


def is_at(descriptor: int, path: str) -> bool:
    """Whether an open file is still the one at a path. A lock on another one keeps nobody away: the
    process that had it, or somebody else, has removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _system() -> Any:
    """The system's module of locks: `fcntl`, or `msvcrt` on Windows."""
    for name in ("fcntl", "msvcrt"):
        try:
            return import_module(name)
        except ImportError:
            continue
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
