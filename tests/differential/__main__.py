"""`python -m tests.differential FIRST COUNT [RECORD]`: verify the random specs of COUNT seeds from
FIRST on, and add what came of it to a record (JSON). Runs of other seeds add up in one record."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from archc.verify import Workers
from tests.differential.runs import pairs_of, runs, summary

EVERY = 50
EMPTY: dict[str, Any] = {
    "seeds": [], "specs": 0, "nodes": 0, "mismatches": [], "largest": 0.0, "seconds": 0,
    "versions": [], "ops": {}, "pairs": {},
}  # fmt: skip


def main(first: int, count: int, path: str | None) -> int:
    record = dict(EMPTY)
    if path is not None and Path(path).exists():
        record = json.loads(Path(path).read_text(encoding="utf-8"))
    counts = Counter(record["ops"]) + Counter(record["pairs"])
    begin, before = time.monotonic(), record["seconds"]
    versions = set(record["versions"])
    with Workers() as workers:
        for number, run in enumerate(runs(range(first, first + count), workers), start=1):
            told = summary(run.found)
            record["specs"] += 1
            record["nodes"] += len(run.costs.layers)
            record["largest"] = max(record["largest"], told["largest"])
            versions.update(told["versions"].values())
            counts += pairs_of(run.costs)
            if not run.found.agrees:
                record["mismatches"].append(run.seed)
                print(run.told, flush=True)
            if number % EVERY == 0 or number == count:
                record["seconds"] = before + round(time.monotonic() - begin)
                record["versions"] = sorted(versions)
                record["ops"] = {key: counts[key] for key in sorted(counts) if ":" not in key}
                record["pairs"] = {key: counts[key] for key in sorted(counts) if ":" in key}
                told_seeds = [*record["seeds"], [first, first + number - 1]]
                _write(path, {**record, "seeds": told_seeds})
                print(f"{number} of {count}, {len(record['mismatches'])} mismatches", flush=True)
    return 1 if record["mismatches"] else 0


def _write(path: str | None, record: dict[str, Any]) -> None:
    if path is not None:
        Path(path).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    first, count, *record = sys.argv[1:]
    sys.exit(main(int(first), int(count), record[0] if record else None))
