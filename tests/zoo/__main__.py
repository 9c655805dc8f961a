"""`python -m tests.zoo [NAME...]`: every network beside its reference, as the table of README.md.

What came of each network is kept in the record; one that stands there for the same spec and the
same emitted source is not run again. They run in another process, the smallest first; if it dies,
it is an error of the network at which it was, and another one goes on with the others.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.backends.networks import ALL_SPECS, shipped
from tests.zoo.table import MOST_PARAMS, README, RECORD, application, read_record, table
from tests.zoo.theirs import KERAS_NAMES


def main(arguments: argparse.Namespace) -> int:
    """Run what the record has not; 1 where a network could not be run."""
    record = read_record()
    left = [
        name
        for name in arguments.names or sorted(ALL_SPECS, key=macs)
        if not is_current(name, record.get(name, {}))
    ]
    errors = 0
    while left:
        for result in results([f"shapes:{one}" if arguments.shapes else one for one in left]):
            name = left.pop(0)
            errors += "error" in result
            record[name] = {"digest": digest(name), **result}
            write(record)
            shown = result.get("error") or f"torch {result['torch']}, Keras {result['keras']}"
            print(f"{name}: {shown}; {len(left)} left", flush=True)
    write(record)
    return 1 if errors else 0


def is_current(name: str, row: Mapping[str, Any]) -> bool:
    """Whether a row is that of the network as it is today."""
    if not row or "error" in row or (name in KERAS_NAMES and application(row) is None):
        return False
    if row["keras"] is None and row["params"] <= MOST_PARAMS:
        return False
    return bool(row["digest"] == digest(name))


def macs(name: str) -> int:
    return shipped(name).costs.totals.macs


def digest(name: str) -> str:
    """Of a network: its spec's name and totals, and the emitted sources."""
    network = shipped(name)
    texts = (*network.spec.texts, *(network.emit(backend) for backend in ("torch", "keras")))
    return hashlib.sha256("".join(texts).encode("utf-8")).hexdigest()[:16]


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


def write(record: dict[str, dict[str, Any]]) -> None:
    """Write the record and the table."""
    kept = {name: record[name] for name in sorted(record) if name in ALL_SPECS}
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
    sys.exit(main(parser.parse_args()))
