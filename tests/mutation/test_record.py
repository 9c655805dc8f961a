"""The record of the mutants that were tried, which `make mutants` makes."""

from __future__ import annotations

from tests.mutation.__main__ import RECORD, explanations, read
from tests.mutation.runs import IMPORT


def test_nearly_all_mutants_are_noticed_and_the_others_are_explained() -> None:
    record = read(RECORD)
    rows = record["mutants"]
    alive = {key for key, row in rows.items() if row["noticed by"] is None}
    assert record["drawn"] == 300
    assert len(rows) == 300
    assert len(alive) <= 0.05 * len(rows)
    assert alive == set(explanations())


def test_every_mutant_was_met_by_all_its_tests_or_read() -> None:
    """That nothing could notice one is decided by reading, not by running all tests."""
    rows = read(RECORD)["mutants"]
    assert {key for key, row in rows.items() if not row["all tests run"]} <= set(explanations())


def test_what_noticed_a_mutant_has_a_name() -> None:
    """No process that only ended otherwise, for whatever reason."""
    noticed = {row["noticed by"] for row in read(RECORD)["mutants"].values()} - {None}
    assert all(by == IMPORT or by.startswith("tests/") for by in noticed)


def test_a_test_noticed_what_it_would_not_have_without_the_mutant() -> None:
    record = read(RECORD)
    assert {row["noticed by"] for row in record["mutants"].values()}.isdisjoint(
        record["unreliable"]
    )
