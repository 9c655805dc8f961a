"""The lock of a run's folder: one process trains in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from archc.training.errors import RunError
from archc.training.run.files import open_unlinked


@contextmanager
def locked_folder(run: Path) -> Iterator[None]:
    """Keep other processes that train from a run's folder; make it where it is not.

    One that was made and that nothing is written into is taken away again. Raises
    RunError where another process has it.
    """
    is_new = not run.exists()
    run.mkdir(parents=True, exist_ok=True)
    path = run / ".lock"
    with open_unlinked(path, "ab") as stream:
        if not lock_file(stream):
            message = f"{run} is being trained by another process"
            raise RunError(message)
        try:
            for left in run.glob(".*.part"):  # by a process that was killed
                left.unlink(missing_ok=True)
            yield
        finally:
            with suppress(OSError):
                path.unlink()
                if is_new:
                    run.rmdir()


def lock_file(stream: BinaryIO) -> bool:
    """Whether this process has a file alone from now on, until it ends in any way."""
    try:
        import fcntl  # Windows has none: runs are not locked there
    except ImportError:
        return True
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    # The process that had it may have removed it since it was opened here.
    return os.fstat(stream.fileno()).st_nlink > 0
