"""Faults in the middle of writing files: each call of the system refused, or the process ended
there; ends at random moments; full disks; several writers at once.

After each fault every file holds its old or its new content, whole. Once another process has
written something else there, the files are all old or all new, and nothing else is left.
"""

from __future__ import annotations

import builtins
import errno
import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from archc.cli.signals import Termination, termination
from archc.files import OutputError, digest, locked, staging, write_files

State = Mapping[str, str]

OLD = {"torch/a.py": "old 1\n" * 99, "reports/a.json": "old 2\n", "reports/gone.md": "old 3\n"}
NEW = {"torch/a.py": "new 1\n", "reports/a.json": "new 2\n" * 99, "keras/a.py": "new 3\n"}
THIRD = {"torch/a.py": "third 1\n", "keras/a.py": "third 2\n", "other/b.py": "third 3\n"}
WITNESS = {"witness.txt": "written after the fault\n"}

CALLS = (
    *("chmod", "close", "fstat", "fsync", "listdir", "lstat", "mkdir", "open", "rename"),
    *("replace", "rmdir", "stat", "unlink"),
)
"""Functions of `os` that the writing calls, beside those of locks and of streams."""


class Fault(NamedTuple):
    """What happens at a call: it is refused with an error, or the process gets a signal before or
    after it."""

    error: int = 0
    signal: int = 0
    after: bool = False


FAULTS = (
    *(Fault(error) for error in (errno.ENOSPC, errno.EACCES, errno.EIO)),
    *(Fault(signal=signal.SIGKILL, after=after) for after in (False, True)),
    *(Fault(signal=one, after=True) for one in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)),
)


class Calls:
    """Counts calls of the system, and puts a fault into one of them."""

    def __init__(self, at: int, fault: Fault) -> None:
        self.count = 0
        self.at = at
        self.fault = fault

    def __call__(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """A function that is counted."""

        def counted(*arguments: Any, **named: Any) -> Any:
            self.count += 1
            if self.count != self.at:
                return real(*arguments, **named)
            if self.fault.error:
                raise OSError(self.fault.error, os.strerror(self.fault.error))
            if not self.fault.after:
                os.kill(os.getpid(), self.fault.signal)
            result = real(*arguments, **named)
            if self.fault.after:
                os.kill(os.getpid(), self.fault.signal)
            return result

        return counted

    def install(self) -> None:
        """Count this process's calls from now on."""
        import fcntl

        def opened(*arguments: Any, **named: Any) -> Any:
            stream = real_open(*arguments, **named)
            if "w" not in str(arguments[1:2]):
                return stream
            return _Stream(stream, self)

        real_open = builtins.open
        builtins.open = opened  # type: ignore[assignment]
        for name in CALLS:
            setattr(os, name, self(getattr(os, name)))
        fcntl.flock = self(fcntl.flock)


class _Stream:
    """A stream whose writing is counted."""

    def __init__(self, stream: Any, calls: Calls) -> None:
        self.stream = stream
        self.write = calls(stream.write)
        self.flush = calls(stream.flush)
        self.fileno = stream.fileno

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *error: object) -> None:
        self.stream.close()


class Scenario(NamedTuple):
    """One writing: the files before and after it, what prepares the folder, and what writes."""

    name: str
    old: State
    new: State
    prepare: Callable[[Path], None]
    write: Callable[[Path], None]


def _fill(files: State) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)

    return fill


def build(folder: Path) -> None:
    """Write NEW over OLD, and remove what is only in OLD, as `archc build --prune` does."""
    digests = {path: digest(text.encode()) for path, text in OLD.items()}
    with locked(str(folder)) as output:
        output.write(NEW, digests=digests, remove=[path for path in OLD if path not in NEW])


def _killed_build(folder: Path) -> None:
    """The folder after a build that was killed between two of its renames."""
    _fill(OLD)(folder)
    run(
        lambda: build(folder), Calls(_rename_call(folder), Fault(signal=signal.SIGKILL, after=True))
    )
    assert state(folder)[0] not in (dict(OLD), dict(NEW))


def _rename_call(folder: Path) -> int:
    """The number of the second call that puts a file in its place."""
    copy = folder.parent / f"{folder.name}-counted"
    shutil.copytree(folder, copy)
    names: list[str] = []

    class Named(Calls):
        def __call__(self, real: Callable[..., Any]) -> Callable[..., Any]:
            counted = super().__call__(real)

            def named(*arguments: Any, **keywords: Any) -> Any:
                names.append(real.__name__)
                return counted(*arguments, **keywords)

            return named

    def count() -> None:
        build(copy)
        (copy / "names").write_text("\n".join(names))

    run(count, Named(0, Fault()))
    calls = (copy / "names").read_text().split("\n")
    shutil.rmtree(copy)
    return [number for number, name in enumerate(calls, 1) if name == "replace"][1]


def _export(folder: Path) -> None:
    """Write one file as a library of weights does."""
    with staging(str(folder / "net.h5")) as temporary, open(temporary, "wb") as stream:
        stream.write(b"new weights")


SCENARIOS = (
    Scenario("first", {}, NEW, _fill({}), lambda folder: _write(folder, NEW)),
    Scenario("update", OLD, NEW, _fill(OLD), build),
    Scenario("after_a_kill", OLD, NEW, _killed_build, build),
    Scenario(
        "weights",
        {"net.h5": "old weights"},
        {"net.h5": "new weights"},
        _fill({"net.h5": "old weights"}),
        _export,
    ),
)


def _write(folder: Path, files: State) -> None:
    write_files(files, str(folder))


def run(action: Callable[[], None], calls: Calls | None = None) -> int:
    """Run something in a process of its own, as archc is run; its exit code, negative for the
    signal that killed it."""
    process = os.fork()
    if process:
        _, status = os.waitpid(process, 0)
        return os.waitstatus_to_exitcode(status)
    code = 99
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for one in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(one, signal.SIG_DFL)
        with termination():
            if calls is not None:
                calls.install()
            action()
        code = 0
    except (OSError, OutputError):
        code = 2
    except Termination as ended:
        code = ended.exit_code
    except KeyboardInterrupt:
        code = 130
    finally:
        os._exit(code)


def state(folder: Path) -> tuple[dict[str, str], list[str]]:
    """The files in a folder with their contents, and what archc has left for the next process."""
    files, left = {}, []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if ".archc-" in name or (path.is_dir() and not any(path.iterdir())):
            left.append(name)
        elif not path.is_dir():
            files[name] = path.read_text()
    return files, left


def judge(folder: Path, old: State, new: State, *, ended: bool = True) -> str | None:
    """What is wrong after a fault; None if nothing is. `ended` says that the process cleaned up
    itself, and was not killed or refused to."""
    files, left = state(folder)
    if ended and left:
        return f"left behind: {left}"
    for path, text in files.items():
        if text not in (old.get(path), new.get(path)):
            return f"{path} is neither old nor new"
    if ended and files not in (dict(old), dict(new)):
        return f"old and new: {sorted(files)}"
    if run(lambda: _write(folder, WITNESS)):
        return "the next process could not write"
    files, left = state(folder)
    for path in WITNESS:
        files.pop(path)
    if left:
        return f"left behind by the next process: {left}"
    return None if files in (dict(old), dict(new)) else f"old and new in the end: {sorted(files)}"


@contextmanager
def folder_in(home: Path) -> Iterator[Path]:
    """An empty folder, removed at the end."""
    folder = home / "folder"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


class Injection(NamedTuple):
    """A fault at one call of a scenario."""

    scenario: Scenario
    at: int
    fault: Fault


def count_calls(scenario: Scenario, home: Path) -> int:
    """How many calls of the system a scenario makes."""
    with folder_in(home) as folder:
        scenario.prepare(folder)
        calls = Calls(0, Fault())

        def counted() -> None:
            scenario.write(folder)
            (home / "count").write_text(str(calls.count))

        assert run(counted, calls) == 0
    return int((home / "count").read_text())


def injections(home: Path) -> Iterator[Injection]:
    """All faults at all calls of all scenarios."""
    for scenario in SCENARIOS:
        for at in range(1, count_calls(scenario, home) + 1):
            for fault in FAULTS:
                yield Injection(scenario, at, fault)


def inject(injection: Injection, folder: Path) -> str | None:
    """Put one fault into a writing; what is wrong afterwards."""
    scenario, at, fault = injection
    scenario.prepare(folder)
    code = run(lambda: scenario.write(folder), Calls(at, fault))
    expected = {0, 2} if fault.error else {0, 128 + fault.signal, -signal.SIGKILL}
    if code not in expected:
        return f"exit code {code}"
    return judge(folder, scenario.old, scenario.new, ended=not fault.error and code >= 0)


def end_at_random(seed: int, number: int, folder: Path) -> str | None:
    """End a process that writes one content after the other at a random moment."""
    mine = {"keras/mine.py": "mine\n"}  # the folder of a file that is removed is not empty
    _fill({**OLD, **mine})(folder)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    process = os.fork()
    if not process:
        run_forever(folder, before)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    time.sleep(random.Random(seed).uniform(0.001, 0.03))
    os.kill(process, number)
    # Again if it goes on: Python swallows what a handler raises inside of a callback of its own.
    while not (done := _ended(process, 5)):
        os.kill(process, number)
    code = os.waitstatus_to_exitcode(done[1])
    if code not in (-signal.SIGKILL, 128 + number):
        return f"exit code {code}"
    return judge(folder, {**OLD, **mine}, {**NEW, **mine}, ended=code > 0)


def _ended(process: int, seconds: float) -> tuple[int, int] | None:
    """A process and its status, if it ends within some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done = os.waitpid(process, os.WNOHANG)
        if done[0]:
            return done
        time.sleep(0.001)
    return None


def run_forever(folder: Path, mask: set[signal.Signals]) -> None:
    """Write NEW and OLD in turns, until the process is ended by a signal, let through with `mask`
    once it is handled."""
    code = 99
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for one in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(one, signal.SIG_DFL)
        with termination():
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            while True:
                for now, then in ((NEW, OLD), (OLD, NEW)):
                    digests = {path: digest(text.encode()) for path, text in then.items()}
                    with locked(str(folder)) as output:
                        output.write(now, digests=digests, remove=then.keys() - now.keys())
    except Termination as ended:
        code = ended.exit_code
    except KeyboardInterrupt:
        code = 130
    finally:
        os._exit(code)


def write_at_once(folder: Path) -> str | None:
    """Two processes write to a folder at the same time: one of them is the last, wholly."""
    _fill(OLD)(folder)
    start, begin = os.pipe()
    processes = []
    for files in (NEW, THIRD):
        process = os.fork()
        if not process:
            code = 99
            try:
                os.close(begin)
                os.read(start, 1)
                with locked(str(folder)) as output:
                    output.write(files, force=True)
                code = 0
            finally:
                os._exit(code)
        processes.append(process)
    os.close(begin)
    codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]
    os.close(start)
    if any(codes):
        return f"exit codes {codes}"
    files, left = state(folder)
    if left:
        return f"left behind: {left}"
    orders = ({**OLD, **NEW, **THIRD}, {**OLD, **THIRD, **NEW})
    return None if files in orders else "files of both"


def limit_file_size(size: int, folder: Path) -> str | None:
    """Writing where a file may have no more than `size` bytes: the system refuses the rest."""
    _fill(OLD)(folder)

    def write() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        build(folder)

    code = run(write)
    if code not in (0, 2):
        return f"exit code {code}"
    return judge(folder, OLD, NEW)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system in memory of some bytes. Raises PermissionError where none may be mounted."""
    import ctypes

    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"size={size},nr_inodes=40".encode()
    if libc.mount(b"archc", bytes(folder), b"tmpfs", 0, options):
        folder.rmdir()
        raise PermissionError(ctypes.get_errno(), "no file system can be mounted")
    try:
        yield folder
    finally:
        libc.umount(bytes(folder))
        folder.rmdir()


def fill_disk(free: int, folder: Path, large: int = 9000) -> str | None:
    """Build on a disk of which only `free` pages are free."""
    new = {**NEW, "torch/a.py": "new 1\n" * large}
    with small_disk(folder, 1 << 18) as disk:
        home = disk / "generated"
        home.mkdir()
        _fill(OLD)(home)
        size = os.statvfs(disk)
        page = size.f_bsize
        (disk / "filling").write_bytes(b"\0" * page * max(0, size.f_bavail - free))
        digests = {path: digest(text.encode()) for path, text in OLD.items()}

        def write() -> None:
            with locked(str(home)) as output:
                output.write(new, digests=digests, remove=OLD.keys() - NEW.keys())

        code = run(write)
        if code not in (0, 2):
            return f"exit code {code}"
        (disk / "filling").unlink()
        return judge(home, OLD, new)
