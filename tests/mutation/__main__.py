"""`python -m tests.mutation COUNT`: put a sample of mutants into a copy of archc, one at a time.

What came of each is added to the record at once, and a mutant that the record has is passed over:
a run that was ended goes on where it was. `--again` tries those anew that nothing had noticed,
`--only KEY --tests TEST ...` a single one with tests that are expected to notice it: most of the
record was made so, by reading each mutant and naming a few files.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from tests.mutation.mutants import Mutant, sample
from tests.mutation.runs import Outcome, applied, copy_tree, run
from tests.mutation.selection import far, near

RECORD = Path(__file__).with_name("record.json")
EXPLAINED = Path(__file__).with_name("explained.yaml")

FIRST = 3

IMPORTED_ONCE = ("tests.backends.conftest", "hypothesis", "torch", "keras", "playwright.sync_api")
"""What every run of tests would import anew; the first says how the frameworks behave in tests."""


def main(arguments: argparse.Namespace) -> int:
    """Try the mutants that the record has not; 1 where one that is not explained lives."""
    record = read(arguments.record)
    for name in IMPORTED_ONCE:
        importlib.import_module(name)
    with TemporaryDirectory(prefix="archc-mutants-") as folder:
        tree = Path(folder) / "tree"
        copy_tree(tree)
        mutants = sample(tree, arguments.count)
        record["drawn"] = len(mutants)
        # In an order of their own, so that a run that is ended has some of every room.
        random.Random(0).shuffle(mutants)
        clean: set[str] = set()
        for mutant in mutants[: arguments.stop]:
            if not _is_due(mutant, record["mutants"].get(mutant.key), arguments):
                continue
            outcome = _outcome(tree, mutant, arguments, record["unreliable"], clean)
            print(mutant.key, mutant.path, outcome.failed or "NOT NOTICED", flush=True)
            if outcome.failed is not None or not arguments.tests:
                record["mutants"][mutant.key] = _row(mutant, outcome)
                write(arguments.record, record)
    return told(record)


def _is_due(mutant: Mutant, row: dict[str, Any] | None, arguments: argparse.Namespace) -> bool:
    if arguments.only is not None:
        return bool(mutant.key == arguments.only)
    return row is None or (arguments.again and row["noticed by"] is None)


def _outcome(
    tree: Path,
    mutant: Mutant,
    limits: argparse.Namespace,
    unreliable: list[str],
    clean: set[str],
) -> Outcome:
    """Run the tests of the mutant's room, then the others, until one notices it."""
    if limits.tests:
        return _tried(tree, mutant, limits.tests, limits.near, unreliable, clean)
    outcome = Outcome(None, finished=True)
    tests = near(mutant.path, tree / "tests")
    for names, limit in (
        # A few files first: most mutants are noticed by them, before the others are collected.
        (tests[:FIRST], limits.near),
        (tests[FIRST:], limits.near),
        (far(mutant.path, tree / "tests"), limits.far),
    ):
        tried = _tried(tree, mutant, names, limit, unreliable, clean)
        outcome = Outcome(tried.failed, outcome.finished and tried.finished)
        if outcome.failed is not None:
            return Outcome(outcome.failed, finished=True)
    return outcome


def _tried(
    tree: Path,
    mutant: Mutant,
    names: list[str],
    limit: float,
    unreliable: list[str],
    clean: set[str],
) -> Outcome:
    """What some tests say of a mutant. One that fails without it as well has noticed nothing, and
    is passed over from then on."""
    if not limit:
        return Outcome(None, finished=False)
    while True:
        with applied(tree, mutant):
            outcome = run(tree, names, unreliable, limit)
        test = outcome.failed
        if test is None or not test.startswith("tests/") or test in clean:
            return outcome
        if run(tree, [test], [], limit).failed is None:
            clean.add(test)
            return outcome
        unreliable.append(test)


def _row(mutant: Mutant, outcome: Outcome) -> dict[str, Any]:
    return {
        "where": f"{mutant.path}:{mutant.line}",
        "function": mutant.function,
        "operator": mutant.operator,
        "before": mutant.before,
        "after": mutant.after,
        "noticed by": outcome.failed,
        "all tests run": outcome.finished,
    }


def told(record: dict[str, Any]) -> int:
    """Print what came of all mutants of the record; 1 where one that is not explained lives."""
    rows = record["mutants"]
    alive = {key: row for key, row in rows.items() if row["noticed by"] is None}
    unexplained = [key for key in alive if key not in explanations()]
    print(f"{len(rows)} of {record['drawn']} mutants tried, {len(alive)} not noticed")
    for key in alive:
        print(f"  {key} {alive[key]['where']}: {explanations().get(key, 'not explained')}")
    return 1 if unexplained else 0


def explanations() -> dict[str, str]:
    """Why some mutants change nothing that could be noticed."""
    found: dict[str, str] = yaml.safe_load(EXPLAINED.read_text(encoding="utf-8")) or {}
    return found


def read(path: Path) -> dict[str, Any]:
    """The record; an empty one where there is none."""
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    return {"drawn": 0, "mutants": {}, "unreliable": []}


def write(path: Path, record: dict[str, Any]) -> None:
    """Write the record whole: a run may be ended at any time."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    os.replace(partial, path)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("count", type=int, metavar="COUNT", help="how many mutants are drawn")
    parser.add_argument("--stop", type=int, help="try so many of them alone")
    parser.add_argument("--again", action="store_true", help="try again what nothing noticed")
    parser.add_argument("--only", metavar="KEY", help="try this one alone")
    parser.add_argument("--tests", nargs="+", metavar="TEST", help="run these tests alone")
    parser.add_argument("--record", type=Path, default=RECORD, help="where to add what came of it")
    parser.add_argument("--near", type=float, default=900, help="seconds for tests of its room")
    parser.add_argument("--far", type=float, default=1800, help="seconds for all others; 0: none")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main(_arguments()))
