"""The command that makes the record: it adds up, goes on where it was, and tells of failures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def ran(record: Path, first: int, count: int) -> tuple[int, dict[str, Any], str]:
    options = ("--record", str(record), "--chunk", "2")
    done = subprocess.run(
        [sys.executable, "-m", "tests.differential", str(first), str(count), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, json.loads(record.read_text()), done.stdout


def test_runs_add_up_in_one_record(tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    code, first, told = ran(record, 4, 3)
    assert code == 0
    assert (first["seeds"], first["specs"], first["mismatches"]) == ([[4, 6]], 3, [])
    assert told.count("mismatches") == 2
    assert sum(first["options"].values()) > 0
    assert len(first["pairs"]["missing"]) < first["pairs"]["all"]
    code, second, _ = ran(record, 5, 4)
    assert code == 0
    assert (second["seeds"], second["specs"]) == ([[4, 8]], 5)
    assert second["nodes"]["all"] > first["nodes"]["all"]
    assert set(second["pairs"]["missing"]) <= set(first["pairs"]["missing"])
    code, third, told = ran(record, 4, 5)
    assert (code, third, told) == (0, second, "")


def test_a_mismatch_is_remembered(tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    ran(record, 4, 1)
    found = json.loads(record.read_text())
    record.write_text(json.dumps({**found, "mismatches": [4]}))
    code, again, _ = ran(record, 4, 1)
    assert (code, again["mismatches"]) == (1, [4])
