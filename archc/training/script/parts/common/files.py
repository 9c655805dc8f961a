"""Writing files so that each is whole or not there, and a run by one process."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from archc.training.script.parts.common.faults import RunError


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let what the system refuses while a file is written tell the file."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file beside its place, down to the disk, and put it there in one move.

    Whatever happens meanwhile, the place holds the old file or the new one. Raises
    OSError with the place's name.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    with naming(path):
        try:
            with beside.open("xb") as stream:
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
            beside.replace(path)
        except BaseException:
            with suppress(OSError):
                beside.unlink()
            raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Let a folder's new names reach the disk, where the system can do that."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8, whole or not at all."""
    write_whole(path, lambda stream: stream.write(text.encode()))


@contextmanager
def locked_folder(run: Path) -> Iterator[None]:
    """Keep other processes that train from a run's folder; make it where it is not.

    One that was made and that nothing is written into is taken away again. Raises
    RunError where another process has it.
    """
    is_new = not run.exists()
    run.mkdir(parents=True, exist_ok=True)
    path = run / ".lock"
    with path.open("ab") as stream:
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
