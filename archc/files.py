"""Writing files: all of them or none, and never over what somebody else wrote.

Every file is staged beside its target and renamed once all are staged; whatever interrupts that,
the folder is left as it was.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

_LONGEST_ENDING = 40
"""Characters of a target's name that its staged file ends in: its suffixes among them."""


class OutputError(Exception):
    """A file cannot be written where it should be. `hint` is a way out."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def digest(data: bytes) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    from hashlib import sha256  # 2 ms that only a build needs

    return sha256(data).hexdigest()


def write_files(
    files: Mapping[str, str],
    folder: str,
    *,
    digests: Mapping[str, str] | None = None,
    force: bool = False,
) -> list[str]:
    """Write texts as UTF-8 under `folder`, by their relative paths; those written, in order.

    A file that holds its text already is left alone. `digests` are those of what archc wrote last,
    by relative path: a file that still has its digest is replaced. Raises OutputError for any other
    file that exists (unless `force`) and for a symbolic link on the way, and OSError.
    """
    contents: dict[str, bytes | None] = {}
    previous: dict[str, bytes | None] = {}
    for path, text in files.items():
        target = os.path.join(folder, path)
        _check_path(folder, path)
        data = text.encode("utf-8")
        old = read(target)
        if old == data:
            continue
        recorded = None if digests is None else digests.get(path)
        if old is not None and not force and digest(old) != recorded:
            raise OutputError(f"{target} {_reason(recorded)}", "--force overwrites it")
        contents[target] = data
        previous[target] = old
    _replace(contents, previous)
    return list(contents)


def foreign_files(
    files: Mapping[str, str], folder: str, digests: Mapping[str, str]
) -> dict[str, str]:
    """The files on disk that `write_files` would not overwrite, and why: `was edited`, or `was not
    written by archc`."""
    reasons: dict[str, str] = {}
    for path, text in files.items():
        target = os.path.join(folder, path)
        old = read(target)
        if old is not None and old != text.encode("utf-8") and digest(old) != digests.get(path):
            reasons[target] = _reason(digests.get(path))
    return reasons


def _reason(recorded: str | None) -> str:
    return "was not written by archc" if recorded is None else "was edited"


def differences(files: Mapping[str, str], folder: str) -> str:
    """The unified difference from the files on disk to the texts that would be written; empty
    where there is none. Control characters are escaped."""
    from difflib import unified_diff

    from archc.diagnostics import visible

    lines: list[str] = []
    for path, text in files.items():
        target = os.path.join(folder, path)
        old = read(target)
        if old == text.encode("utf-8"):
            continue
        on_disk = "" if old is None else old.decode("utf-8", errors="backslashreplace")
        name = target.replace(os.sep, "/")
        before = "/dev/null" if old is None else name
        lines += unified_diff(_lines(on_disk), _lines(text), before, name, lineterm="")
    return "".join(f"{visible(line)}\n" for line in lines)


def _lines(text: str) -> list[str]:
    if not text:
        return []
    lines = text.split("\n")
    if lines[-1]:
        return [*lines[:-1], f"{lines[-1]} (no newline at the end)"]
    return lines[:-1]


def read(path: str) -> bytes | None:
    """The content of a file; None where there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def replace_files(folder: str, contents: Mapping[str, bytes | None]) -> list[str]:
    """Put contents under their names into a folder, in place of what is there, all or none; None
    removes a file. The paths of those written, in order.

    Raises OSError with the target's path, and where the folder does not exist.
    """
    os.stat(folder or os.curdir)
    targets = {os.path.join(folder, name): content for name, content in contents.items()}
    _replace(targets, {target: read(target) for target in targets})
    return [target for target, content in targets.items() if content is not None]


@contextmanager
def staging(path: str) -> Iterator[str]:
    """The path of a new file beside `path` for a library to write, which takes the place of `path`
    where the block ends without an error. Its name ends as that of `path` does."""
    temporary = _beside(path)
    try:
        with _errors_named(path):
            os.close(_create(temporary))
        yield temporary
        with _errors_named(path):
            with open(temporary, "rb+") as stream:
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        _sync_folder(os.path.dirname(path))
    finally:
        _remove([temporary])


def _check_path(folder: str, path: str) -> None:
    """Reject a path that leaves the folder, and anything but folders and files on the way."""
    parts = path.split("/")
    if os.path.isabs(path) or any(part in ("", ".", "..") for part in parts):
        raise OutputError(f"{path} does not lie inside the output folder")
    prefix = folder
    for index, part in enumerate(parts):
        prefix = os.path.join(prefix, part)
        try:
            mode = os.lstat(prefix).st_mode
        except FileNotFoundError:
            return
        hint = "remove it, or choose another folder"
        if stat.S_ISLNK(mode):
            raise OutputError(f"{prefix} is a symbolic link", hint)
        if index < len(parts) - 1 and not stat.S_ISDIR(mode):
            raise OutputError(f"{prefix} is not a folder", hint)
        if index == len(parts) - 1 and not stat.S_ISREG(mode):
            raise OutputError(f"{prefix} is not a regular file", hint)


def _replace(contents: Mapping[str, bytes | None], previous: Mapping[str, bytes | None]) -> None:
    """Put new contents in place of the previous ones, all of them or none; None is no file."""
    folders: list[str] = []
    temporaries: list[str] = []
    backups: list[tuple[str, str | None]] = []
    try:
        renames: list[tuple[str | None, str, str | None]] = []
        for target, content in contents.items():
            old = previous[target]
            if content is None and old is None:
                continue
            _make_folders(os.path.dirname(target), folders)
            new = None if content is None else _stage(target, content, temporaries)
            renames.append((new, target, None if old is None else _stage(target, old, temporaries)))
        for new, target, backup in renames:
            backups.append((target, backup))
            with _errors_named(target):
                if new is None:
                    os.unlink(target)
                else:
                    os.replace(new, target)
        for folder in {os.path.dirname(target) for _, target, _ in renames}:
            _sync_folder(folder)
    except BaseException:
        for target, backup in reversed(backups):
            with suppress(OSError):
                if backup is None:
                    os.unlink(target)
                else:
                    os.replace(backup, target)
        _remove(temporaries)
        for folder in reversed(folders):
            with suppress(OSError):
                os.rmdir(folder)
        raise
    _remove(temporaries)


def _make_folders(folder: str, created: list[str]) -> None:
    """Make a folder and those above it that are missing, and add them to `created`."""
    missing = []
    while folder and not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for path in reversed(missing):
        created.append(path)
        try:
            os.mkdir(path)
        except FileExistsError:  # another run was faster
            created.remove(path)


def _stage(target: str, content: bytes, temporaries: list[str]) -> str:
    """Write to a new file beside `target`, with its permissions, and down to the disk; the path of
    that file, which is added to `temporaries`."""
    path = _beside(target)
    temporaries.append(path)
    with _errors_named(target):
        with open(_create(path), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(FileNotFoundError):
            os.chmod(path, stat.S_IMODE(os.stat(target).st_mode))
    return path


def _sync_folder(folder: str) -> None:
    """Bring the names in a folder down to the disk, where the system can do that."""
    with suppress(OSError):
        descriptor = os.open(folder or os.curdir, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _beside(target: str) -> str:
    """A path beside `target` that nothing has yet."""
    folder, name = os.path.split(os.path.abspath(target))
    return os.path.join(folder, f".archc-{os.urandom(8).hex()}-{name[-_LONGEST_ENDING:]}")


def _create(path: str) -> int:
    """Open a new file for writing."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    return os.open(path, flags | getattr(os, "O_BINARY", 0), 0o666)


@contextmanager
def _errors_named(target: str) -> Iterator[None]:
    """Errors of the system name the target, not the file beside it."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, target) from None


def _remove(paths: list[str]) -> None:
    for path in paths:
        with suppress(OSError):
            os.unlink(path)
