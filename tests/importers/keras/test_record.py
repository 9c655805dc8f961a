"""The record of the models of keras.applications: whole, and its table that of its rows."""

from __future__ import annotations

from tests.importers.keras.record import RECORD
from tests.zoo.theirs import KERAS_NAMES


def test_the_table_is_that_of_the_rows() -> None:
    assert (RECORD.folder / "README.md").read_text(encoding="utf-8") == RECORD.table(RECORD.read())


def test_all_models_are_accepted() -> None:
    rows = RECORD.read()
    assert set(rows) == set(KERAS_NAMES.values())
    assert [name for name, row in rows.items() if not row.is_accepted] == []


def test_what_was_compared_was_every_layer() -> None:
    compared = [row for row in RECORD.read().values() if row.compared]
    assert compared
    assert all(row.compared == row.ops and row.largest < 1e-3 for row in compared)
