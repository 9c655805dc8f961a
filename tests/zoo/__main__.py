"""`python -m tests.zoo [NAME...]`: every network beside its reference, as the table of README.md.

What came of each network is kept in the record; one that stands there for emitted sources that do
the same is not run again. They run in another process, the smallest first; if it dies, it is an
error of the network at which it was, and another one goes on with the others. Then the networks are
verified, layer by layer, up to `MOST_VERIFIED` multiply-accumulates.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from archc.verify import Workers
from tests.backends.networks import ALL_SPECS, shipped
from tests.zoo.facts import digest, facts
from tests.zoo.table import (
    MOST_PARAMS,
    MOST_VERIFIED,
    README,
    RECORD,
    application,
    read_record,
    table,
)
from tests.zoo.theirs import KERAS_NAMES, LANGUAGE_MODELS
from tests.zoo.verification import verification

Record = dict[str, dict[str, Any]]
ALONE = 4_000_000_000
"""Multiply-accumulates from which on a network is verified by processes of its own."""


def main(arguments: argparse.Namespace) -> int:
    """Run what the record has not; 1 where a network could not be run."""
    record = read_record()
    names = arguments.names or sorted(ALL_SPECS, key=macs)
    for name in names:
        record[name] = {**record.get(name, {}), **facts(name)}
    errors = 0
    if not arguments.verify:
        errors += compare(names, record, arguments.shapes)
    if not arguments.shapes:
        errors += verify(names, record)
    write(record)
    return 1 if errors else 0


def compare(names: Sequence[str], record: Record, shapes_alone: bool) -> int:
    """Run networks beside their references; the number of those that could not be run."""
    left = [name for name in names if not is_current(name, record[name])]
    errors = 0
    while left:
        for result in results([f"shapes:{one}" if shapes_alone else one for one in left]):
            name = left.pop(0)
            errors += "error" in result
            record[name] = updated(name, record[name], result)
            write(record)
            shown = result.get("error") or f"torch {result['torch']}, Keras {result['keras']}"
            print(f"{name}: {shown}; {len(left)} left", flush=True)
    return errors


def updated(name: str, row: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """A row with what came of its network; values that it has stay where they have not been run."""
    if result.get("keras") is None and row.get("keras") is not None and "error" not in result:
        return {**row, **{key: one for key, one in result.items() if one is not None}}
    kept = {"verify": row["verify"]} if "verify" in row else {}
    return {"digest": digest(name), **facts(name), **result, **kept}


def is_current(name: str, row: Mapping[str, Any]) -> bool:
    """Whether a row is that of the network as it is today."""
    if "digest" not in row or "error" in row:
        return False
    if name in KERAS_NAMES and application(row) is None:
        return False
    if row["keras"] is None and row["params"] <= MOST_PARAMS:
        return False
    return bool(row["digest"] == digest(name))


def verify(names: Sequence[str], record: Record) -> int:
    """Verify networks; the number of those that could not be or that differ."""
    left = [name for name in names if is_verifiable(name) and not is_verified(name, record[name])]
    errors = 0
    while left:
        # What large networks leave in the processes would fill the memory.
        together = [name for name in left if macs(name) < ALONE] or left[:1]
        with Workers() as workers:
            for name in together:
                left.remove(name)
                result = verification(name, workers)
                errors += result.get("verdict") != "agree"
                record[name]["verify"] = {"digest": digest(name), **result}
                write(record)
                shown = ", ".join(f"{key} {value}" for key, value in result.items())
                print(f"{name}: {shown}; {len(left)} left", flush=True)
    return errors


def is_verifiable(name: str) -> bool:
    return name in LANGUAGE_MODELS or macs(name) <= MOST_VERIFIED


def is_verified(name: str, row: Mapping[str, Any]) -> bool:
    own = row.get("verify", {})
    return "verdict" in own and own["digest"] == digest(name)


def macs(name: str) -> int:
    return shipped(name).costs.totals.macs


def results(names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What came of networks, in order, up to the first that could not be run."""
    command = [sys.executable, "-m", "tests.zoo.measure", *names]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ}
    with tempfile.TemporaryFile("w+") as messages:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=messages, text=True, env=quiet
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("{"):
                    result: dict[str, Any] = json.loads(line)
                    yield result
        if process.returncode:
            messages.seek(0)
            last = messages.read().strip().splitlines()[-1:]
            how = last[0] if last else f"ended by signal {-process.returncode}"
            yield {"error": how[:200]}


def write(record: Record) -> None:
    """Write the record and the table, of what has been run."""
    kept = {name: record[name] for name in ALL_SPECS if "digest" in record.get(name, {})}
    files: dict[Path, str] = {RECORD: json.dumps(kept, indent=1) + "\n", README: table(kept)}
    for path, text in files.items():
        other = path.with_suffix(".new")
        other.write_text(text, encoding="utf-8")
        os.replace(other, path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.zoo", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    help_text = "names and shapes alone, which takes seconds a network"
    parser.add_argument("--shapes", action="store_true", help=help_text)
    parser.add_argument("--verify", action="store_true", help="verify alone")
    sys.exit(main(parser.parse_args()))
