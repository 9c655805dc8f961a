"""What is imported from ONNX, at length: `python -m tests.importers [PART ...]`.

`light`: all nine models of the `onnx` package, the values of all their layers, and a change of
every attribute of every node, which must be seen each time. `specs`: every spec here as an ONNX
file and back. `random`: 1,000 random specs the same, but for those whose layers do nothing in
evaluation, of which an ONNX file keeps none. What came of it is kept in `record.json`: a run that
was ended goes on with the models and random specs that are not there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from archc.api import Network, load
from archc.diagnostics import SpecError
from archc.importers.onnx.terms import ModelError
from archc.verify import Workers
from archc.version import __version__
from tests.differential.accepting import read
from tests.differential.generator import spec_text
from tests.importers.models import NAMES, light
from tests.importers.sameness import has_operations, operations
from tests.importers.test_light import changed_attributes, compare, is_accepted_as
from tests.importers.test_light import imported as imported_light
from tests.importers.test_round_trip import SPECS, emitted, imported

RECORD = Path(__file__).parent / "record.json"
SEEDS = 1000
CHUNK = 50


def round_trip(network: Network, name: str) -> str:
    """What comes back from the ONNX file of a network: `same`, `other`, or why it is refused; of a
    file without operations, which is refused, `nothing`."""
    data = emitted(network)
    try:
        again = imported(data, name)
    except SpecError as error:
        if not has_operations(data):
            return "nothing"
        return "; ".join(one.message for one in error.diagnostics)
    except ModelError as error:
        return str(error)
    return "same" if operations(data) == operations(emitted(again.loaded)) else "other"


def run_light(record: dict[str, Any]) -> None:
    """The models of the `onnx` package that the record has not."""
    with Workers() as workers:
        for name in NAMES:
            if name not in record["light"]:
                record["light"][name] = light_result(name, workers)
                print(name, record["light"][name], flush=True)
                write(record)


def light_result(name: str, workers: Workers) -> dict[str, Any]:
    """What comes of one of the models: its values, and a change of each attribute."""
    own = imported_light(name)
    agreement = compare(own, str(light(name)), workers)
    changes = list(changed_attributes(name, sys.maxsize))
    problems = (agreement.reason, agreement.disagreement)
    return {
        "layers": agreement.compared,
        "largest difference": float(f"{agreement.largest:.1e}"),
        "changed attributes": len(changes),
        "missed": [what for what, data in changes if is_accepted_as(own, data)],
        "problems": [one for one in problems if one is not None],
    }


def run_specs(record: dict[str, Any]) -> None:
    """Every spec here."""
    own = record["specs"] = {"checked": 0, "same": 0, "nothing": 0, "not the same": {}}
    for path in sorted(SPECS.glob("*.yaml")):
        count(own, path.stem, round_trip(load(path, {}), path.stem))
        own["checked"] += 1
        if own["checked"] % CHUNK == 0:
            write(record)
    print(f"{own['checked']} specs, {own['same']} the same", flush=True)
    write(record)


def run_random(record: dict[str, Any]) -> None:
    """Random specs, from the first seed that the record has not."""
    own = record["random"]
    for seed in range(own["seeds"], SEEDS):
        network = Network(*read(spec_text(Random(seed))))
        count(own, str(seed), round_trip(network, "drawn"))
        own["seeds"] = seed + 1
        if own["seeds"] % CHUNK == 0 or own["seeds"] == SEEDS:
            print(f"{own['seeds']} random specs, {own['same']} the same", flush=True)
            write(record)


def count(part: dict[str, Any], name: str, result: str) -> None:
    """Add a result to a part of the record."""
    if result in ("same", "nothing"):
        part[result] += 1
    else:
        part["not the same"][name] = result
        print(f"{name}: {result}", flush=True)


def write(record: dict[str, Any]) -> None:
    """Keep the record."""
    record["version"] = __version__
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


PARTS: dict[str, Callable[[dict[str, Any]], None]] = {
    "light": run_light,
    "specs": run_specs,
    "random": run_random,
}


def main(parts: list[str]) -> int:
    """Run some parts, all where none is named; 1 where one fails."""
    empty = {"light": {}, "random": {"seeds": 0, "same": 0, "nothing": 0, "not the same": {}}}
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else empty
    for part in parts or PARTS:
        PARTS[part](record)
    failures = [name for name, one in record["light"].items() if one["missed"] or one["problems"]]
    failures += record.get("specs", {}).get("not the same", {})
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
