"""What a written file withstands: a crash of the machine, links that somebody plants, and another
process that does the same at the same time."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archc.files import replace_files, staging, write_files

Identity = tuple[int, int]


def identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino


class Disk:
    """Notes what is brought to the disk and what is renamed, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: list[tuple[str, Identity, str]] = []
        for name in ("rename", "replace"):
            monkeypatch.setattr(os, name, self.renaming(getattr(os, name)))
        monkeypatch.setattr(os, "fsync", self.syncing(os.fsync))

    def renaming(self, real: Callable[..., None]) -> Callable[..., None]:
        def rename(source: str, target: str) -> None:
            self.events.append(("rename", identity(os.stat(source)), os.path.realpath(target)))
            real(source, target)

        return rename

    def syncing(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def sync(descriptor: int) -> None:
            self.events.append(("sync", identity(os.fstat(descriptor)), ""))
            real(descriptor)

        return sync

    def check(self, target: Path) -> None:
        """A file's content is on the disk before it has its name, and the name before the next
        thing is done: the system may do them in any order otherwise, and an empty file stays."""
        (at,) = (number for number, (_, _, path) in enumerate(self.events) if path == str(target))
        before, after = self.events[:at], self.events[at + 1 :]
        assert ("sync", self.events[at][1], "") in before
        assert ("sync", identity(os.stat(target.parent)), "") in after


def test_contents_are_on_the_disk_before_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "a.py").write_text("old\n")
    disk = Disk(monkeypatch)
    write_files({"torch/a.py": "new\n", "reports/a.json": "{}\n"}, str(tmp_path), force=True)
    disk.check(tmp_path / "torch" / "a.py")
    disk.check(tmp_path / "reports" / "a.json")


def test_what_replaces_a_file_is_on_the_disk_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    replace_files(str(tmp_path), {"curves.svg": b"<svg/>"})
    disk.check(tmp_path / "curves.svg")


def test_what_a_library_writes_is_on_the_disk_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    with staging(str(tmp_path / "net.safetensors")) as temporary:
        Path(temporary).write_bytes(b"weights")
    disk.check(tmp_path / "net.safetensors")


def build(folder: Path) -> None:
    write_files({"torch/a.py": "new\n"}, str(folder / "generated"))


def save(folder: Path) -> None:
    with staging(str(folder / "net.safetensors")) as temporary:
        Path(temporary).write_bytes(b"new\n")


@pytest.mark.parametrize("write", [build, save])
def test_nothing_is_written_through_a_link_that_was_planted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
) -> None:
    """Whatever new file is opened, somebody who knew its name has put a link there before."""
    victim = tmp_path / "victim.txt"
    victim.write_text("precious")
    planted = []
    real = os.open

    def opened(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if flags & os.O_CREAT and not planted:
            os.symlink(victim, path)
            planted.append(path)
        return real(path, flags, *rest, **named)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", opened)
        with pytest.raises(OSError, match=r"."):
            write(tmp_path)
    assert planted
    assert victim.read_text() == "precious"


def test_another_process_may_make_the_folder_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "deep" / "generated"
    real = os.mkdir
    raced = []

    def mkdir(path: Any, *rest: Any, **named: Any) -> None:
        if Path(path) in (target, target.parent):
            raced.append(path)
            real(path)
        real(path, *rest, **named)

    monkeypatch.setattr(os, "mkdir", mkdir)
    write_files({"a.py": "new\n"}, str(target))
    assert len(raced) == 2
    assert (target / "a.py").read_text() == "new\n"
