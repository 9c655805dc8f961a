"""Writing files: all of them or none, and never over what somebody else wrote."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

from archc.files.reading import OutputError, read_below
from archc.files.staging import Workspace, digest, has_workspaces, staging, workspace

__all__ = [
    "OutputError",
    "OutputFolder",
    "differences",
    "digest",
    "foreign_files",
    "is_up_to_date",
    "locked",
    "replace_files",
    "staging",
    "write_files",
]

_WORKSPACE = "build"
_MOST_LINES = 10_000
"""Lines of a file that are compared one by one: the time grows with their square."""


Content = str | bytes
"""What a file holds: text, which is written as UTF-8, or bytes."""


def data_of(content: Content) -> bytes:
    """The bytes of a file."""
    return content if isinstance(content, bytes) else content.encode("utf-8")


class OutputFolder:
    """A folder that no other process of archc writes to."""

    def __init__(self, space: Workspace) -> None:
        self._space = space

    def write(
        self,
        files: Mapping[str, Content],
        *,
        digests: Mapping[str, str] | None = None,
        force: bool = False,
        remove: Collection[str] = (),
    ) -> list[str]:
        """As `write_files`; in the same step, the files at the paths `remove` are removed, if they
        still have their digests."""
        folder, digests = self._space.folder, digests or {}
        contents: dict[str, bytes | None] = {}
        for path, content in files.items():
            data = data_of(content)
            old = read_below(folder, path)
            if old == data:
                continue
            if old is not None and not force and digest(old) != digests.get(path):
                raise _foreign(folder, path, digests)
            contents[path] = data
        written = [os.path.join(folder, path) for path in contents]
        for path in remove:
            old = read_below(folder, path)
            if old is not None and digest(old) == digests.get(path):
                contents[path] = None
        self._space.replace(contents)
        return written


@contextmanager
def locked(folder: str) -> Iterator[OutputFolder]:
    """A folder to write to, made where it is missing, once no other process writes to it: what the
    block reads there is what it replaces. Signals act when the block has ended. Raises OutputError,
    OSError."""
    with workspace(folder, _WORKSPACE) as space:
        yield OutputFolder(space)


def write_files(
    files: Mapping[str, Content],
    folder: str,
    *,
    digests: Mapping[str, str] | None = None,
    force: bool = False,
) -> list[str]:
    """Write files under `folder`, by their relative paths; those written, in order.

    A file that holds its content already is left alone. `digests` are those of what archc wrote
    last, by relative path: a file that still has its digest is replaced. Raises OutputError for any
    other file that exists (unless `force`) and for a symbolic link on the way, and OSError.
    """
    with locked(folder) as output:
        return output.write(files, digests=digests, force=force)


def replace_files(folder: str, contents: Mapping[str, bytes | None]) -> list[str]:
    """Put contents under their names into a folder, in place of what is there, all or none; None
    removes a file. The paths of those written, in order.

    Raises OutputError for anything but a regular file in the way, and OSError with the target's
    path, also where the folder does not exist.
    """
    os.stat(folder or os.curdir)
    with workspace(folder, _WORKSPACE) as space:
        space.replace(contents)
    return [os.path.join(folder, name) for name, new in contents.items() if new is not None]


def is_up_to_date(files: Mapping[str, Content], folder: str) -> bool:
    """Whether all files hold their contents, and no process writes to the folder or has died while
    it did. Raises OutputError, OSError."""
    contents = files.items()
    same = all(read_below(folder, path) == data_of(content) for path, content in contents)
    return same and not has_workspaces(folder)


def foreign_files(
    files: Mapping[str, Content], folder: str, digests: Mapping[str, str]
) -> list[OutputError]:
    """Why `write_files` would not overwrite files that are on disk."""
    errors: dict[str, OutputError] = {}
    for path, content in files.items():
        try:
            old = read_below(folder, path)
            if old not in (None, data_of(content)) and digest(old or b"") != digests.get(path):
                raise _foreign(folder, path, digests)
        except OutputError as error:
            errors.setdefault(error.message, error)  # once for a folder that is a link
    return list(errors.values())


def _foreign(folder: str, path: str, digests: Mapping[str, str]) -> OutputError:
    reason = "was not written by archc" if path not in digests else "was edited"
    return OutputError(f"{os.path.join(folder, path)} {reason}", "--force overwrites it")


Reader = Callable[[bytes], str]
"""From the bytes of a file to text that shows them. Raises ValueError for other bytes."""


def differences(
    files: Mapping[str, Content], folder: str, readers: Mapping[str, Reader] | None = None
) -> str:
    """The unified difference from the files on disk to those that would be written; empty where
    there is none. Control characters are escaped. Files of bytes are shown by their paths'
    `readers`. Nothing is told of what is no regular file, or is reached through a link:
    `foreign_files` has these."""
    from difflib import unified_diff

    from archc.diagnostics import visible

    lines: list[str] = []
    for path, content in files.items():
        target = os.path.join(folder, path)
        new = data_of(content)
        try:
            old = read_below(folder, path)
        except OutputError:
            continue
        if old == new:
            continue
        name = target.replace(os.sep, "/")
        before = "/dev/null" if old is None else name
        reader = (readers or {}).get(path)
        a, b = _lines("" if old is None else _text(old, reader)), _lines(_text(new, reader))
        if a == b:
            lines += [f"--- {before}", f"+++ {name}", "the same in other bytes"]
        elif a and max(len(a), len(b)) > _MOST_LINES:
            lines += [f"--- {before}", f"+++ {name}", f"{len(a):,} lines become {len(b):,}"]
        else:
            lines += unified_diff(a, b, before, name, lineterm="")
    return "".join(f"{visible(line)}\n" for line in lines)


def _text(data: bytes, reader: Reader | None) -> str:
    """The text of a file, or what stands for it."""
    if reader is None:
        return data.decode("utf-8", errors="backslashreplace")
    try:
        return reader(data)
    except ValueError as error:
        return f"({len(data):,} bytes that cannot be read: {error})\n"


def _lines(text: str) -> list[str]:
    if not text:
        return []
    lines = text.split("\n")
    if lines[-1]:
        return [*lines[:-1], f"{lines[-1]} (no newline at the end)"]
    return lines[:-1]
