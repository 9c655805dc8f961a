"""Workspaces: who has one, what dead processes have left in it, what anybody may plant there."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from archc.files import OutputError, digest, locked, locks, staging, write_files

OLD, NEW = "old\n", "new\n"


def plant(folder: Path, changes: list[list[str | None]], folders: list[str]) -> None:
    """A workspace as of a process that died between its renames."""
    workspace = folder / ".archc-build"
    workspace.mkdir(parents=True)
    (workspace / "00").write_text(OLD)
    journal = {"changes": changes, "folders": folders}
    (workspace / "journal").write_text(json.dumps(journal))


def change(path: str, copy: str | None = "00") -> list[str | None]:
    return [path, digest(OLD.encode()), digest(NEW.encode()), copy]


def test_the_old_file_is_put_back(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/a.py").write_text(NEW)
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras/a.py").write_text(NEW)
    plant(tmp_path, [change("torch/a.py"), change("keras/a.py", None)], ["keras"])
    with locked(str(tmp_path)):
        assert (tmp_path / "torch/a.py").read_text() == OLD
        assert not (tmp_path / "keras").exists()
    assert os.listdir(tmp_path) == ["torch"]


def test_what_was_edited_since_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("edited\n")
    plant(tmp_path, [change("a.py")], [])
    with locked(str(tmp_path)):
        assert (tmp_path / "a.py").read_text() == "edited\n"
    assert os.listdir(tmp_path) == ["a.py"]


@pytest.mark.parametrize(
    "path",
    [
        *(
            "../victim",
            "sub/../../victim",
            "./sub/../../victim",
            "/tmp/victim",
            ".git/hooks/victim",
        ),
        *("sub/.hidden", "a/b/c/victim", "link/victim"),
    ],
)
@pytest.mark.parametrize("copy", ["00", None])
def test_a_planted_journal_leads_nowhere(tmp_path: Path, path: str, copy: str | None) -> None:
    folder = tmp_path / "generated"
    for name in ("sub", ".git/hooks", "a/b/c"):
        (folder / name).mkdir(parents=True)
    (folder / "link").symlink_to("../outside")
    (tmp_path / "outside").mkdir()
    target = folder / path if path[0] != "/" else tmp_path / "victim"
    victims = [tmp_path / "victim", tmp_path / "outside/victim", target]
    for victim in victims:
        victim.write_text(NEW)
    plant(folder, [change(str(target) if path[0] == "/" else path, copy)], ["../outside"])
    with locked(str(folder)):
        pass
    assert [victim.read_text() for victim in victims] == [NEW] * 3


@pytest.mark.parametrize("copy", ["../../secret", "/etc/passwd", "x", "", "0/0"])
def test_a_planted_copy_comes_from_nowhere_else(tmp_path: Path, copy: str) -> None:
    folder = tmp_path / "generated"
    folder.mkdir()
    (tmp_path / "secret").write_text("hunter2")
    (folder / "a.py").write_text(NEW)
    plant(folder, [change("a.py", copy)], [])
    with locked(str(folder)):
        pass
    assert (folder / "a.py").read_text() == NEW
    assert (tmp_path / "secret").read_text() == "hunter2"


@pytest.mark.parametrize("journal", ["", "[]", "{", '{"changes": 1}', "[" * 9999, "\0"])
def test_a_damaged_journal_is_removed(tmp_path: Path, journal: str) -> None:
    plant(tmp_path, [], [])
    (tmp_path / ".archc-build/journal").write_text(journal)
    write_files({"a.py": NEW}, str(tmp_path))
    assert os.listdir(tmp_path) == ["a.py"]


def test_what_archc_has_not_written_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / ".archc-build/mine").mkdir(parents=True)
    (tmp_path / ".archc-build/mine/work").write_text("mine")
    with pytest.raises(OutputError, match="cannot be removed"):
        write_files({"a.py": NEW}, str(tmp_path))
    assert (tmp_path / ".archc-build/mine/work").read_text() == "mine"
    assert not (tmp_path / "a.py").exists()


def test_everything_is_on_the_disk_before_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not os.path.exists("/proc/self/fd"):
        pytest.skip("names of open files are asked of Linux")
    (tmp_path / "a.py").write_text(OLD)
    calls: list[tuple[str, str]] = []

    def noted(name: str) -> None:
        real = getattr(os, name)

        def note(*arguments: object) -> object:
            path = (
                os.readlink(f"/proc/self/fd/{arguments[0]}") if name == "fsync" else arguments[-1]
            )
            calls.append((name, os.path.basename(str(path))))
            return real(*arguments)

        monkeypatch.setattr(os, name, note)

    for name in ("fsync", "rename", "replace", "unlink"):
        noted(name)
    write_files({"a.py": NEW}, str(tmp_path), force=True)
    assert calls[:8] == [
        *(("fsync", "00"), ("fsync", "01")),  # the old file's copy, and the new file
        *(("fsync", "journal.new"), ("rename", "journal"), ("fsync", ".archc-build")),
        *(("replace", "a.py"), ("fsync", tmp_path.name)),
        ("unlink", "journal"),
    ]
    calls.clear()
    with staging(str(tmp_path / "net.h5")):
        pass
    assert calls[:3] == [("fsync", "new-net.h5"), ("replace", "net.h5"), ("fsync", tmp_path.name)]


def test_a_second_writer_waits_and_then_gives_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["archc.files.staging"], "PATIENCE", 0.1)
    with locked(str(tmp_path)):
        taken = pytest.raises(OutputError, match="is being written by another process")
        with taken, locked(str(tmp_path)):
            pass
        assert os.listdir(tmp_path) == [".archc-build"]
    with locked(str(tmp_path)):
        pass
    assert os.listdir(tmp_path) == []


def test_writers_of_different_files_do_not_wait(tmp_path: Path) -> None:
    with staging(str(tmp_path / "a.h5")) as a, staging(str(tmp_path / "b.h5")) as b:
        Path(a).write_text("a")
        Path(b).write_text("b")
        assert Path(a).exists()  # not taken for what a dead process has left
    assert sorted(os.listdir(tmp_path)) == ["a.h5", "b.h5"]


def test_a_system_without_locks_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", None)
    with pytest.raises(OutputError, match=r"cannot be locked: no locks available \(choose"):
        write_files({"a.py": NEW}, str(tmp_path / "generated"))


def test_a_file_system_without_locks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OutputError, match="cannot be locked: operation not supported"):
        write_files({"a.py": NEW}, str(tmp_path))


def test_windows_locks_are_asked_for_where_there_are_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for `msvcrt`: Windows itself was not run."""
    flock, taken = fcntl.flock, fcntl.LOCK_EX | fcntl.LOCK_NB

    def locking(descriptor: int, mode: int, count: int) -> None:
        assert (mode, count) == (2, 1)
        try:
            flock(descriptor, taken)
        except BlockingIOError:
            raise OSError(errno.EACCES, "Permission denied") from None

    stand_in = SimpleNamespace(__name__="msvcrt", locking=locking, LK_NBLCK=2)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", stand_in)
    path = tmp_path / "lock"
    with path.open("w") as first, path.open("w") as second:
        assert locks.try_lock(first.fileno())
        assert not locks.try_lock(second.fileno())
