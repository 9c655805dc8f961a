"""What a refused spec is told: each file of `errors` has its exact messages beside it.

After a deliberate change, `ARCHC_UPDATE=1 pytest tests/test_errors.py` writes the messages anew.
Then read each of the differences: is the place right to the column, is the sentence clear, does the
hint help, is there one message a fault?
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archc.diagnostics import SpecError, full
from archc.spec import read_spec

FOLDER = Path(__file__).parent / "errors"
SPECS = sorted(path.name for path in FOLDER.glob("*.yaml"))


@pytest.fixture(autouse=True)
def _relative_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)


def messages(name: str) -> str:
    """All that is told of a spec. Fails where it is not refused."""
    with pytest.raises(SpecError) as refusal:
        read_spec(name).checked()
    return "\n\n".join(full(diagnostic) for diagnostic in refusal.value.diagnostics) + "\n"


@pytest.mark.parametrize("name", SPECS)
def test_messages(name: str) -> None:
    golden = Path(name).with_suffix(".txt")
    told = messages(name)
    if os.environ.get("ARCHC_UPDATE"):
        golden.write_text(told, encoding="utf-8")
    assert told == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SPECS)
def test_places_lie_in_the_text_and_faults_come_in_file_order(name: str) -> None:
    with pytest.raises(SpecError) as refusal:
        read_spec(name).checked()
    origins = [diagnostic.span.origin for diagnostic in refusal.value.diagnostics]
    assert origins == sorted(origins)
    for diagnostic in refusal.value.diagnostics:
        for place in (diagnostic.span, *(note.span for note in diagnostic.notes)):
            if place.source.text:
                assert 1 <= place.line <= place.source.text.count("\n") + 1
                assert 1 <= place.column <= len(place.source.line(place.line)) + 1


def test_no_golden_file_is_left_over() -> None:
    assert sorted(path.name for path in FOLDER.glob("*.txt")) == [
        f"{name.removesuffix('.yaml')}.txt" for name in SPECS
    ]
