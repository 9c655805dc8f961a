"""The lock of a run's folder: one process trains in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from archc.files.locks import is_at, try_lock
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
    with _locked(run, path) as stream:
        try:
            yield
        finally:
            with suppress(OSError):
                # It may have been removed meanwhile: then there may be another process' own.
                if is_at(stream.fileno(), str(path)):
                    path.unlink()
                if is_new:
                    run.rmdir()


def _locked(run: Path, path: Path) -> BinaryIO:
    """The file that this process has alone from now on, until it ends in any way."""
    while True:
        stream = open_unlinked(path, "ab")
        try:
            locked = try_lock(stream.fileno())
        except OSError:  # a system, or a file system, without locks
            return stream
        if locked and is_at(stream.fileno(), str(path)):
            return stream
        stream.close()
        if not locked:
            message = f"{run} is being trained by another process"
            raise RunError(message)
        # The process that had it removed it after it was opened here.
