"""The record of the models of keras.applications: whole, and its table that of its rows."""

from __future__ import annotations

from tests.importers.keras.record import RECORD
from tests.zoo.theirs import KERAS_NAMES

FEWEST_COMPARED = 12


def test_the_table_is_that_of_the_rows() -> None:
    assert (RECORD.folder / "README.md").read_text(encoding="utf-8") == RECORD.table(RECORD.read())


def test_all_models_are_accepted() -> None:
    rows = RECORD.read()
    assert set(rows) == set(KERAS_NAMES.values())
    assert [name for name, row in rows.items() if not row.is_accepted] == []


def test_values_of_all_layers_were_compared() -> None:
    compared = {name: row for name, row in RECORD.read().items() if row.compared}
    assert len(compared) >= FEWEST_COMPARED
    assert all(row.largest < 1e-3 for row in compared.values())
    separable = {"Xception", "NASNetMobile", "NASNetLarge"}
    assert all(row.compared == row.ops for name, row in compared.items() if name not in separable)
