"""`python -m tests.differential FIRST COUNT`: verify the random specs of COUNT seeds from FIRST on.

With `--record FILE` what came of it is added to a JSON file after every `--chunk` of specs, and
seeds that are in it already are passed over: a run that was ended goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from itertools import count, groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from archc import __version__
from archc.verify import Settings
from archc.verify.runtimes import choices
from archc.verify.settings import TOLERANCES
from tests.differential.coverage import all_options, all_pairs, counted
from tests.differential.runs import Run, quick_workers, ruff_faults, runs, write_sources

LINTED = 10
"""Of so many specs, the emitted modules of one are linted."""


def main(arguments: argparse.Namespace) -> int:
    """Run the seeds that the record has not; 1 where a spec failed, in this run or before."""
    record = _read(arguments.record)
    done = {seed for first, last in record["seeds"] for seed in range(first, last + 1)}
    every = range(arguments.first, arguments.first + arguments.count)
    left = [seed for seed in every if seed not in done]
    backends = tuple(filter(None, arguments.backends.split(",")))
    settings = Settings(backends, arguments.dtype, arguments.runtime)
    begin = time.monotonic()
    with quick_workers() as workers, TemporaryDirectory() as folder:
        chunk: list[Run] = []
        for number, run in enumerate(runs(left, workers, settings), start=1):
            chunk.append(run)
            if not run.agrees:
                print(run.told, flush=True)
            if number % arguments.chunk and number < len(left):
                continue
            for one in chunk[::LINTED]:
                write_sources(one, Path(folder))
            faults = ruff_faults(Path(folder))
            if faults:
                print(faults, flush=True)
            _add(record, chunk, faults, time.monotonic() - begin)
            begin, chunk = time.monotonic(), []
            _write(arguments.record, record)
            print(
                f"{number} of {len(left)} specs, up to seed {run.seed}: "
                f"{len(record['mismatches'])} mismatches, {record['seconds']:.0f} s",
                flush=True,
            )
    return 1 if record["mismatches"] or record["lint"] else 0


def _read(path: Path | None) -> dict[str, Any]:
    if path is not None and path.exists():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    return {
        "seeds": [],
        "specs": 0,
        "nodes": {"all": 0, "most": 0},
        "mismatches": [],
        "largest share of the tolerance": 0.0,
        "lint": [],
        "seconds": 0.0,
        "versions": [],
        "pairs": {"all": 0, "missing": None},
        "options": {},
    }


def _add(record: dict[str, Any], chunk: list[Run], faults: str, seconds: float) -> None:
    """Add what came of some specs."""
    seeds = [seed for first, last in record["seeds"] for seed in range(first, last + 1)]
    record["seeds"] = _ranges([*seeds, *(run.seed for run in chunk if run.seed is not None)])
    record["specs"] += len(chunk)
    sizes = [len(run.costs.layers) for run in chunk]
    record["nodes"]["all"] += sum(sizes)
    record["nodes"]["most"] = max(record["nodes"]["most"], *sizes)
    record["mismatches"] += [run.seed for run in chunk if not run.agrees]
    key = "largest share of the tolerance"
    record[key] = max(record[key], *(run.share for run in chunk if run.agrees), 0.0)
    record["lint"] += [faults] if faults else []
    record["seconds"] = round(record["seconds"] + seconds, 1)
    versions = {one for run in chunk if run.found for one in run.found.versions.values()}
    record["versions"] = sorted({*record["versions"], *versions, f"archc {__version__}"})
    counts: Counter[str] = Counter(record["options"])
    for run in chunk:
        counts += counted(run.costs)
    pairs = set(all_pairs())
    before = record["pairs"]["missing"]
    missing = (pairs if before is None else set(before) & pairs) - counts.keys()
    record["pairs"] = {"all": len(pairs), "missing": sorted(missing)}
    record["options"] = {one: counts[one] for one in sorted(all_options())}


def _ranges(seeds: Iterable[int]) -> list[list[int]]:
    """Whole numbers as ranges, both ends included."""
    found = []
    counter = count()
    for _, group in groupby(sorted(seeds), key=lambda seed: seed - next(counter)):
        run = list(group)
        found.append([run[0], run[-1]])
    return found


def _write(path: Path | None, record: dict[str, Any]) -> None:
    """Write the record whole: a run may be ended at any time."""
    if path is not None:
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        os.replace(partial, path)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.differential")
    parser.add_argument("first", type=int, metavar="FIRST", help="the first seed")
    parser.add_argument("count", type=int, metavar="COUNT", help="how many seeds")
    parser.add_argument("--record", type=Path, help="where to add what came of it")
    parser.add_argument("--chunk", type=int, default=50, help="specs between two writings")
    parser.add_argument("--dtype", choices=[*TOLERANCES], default="float64")
    parser.add_argument("--backends", default="", help="which are compared, by commas")
    parser.add_argument("--runtime", choices=choices())
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main(_arguments()))
