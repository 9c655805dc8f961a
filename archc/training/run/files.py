"""Writing files so that each is complete or absent."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from archc.files import OutputError, staging
from archc.training.errors import RunError

EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip archive can have."""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let what the system refuses while a file is written tell the file."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file beside its place, down to the disk, and put it there in one move.

    Whatever happens meanwhile, the place holds the old file or the new one. Raises RunError where
    something else than a regular file is in the place, and OSError with the place's name.
    """
    try:
        with naming(path), staging(str(path)) as temporary, open(temporary, "wb") as stream:
            write(stream)
    except OutputError as error:
        raise RunError(str(error)) from None


def open_unlinked(path: Path, mode: Literal["ab", "wb"]) -> BinaryIO:
    """Open a file of a run for writing, which may come from anywhere: a link in its place is not
    followed, to a file that it would overwrite. Raises OSError."""

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)

    return open(path, mode, opener=opener)


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8, whole or not at all."""
    write_whole(path, lambda stream: stream.write(text.encode()))


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an .npz file whole or not at all: the same bytes for the same arrays."""

    def write(stream: BinaryIO) -> None:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for name, array in arrays.items():
                # NumPy's own writer has the time in it.
                info = zipfile.ZipInfo(f"{name}.npy", EARLIEST)
                with archive.open(info, "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.ascontiguousarray(array))

    write_whole(path, write)
