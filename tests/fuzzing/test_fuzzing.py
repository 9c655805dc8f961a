"""20,000 inputs of fixed seeds: archc reads each of them or refuses it, and never fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.fuzzing.inputs import FILE_KINDS, KINDS, of_seed
from tests.fuzzing.runs import Fuzzer

FIRST, COUNT, PART = 5_000_000, 20_000, 1000
"""Seeds that the record does not have, in parts that run side by side."""


@pytest.fixture(scope="module")
def fuzzer() -> Iterator[Fuzzer]:
    with Fuzzer() as running:
        yield running


@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, PART))
def test_no_input_makes_archc_fail(first: int, fuzzer: Fuzzer) -> None:
    faults = [fuzzer.run(seed) for seed in range(first, first + PART)]
    assert [fault.told for fault in faults if fault is not None] == []


def test_every_kind_is_drawn_and_comes_to_more_than_one_end(fuzzer: Fuzzer) -> None:
    """Inputs that are all refused, or all read, would reach little."""
    fuzzer.outcomes.clear()
    for kind in KINDS:
        for seed in range(60 if kind in FILE_KINDS else 200):
            assert fuzzer.run(seed, kind) is None
    outcomes = {kind: set() for kind in KINDS}
    for outcome in fuzzer.outcomes:
        kind, _, came = outcome.partition(": ")
        outcomes[kind].add(came)
    assert {kind for kind, came in outcomes.items() if "read" in came} == {*KINDS}
    assert {kind for kind, came in outcomes.items() if len(came) > 1} == {*KINDS}
    drawn = Counter(of_seed(seed).kind for seed in range(3000))
    assert drawn.keys() == KINDS.keys()
