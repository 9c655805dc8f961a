"""Files put in place all or none, through a workspace: a hidden folder beside them, locked by the
process that writes.

New contents, and copies of what they replace, are written to the workspace first. Then a journal
tells what is replaced by what, and the files are renamed; without the journal the new ones stand.
Whoever takes over the workspace of a dead process goes by its journal: the old files are put back.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple

from archc.files.locks import is_at, try_lock
from archc.files.reading import OutputError, check_path, is_inside, read_below, read_regular
from archc.files.signals import interruptible, uninterrupted

PREFIX = ".archc-"
"""How the names of workspaces begin."""
PATIENCE = 60.0
"""Seconds to wait for another process that writes."""
_POLL = 0.02
_LONGEST_NAME = 40
_LONGEST_JOURNAL = 1 << 24
_LOCK = "lock"
_JOURNAL = "journal"
_DEEPEST = 2
"""Parts of the paths that archc writes: no journal speaks of others."""


def digest(data: bytes) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    from hashlib import sha256  # 2 ms that only a build needs

    return sha256(data).hexdigest()


class Change(NamedTuple):
    """One file of a transaction: its path in the folder, the digests of its old and new contents,
    None where there is no file, and the name of the old one's copy in the workspace."""

    path: str
    old: str | None
    new: str | None
    copy: str | None


class Workspace(NamedTuple):
    """A locked workspace in a folder; `path` is its own."""

    folder: str
    path: str
    lock: int

    def replace(self, contents: Mapping[str, bytes | None]) -> None:
        """Put contents in the places of files below the folder, by relative paths, all or none;
        None removes a file. Raises OutputError, and OSError with the target's path."""
        changes: list[Change] = []
        staged: list[str | None] = []
        folders: dict[str, None] = {}
        for number, (path, content) in enumerate(contents.items()):
            old = read_below(self.folder, path)
            if old == content:
                continue
            copy = None if old is None else self._stage(old, path, f"{number}0")
            staged.append(None if content is None else self._stage(content, path, f"{number}1"))
            changes.append(Change(path, _digest(old), _digest(content), copy))
            folders |= dict.fromkeys(_missing_folders(self.folder, path))
        if not changes:
            return
        try:
            with _errors_named(self.folder):
                self._write_journal(changes, list(folders))
            for folder in folders:
                os.mkdir(os.path.join(self.folder, folder))
            for change, name in zip(changes, staged, strict=True):
                target = os.path.join(self.folder, change.path)
                with _errors_named(target):
                    if name is None:
                        os.unlink(target)
                    else:
                        os.replace(os.path.join(self.path, name), target)
            for folder in {os.path.dirname(change.path) for change in changes}:
                _sync_folder(os.path.join(self.folder, folder))
            with _errors_named(self.folder):
                os.unlink(os.path.join(self.path, _JOURNAL))
        except BaseException:
            self.roll_back()
            raise

    def roll_back(self) -> bool:
        """Put back the old files of a transaction that has not ended; one that was changed since is
        left alone. False where the system refuses it: the journal stays for the next process."""
        journal = self._read_journal()
        if journal is None:
            return True
        changes, folders = journal
        undone = True
        for change in reversed(changes):
            undone &= self._undo(change)
        for folder in reversed(folders):
            with suppress(OSError):
                os.rmdir(os.path.join(self.folder, folder))
        if undone:
            _remove(os.path.join(self.path, _JOURNAL))
        return undone

    def _undo(self, change: Change) -> bool:
        """Put back the old file, where the new one stands; False where the system refuses it."""
        target = os.path.join(self.folder, change.path)
        try:
            if _digest(read_below(self.folder, change.path)) != change.new:
                return True
            if change.copy is None:
                os.unlink(target)
            else:
                os.replace(os.path.join(self.path, change.copy), target)
        except (OutputError, FileNotFoundError):  # somebody has put another thing there since
            return True
        except OSError:
            return False
        return True

    def _stage(self, content: bytes, path: str, name: str) -> str:
        """Write a content for the file at `path` to a new one in the workspace, with the same
        permissions, and down to the disk; its name."""
        target = os.path.join(self.folder, path)
        path = os.path.join(self.path, name)
        with _errors_named(target):
            with open(_create(path), "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            _copy_mode(target, path)
        return name

    def _write_journal(self, changes: list[Change], folders: list[str]) -> None:
        import json  # 2 ms that only a build needs

        path = os.path.join(self.path, _JOURNAL)
        with open(_create(f"{path}.new"), "wb") as stream:
            stream.write(json.dumps({"changes": changes, "folders": folders}).encode())
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(f"{path}.new", path)
        _sync_folder(self.path)

    def _read_journal(self) -> tuple[list[Change], list[str]] | None:
        """The journal; None where there is none. It may come from anybody, as folders do that are
        checked out or unpacked: it is believed only about files such as archc writes, inside the
        folder."""
        import json

        try:
            path = os.path.join(self.path, _JOURNAL)
            fields = json.loads(read_regular(path, _LONGEST_JOURNAL, root=self.path))
            changes = [Change(*change) for change in fields["changes"]]
            folders = [str(folder) for folder in fields["folders"]]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return [], []
        changes = [one for one in changes if _is_own(one.path) and _is_name(one.copy)]
        return changes, [folder for folder in folders if _is_own(folder)]

    def clear(self) -> bool:
        """Remove all files in the workspace but the lock; whether nothing else is left."""
        names = []
        with suppress(OSError):
            names = [name for name in os.listdir(self.path) if name != _LOCK]
        for name in names:
            _remove(os.path.join(self.path, name))
        return not any(os.path.lexists(os.path.join(self.path, name)) for name in names)

    def close(self) -> None:
        """Remove the workspace, unless its journal is still needed."""
        try:
            if not os.path.lexists(os.path.join(self.path, _JOURNAL)):
                self.clear()
                _remove(os.path.join(self.path, _LOCK))
        finally:
            os.close(self.lock)
        if os.name == "nt":  # where no open file can be removed
            _remove(os.path.join(self.path, _LOCK))
        with suppress(OSError):
            os.rmdir(self.path)


@contextmanager
def workspace(folder: str, name: str) -> Iterator[Workspace]:
    """The workspace `.archc-NAME` in a folder, which is made where it is missing. Waits for other
    processes that have it; what dead ones have left in the folder is removed.

    Signals that end the process are held back until the block has ended. Raises OutputError, and
    OSError with the folder's path.
    """
    folder = folder or os.curdir
    with uninterrupted():
        folders: list[str] = []
        try:
            with _errors_named(folder):
                space = _open(folder, f"{PREFIX}{name[-_LONGEST_NAME:]}", folders)
        except BaseException:
            _remove_folders(folders)
            raise
        try:
            if not (space.roll_back() and space.clear()):
                message = f"{space.path} was left by another process and cannot be removed"
                raise OutputError(message, "remove it; files in it may be older versions of yours")
            _sweep(folder, space)
            yield space
        except BaseException:
            space.close()
            _remove_folders(folders)
            raise
        space.close()


@contextmanager
def staging(path: str) -> Iterator[str]:
    """The path of a new file for a library to write, which takes the place of `path` where the
    block ends without an error. Its name ends as that of `path` does. Raises OutputError where
    something else than a regular file has the path."""
    folder, name = os.path.split(os.path.abspath(path))
    _check_target(path)
    with _errors_named(path):
        os.stat(folder)
    with workspace(folder, name) as space:
        temporary = os.path.join(space.path, f"new-{name[-_LONGEST_NAME:]}")
        with _errors_named(path):
            os.close(_create(temporary))
        with interruptible():
            yield temporary
        with _errors_named(path):
            with open(temporary, "rb+") as stream:
                os.fsync(stream.fileno())
            _check_target(path)
            _copy_mode(path, temporary)
            os.replace(temporary, path)
        _sync_folder(folder)


def _check_target(path: str) -> None:
    folder, name = os.path.split(path)
    if name:
        check_path(folder, name)


def has_workspaces(folder: str) -> bool:
    """Whether some process writes to a folder, or has died while it did."""
    try:
        return any(name.startswith(PREFIX) for name in os.listdir(folder or os.curdir))
    except OSError:
        return False


def _open(folder: str, name: str, folders: list[str]) -> Workspace:
    """A workspace, once no other process has it. The folders made for it are added to `folders`."""
    path = os.path.join(folder, name)
    end = time.monotonic() + PATIENCE
    while True:
        _make_folders(folder, folders)
        with suppress(FileExistsError, FileNotFoundError):
            os.mkdir(path)
        lock = _try_open(path)
        if lock is not None:
            return Workspace(folder, path, lock)
        if time.monotonic() > end:
            message = f"{folder} is being written by another process"
            raise OutputError(message, f"wait until it has ended; its lock is {path}")
        with interruptible():
            time.sleep(_POLL)


def _try_open(path: str) -> int | None:
    """The locked file of a workspace; None where another process has it, or has just removed it."""
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            raise OutputError(f"{path} is not a folder", "remove it")
        lock = os.path.join(path, _LOCK)
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        descriptor = os.open(lock, flags, 0o666)
    except FileNotFoundError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OutputError(f"{lock} is not a regular file", "remove it")
        # The process that had it may have removed it since it was opened here.
        if _has_lock(descriptor, path) and is_at(descriptor, lock):
            return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _has_lock(descriptor: int, path: str) -> bool:
    try:
        return try_lock(descriptor)
    except OSError as error:
        message = f"{os.path.dirname(path)} cannot be locked: {(error.strerror or '').lower()}"
        raise OutputError(message, "choose a folder on a file system with locks") from None


def _sweep(folder: str, own: Workspace) -> None:
    """Remove the other workspaces in a folder that no process has."""
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if name.startswith(PREFIX) and path != own.path:
            with suppress(OSError, OutputError):
                lock = _try_open(path)
                if lock is not None:
                    space = Workspace(folder, path, lock)
                    space.roll_back()
                    space.close()


def _is_own(path: object) -> bool:
    """Whether archc may have written a path: of few parts, none of them hidden."""
    if not isinstance(path, str) or not is_inside(path):
        return False
    parts = path.split("/")
    return len(parts) <= _DEEPEST and not any(part.startswith(".") for part in parts)


def _is_name(name: object) -> bool:
    return name is None or (isinstance(name, str) and name.isascii() and name.isdigit())


def _digest(data: bytes | None) -> str | None:
    return None if data is None else digest(data)


def _missing_folders(folder: str, path: str) -> Iterator[str]:
    """The folders on the way to a relative path that do not exist, from the top."""
    parts = path.split("/")[:-1]
    for count in range(1, len(parts) + 1):
        relative = "/".join(parts[:count])
        if not os.path.isdir(os.path.join(folder, relative)):
            yield relative


def _make_folders(folder: str, created: list[str]) -> None:
    """Make a folder and those above it that are missing, and add them to `created`."""
    missing = []
    while folder and not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for path in reversed(missing):
        with suppress(FileExistsError):  # another process was faster
            os.mkdir(path)
            created.append(path)


def _remove_folders(folders: list[str]) -> None:
    """Remove folders, as far as they are empty."""
    for folder in reversed(folders):
        with suppress(OSError):
            os.rmdir(folder)


def _create(path: str) -> int:
    """Open a new file for writing."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    return os.open(path, flags | getattr(os, "O_BINARY", 0), 0o666)


def _copy_mode(target: str, path: str) -> None:
    """Give a file the permissions of another one, if that exists."""
    with suppress(FileNotFoundError):
        os.chmod(path, stat.S_IMODE(os.stat(target).st_mode))


def _sync_folder(folder: str) -> None:
    """Bring the names in a folder to the disk, where the system can do that."""
    with suppress(OSError):
        descriptor = os.open(folder or os.curdir, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _errors_named(target: str) -> Iterator[None]:
    """Errors of the system name the target, not a file in the workspace."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, target) from None


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)
