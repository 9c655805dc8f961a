"""Every input at which archc once failed, by its kind: `KIND-WHAT.END`. Each goes into every
output."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from tests.fuzzing import file_checks, spec_checks
from tests.fuzzing.inputs import FILE_KINDS, KINDS, Input
from tests.fuzzing.runs import Fuzzer

FAILURES = sorted((Path(__file__).parent / "failures").iterdir())


@pytest.fixture(scope="module")
def fuzzer() -> Iterator[Fuzzer]:
    with Fuzzer() as running:
        yield running


@pytest.mark.parametrize("path", FAILURES, ids=lambda path: path.name)
def test_what_once_failed_does_not(path: Path, fuzzer: Fuzzer) -> None:
    kind = path.name.partition("-")[0]
    assert kind in KINDS
    seed = -file_checks.RUNS  # a file of a run is read as one
    made = Input(seed, kind, path.read_bytes(), "chain")
    outputs = [None] if kind in FILE_KINDS else spec_checks.CHECKS
    for output in outputs:
        with mock.patch.object(spec_checks, "CHECKS", (output,)):
            fault = fuzzer.run_input(made)
        assert fault is None, fault.told
