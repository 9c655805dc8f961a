"""Tests run on a copy of the tree, each run in a process of its own with limits."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.mutation.mutants import Mutant

ROOT = Path(__file__).parents[2]

ONE_TEST = 120
"""Seconds for one test: a mutant may loop for ever."""
MEMORY = 12 << 30
"""Bytes that one process may write to: a mutant may fill a list for ever."""


IMPORT = "the import of archc by tests/conftest.py"
"""What notices a module that cannot be imported, before any test does."""


class Outcome(NamedTuple):
    """What came of some tests: the test that failed first, if any, and whether all were run that
    the limit was for."""

    failed: str | None
    finished: bool


def copy_tree(target: Path) -> None:
    """Copy what belongs to the project, as it stands, without what git ignores."""
    shutil.rmtree(target, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)


@contextmanager
def applied(tree: Path, mutant: Mutant) -> Iterator[None]:
    """The tree with the mutant in it."""
    path = tree / mutant.path
    original = path.read_bytes()
    try:
        _write(path, mutant.source.encode())
        yield
    finally:
        _write(path, original)


def _write(path: Path, content: bytes) -> None:
    """Write a module; bytecode of what it was, which may have its size and its time, goes."""
    for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
        compiled.unlink()
    path.write_bytes(content)


def run(tree: Path, tests: Sequence[str], without: Sequence[str], limit: float) -> Outcome:
    """Run tests in a tree until one fails, or the limit in seconds is over.

    The process is forked: what has been imported once, frameworks above all, is not imported anew
    for each mutant.
    """
    output = tree.with_name("output.txt")
    child = os.fork()
    if child == 0:
        try:
            os._exit(_test(tree, tests, without, output))
        finally:
            os._exit(70)
    status = _wait(child, limit)
    if status == 0:
        return Outcome(None, finished=True)
    text = output.read_text(encoding="utf-8", errors="replace")
    if "ImportError while loading conftest" in text:
        return Outcome(IMPORT, finished=True)
    failed = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", text, re.MULTILINE)
    if failed:
        return Outcome(failed.group(1), finished=True)
    return Outcome(None if status is None else f"exit {status}", finished=status is not None)


def _wait(child: int, limit: float) -> int | None:
    """The exit status; None where the time was over. What the child started ends with it."""
    end = time.monotonic() + limit
    status: int | None = None
    while status is None and time.monotonic() < end:
        done, code = os.waitpid(child, os.WNOHANG)
        status = os.waitstatus_to_exitcode(code) if done else None
        time.sleep(0.05)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if status is None:
        os.waitpid(child, 0)
    return status


def _test(tree: Path, tests: Sequence[str], without: Sequence[str], output: Path) -> int:
    """Run pytest in this process, as if it had begun in the tree."""
    os.setsid()
    with output.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    os.chdir(tree)
    os.environ["PYTHONPATH"] = str(tree)
    for name in [one for one in sys.modules if one.partition(".")[0] in ("archc", "tests")]:
        del sys.modules[name]
    sys.path[:] = [str(tree), *(path for path in sys.path if Path(path or ".").resolve() != ROOT)]
    deselected = [f"--deselect={test}" for test in without]
    limits = [f"--timeout={ONE_TEST}", "-x", "-p", "no:cacheprovider", "-p", "no:xdist"]
    return int(pytest.main(["-q", "-rfE", "--tb=line", *limits, *deselected, *tests]))
