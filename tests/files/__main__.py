"""All faults, and what came of them: `python -m tests.files` writes record.json beside this file;
`python -m tests.files 17` runs every seventeenth, of each kind some.

The last ones are those of the command line: builds that are ended once they write, and two at once.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.files import faults
from tests.files.faults import FAULTS, SCENARIOS, Injection, folder_in, judge, state

RECORD = Path(__file__).with_name("record.json")
SPEC = Path(__file__).parents[2] / "specs" / "lenet5.yaml"
ENDS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
WELL = "old or new, nothing left behind"
Run = Callable[[Path], str | None]


def main() -> int:
    """Run all, print and record the counts; 1 if anything was wrong."""
    memory = "/dev/shm"
    home = Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None))
    results: dict[str, Counter[str]] = {}
    try:
        share = int(sys.argv[1]) if len(sys.argv) > 1 else 1
        for kind in (_injections(home), _others(), _builds(home)):
            _run(kind[::share], home, results)
    finally:
        shutil.rmtree(home)
    record = {name: dict(sorted(counts.items())) for name, counts in results.items()}
    RECORD.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(RECORD.read_text(encoding="utf-8"))
    return int(any(set(counts) != {WELL} for counts in results.values()))


def _run(runs: list[tuple[str, Run]], home: Path, results: dict[str, Counter[str]]) -> None:
    for name, run in runs:
        with folder_in(home) as folder:
            results.setdefault(name, Counter())[run(folder) or WELL] += 1


def _injections(home: Path) -> list[tuple[str, Run]]:
    """All faults at all calls of all scenarios."""
    runs: list[tuple[str, Run]] = []
    for scenario in SCENARIOS:
        for at in range(1, faults.count_calls(scenario, home) + 1):
            for fault in FAULTS:
                kind = "refused" if fault.error else signal.Signals(fault.signal).name
                run = partial(faults.inject, Injection(scenario, at, fault))
                runs.append((f"{scenario.name}, each call: {kind}", run))
    return runs


def _others() -> list[tuple[str, Run]]:
    """Ends at random moments, writers at once, what the system refuses by itself."""
    runs: list[tuple[str, Run]] = []
    for seed in range(250):
        for number in ENDS:
            run = partial(faults.end_at_random, seed, number)
            runs.append((f"random moments: {number.name}", run))
    runs += [("two writers at once", faults.write_at_once)] * 400
    for size in range(0, 700, 7):
        runs.append(("files of a limited size", partial(faults.limit_file_size, size)))
    for free in range(64):
        runs.append(("a full disk", partial(_fill_disk, free)))
    return runs


def _fill_disk(free: int, folder: Path) -> str | None:
    try:
        return faults.fill_disk(free, folder / "disk")
    except PermissionError:
        return "not run: no file system can be mounted"


def _builds(home: Path) -> list[tuple[str, Run]]:
    """Builds by the command line."""
    old, new = home / "old", home / "new"
    for folder, classes in ((old, 10), (new, 11)):
        assert _build(folder, classes).wait() == 0
    runs: list[tuple[str, Run]] = []
    for seed in range(50):
        for number in ENDS:
            run = partial(_end_build, seed, number, old, new)
            runs.append((f"archc build, random moments: {number.name}", run))
    return [*runs, *[("archc build, two at once", partial(_build_twice, old, new))] * 100]


def _build(folder: Path, classes: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "archc", "build", str(SPEC), "-o", str(folder)]
    command += ["--set", f"classes={classes}"]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def _end_build(seed: int, number: signal.Signals, old: Path, new: Path, folder: Path) -> str | None:
    """End a build once it has begun to write, or has just ended."""
    shutil.copytree(old, folder, dirs_exist_ok=True)
    process = _build(folder, 11)
    while process.poll() is None and not any(folder.glob(".archc-*")):
        time.sleep(0.0005)
    time.sleep(random.Random(seed).uniform(0, 0.02))
    process.send_signal(number)
    code = process.wait()
    # Once archc has ended and Python has not, the signal kills the process: shells say 143 as well.
    if code not in (0, 128 + number, -number):
        return f"exit code {code}"
    ended = code != -signal.SIGKILL
    wrong = judge(folder, state(old)[0], state(new)[0], ended=ended)
    if wrong is None and _build(folder, 11).wait():
        return "the next build was rejected"
    for path in faults.WITNESS:
        (folder / path).unlink(missing_ok=True)
    return wrong or (None if state(folder) == state(new) else "the next build gave something else")


def _build_twice(old: Path, new: Path, folder: Path) -> str | None:
    """Two builds of different networks at the same time."""
    shutil.copytree(old, folder, dirs_exist_ok=True)
    processes = [_build(folder, classes) for classes in (11, 10, 11)]
    codes = [process.wait() for process in processes]
    if any(codes):
        return f"exit codes {codes}"
    return None if state(folder) in (state(old), state(new)) else "files of both"


if __name__ == "__main__":
    sys.exit(main())
