"""`python -m tests.fuzzing FIRST COUNT`: run the inputs of COUNT seeds from FIRST on.

With `--record FILE` what came of it is added to a JSON file after every `--chunk` of inputs, and
seeds that are in it already are skipped, but for those that failed: a run that was ended resumes
where it was. Each chunk runs in a process of its own, so that one that dies is a fault of the seed
at which it was.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from archc import __version__
from tests.fuzzing.chunks import run_chunk
from tests.fuzzing.inputs import of_seed


def main(arguments: argparse.Namespace) -> int:
    """Run the seeds that the record has not; 1 where archc failed, in this run or before."""
    record = _read(arguments.record)
    done = {seed for first, last in record["seeds"] for seed in range(first, last + 1)}
    every = range(arguments.first, arguments.first + arguments.count)
    left = [seed for seed in every if seed not in done or seed in record["faults"]]
    begin, finished = time.monotonic(), 0
    for start in range(0, len(left), arguments.chunk):
        seeds = left[start : start + arguments.chunk]
        outcomes, faults = run_chunk(seeds)
        for seed, how in faults:
            print(f"seed {seed}: {how}\n{of_seed(seed)}", flush=True)
        finished += len(seeds)
        _add(record, seeds, outcomes, [seed for seed, _ in faults], time.monotonic() - begin)
        begin = time.monotonic()
        _write(arguments.record, record)
        print(
            f"{finished:,} of {len(left):,} inputs, up to seed {seeds[-1]}: "
            f"{len(record['faults'])} faults, {record['seconds']:.0f} s",
            flush=True,
        )
    return 1 if record["faults"] else 0


def _read(path: Path | None) -> dict[str, Any]:
    if path is not None and path.exists():
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return record
    return {
        "seeds": [],
        "inputs": 0,
        "faults": [],
        "seconds": 0.0,
        "versions": [],
        "outcomes": {},
    }


def _add(
    record: dict[str, Any],
    seeds: Sequence[int],
    outcomes: Counter[str],
    faults: list[int],
    seconds: float,
) -> None:
    """Add what came of some seeds."""
    record["seeds"] = _joined([*record["seeds"], *([seed, seed] for seed in seeds)])
    record["inputs"] = sum(last - first + 1 for first, last in record["seeds"])
    record["faults"] = sorted({*record["faults"]} - {*seeds} | {*faults})
    record["seconds"] = round(record["seconds"] + seconds, 1)
    versions = {f"archc {__version__}", f"Python {platform.python_version()}"}
    record["versions"] = sorted({*record["versions"], *versions})
    record["outcomes"] = dict(sorted((Counter(record["outcomes"]) + outcomes).items()))


def _joined(ranges: list[list[int]]) -> list[list[int]]:
    """Ranges, both ends included, with those that touch each other as one."""
    joined: list[list[int]] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1][1] = max(joined[-1][1], last)
        else:
            joined.append([first, last])
    return joined


def _write(path: Path | None, record: dict[str, Any]) -> None:
    """Write the record whole: a run may be ended at any time."""
    if path is not None:
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        os.replace(partial, path)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing")
    parser.add_argument("first", type=int, metavar="FIRST", help="the first seed")
    parser.add_argument("count", type=int, metavar="COUNT", help="how many seeds")
    parser.add_argument("--record", type=Path, help="where to add what came of it")
    parser.add_argument("--chunk", type=int, default=5000, help="inputs between two writings")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main(_arguments()))
