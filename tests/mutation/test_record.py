"""The record of the mutants that were tried, which `make mutants` makes."""

from __future__ import annotations

from tests.mutation.__main__ import RECORD, explanations, read


def test_nearly_all_mutants_are_noticed_and_the_others_are_explained() -> None:
    """As far as they were tried: the record says how many were drawn."""
    record = read(RECORD)
    rows = record["mutants"]
    alive = {key for key, row in rows.items() if row["noticed by"] is None}
    assert record["drawn"] == 300
    assert len(rows) >= 25
    assert len(alive) <= 0.05 * len(rows)
    assert alive == set(explanations())


def test_every_mutant_was_met_by_all_its_tests() -> None:
    rows = read(RECORD)["mutants"]
    assert [key for key, row in rows.items() if not row["all tests run"]] == []


def test_a_test_noticed_what_it_would_not_have_without_the_mutant() -> None:
    record = read(RECORD)
    assert {row["noticed by"] for row in record["mutants"].values()}.isdisjoint(
        record["unreliable"]
    )
