"""Every payload in every place of a spec: refused with a code and a place, or inert in every
output, each within two seconds and 300 MB, and without a trace on the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.payloads import PAYLOADS
from tests.hostile.places import PLACES, Place
from tests.hostile.worker import Guard

ROOT = Path(__file__).parents[2]


def test_there_are_2000() -> None:
    assert len(set(PAYLOADS)) == len(PAYLOADS) >= 100
    specs = {place.spec(payload) for place in PLACES for payload in PAYLOADS}
    assert len({place.name for place in PLACES}) == len(PLACES) >= 20
    assert len(specs) >= 2000


def test_the_guard_notes_what_no_spec_may_do() -> None:
    guard = Guard()
    guard("os.system", (b"id",))
    assert guard.events == []
    guard.active = True
    guard("open", (str(ROOT / "archc/api.py"), "r", os.O_RDONLY))
    guard("open", (json.__file__, "r", os.O_RDONLY))
    assert guard.events == []
    for event, *arguments in (
        ("open", "/etc/passwd", "r", os.O_RDONLY),
        ("open", str(ROOT / "canary"), "w", os.O_WRONLY | os.O_CREAT),
        ("os.system", b"id"),
        ("subprocess.Popen", "id", [], None, None),
        ("socket.connect", None, None),
    ):
        guard(event, arguments)
        assert guard.events.pop().startswith(event)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_no_payload_gets_through(place: Place, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.worker", place.name],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    came = json.loads(done.stdout)
    assert came["faults"] == []
    assert os.listdir(tmp_path) == []
    # What people write is read unless it does not print; elsewhere a few payloads are values.
    assert came["read"] > 80 if place.text else came["read"] < came["payloads"] / 2
