"""Writing drawings: all of them or none."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def replace_files(folder: Path, files: Mapping[str, bytes | None]) -> tuple[Path, ...]:
    """Put contents under their names into a folder, in place of what is there; the paths, in order.

    None removes a file. All are written beside their places and down to the disk before any is
    moved there: a full disk leaves everything as it was. Raises OSError with the file's path.
    """
    staged: list[tuple[Path, Path]] = []
    try:
        for name, content in files.items():
            if content is not None:
                staged.append((_stage(folder / name, content), folder / name))
        for _, path in staged:
            if _is_folder(path):  # the one thing that a move would stop at halfway
                raise IsADirectoryError(21, os.strerror(21), str(path))
        for beside, path in staged:
            os.replace(beside, path)
    except BaseException:
        for beside, _ in staged:
            with suppress(OSError):
                beside.unlink()
        raise
    for name, content in files.items():
        if content is None:
            with suppress(OSError):
                (folder / name).unlink()
    return tuple(path for _, path in staged)


def _stage(path: Path, content: bytes) -> Path:
    """A new file beside `path` with its content, on the disk."""
    beside = path.with_name(f".archc-{os.urandom(8).hex()}.tmp")
    try:
        with beside.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException as error:
        with suppress(OSError):
            beside.unlink()
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise
    return beside


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except FileNotFoundError:
        return False
