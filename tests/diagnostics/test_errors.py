"""Golden tests of error messages: each spec in `errors` has its expected messages in a .txt file.

After a deliberate change, `ARCHC_UPDATE=1 pytest tests/diagnostics/test_errors.py` rewrites them.
Then review the diff: is the span right to the column, is the message clear, does the hint help, is
there one message per error?
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
    """All messages for an invalid spec."""
    with pytest.raises(SpecError) as error:
        read_spec(name).checked()
    return "\n\n".join(full(diagnostic) for diagnostic in error.value.diagnostics) + "\n"


@pytest.mark.parametrize("name", SPECS)
def test_messages(name: str) -> None:
    golden = Path(name).with_suffix(".txt")
    actual = messages(name)
    if os.environ.get("ARCHC_UPDATE"):
        golden.write_text(actual, encoding="utf-8")
    assert actual == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SPECS)
def test_spans_lie_in_the_text_and_errors_come_in_file_order(name: str) -> None:
    with pytest.raises(SpecError) as error:
        read_spec(name).checked()
    origins = [diagnostic.span.origin for diagnostic in error.value.diagnostics]
    assert origins == sorted(origins)
    for diagnostic in error.value.diagnostics:
        for span in (diagnostic.span, *(note.span for note in diagnostic.notes)):
            if span.source.text:
                assert 1 <= span.line <= span.source.text.count("\n") + 1
                assert 1 <= span.column <= len(span.source.line(span.line)) + 1


HINTED = ("ARC1", "ARC402", "ARC406", "ARC407", "ARC415")
"""Codes of shapes, inputs, names and sharing, whose message alone does not say what to write."""


@pytest.mark.parametrize("name", SPECS)
def test_what_does_not_fit_says_what_to_do(name: str) -> None:
    with pytest.raises(SpecError) as error:
        read_spec(name).checked()
    for diagnostic in error.value.diagnostics:
        assert diagnostic.hint or not diagnostic.code.startswith(HINTED), diagnostic.message


def test_no_golden_file_is_left_over() -> None:
    assert sorted(path.name for path in FOLDER.glob("*.txt")) == [
        f"{name.removesuffix('.yaml')}.txt" for name in SPECS
    ]
