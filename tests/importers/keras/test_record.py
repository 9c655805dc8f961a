"""The record of the models of keras.applications: whole, and its table that of its rows."""

from __future__ import annotations

from tests.importers.keras.record import RECORD
from tests.zoo.theirs import KERAS_NAMES

MOST_PARAMETERS = 100_000_000
HALVES = {"Xception", "NASNetMobile", "NASNetLarge", "InceptionResNetV2"}
"""Models with layers that are two ops, of which the first has no value in Keras: separable
convolutions, and sums with a scaled branch."""


def test_the_table_is_that_of_the_rows() -> None:
    assert (RECORD.folder / "README.md").read_text(encoding="utf-8") == RECORD.table(RECORD.read())


def test_all_models_are_accepted() -> None:
    rows = RECORD.read()
    assert set(rows) == set(KERAS_NAMES.values())
    assert [name for name, row in rows.items() if not row.is_accepted] == []


def test_values_of_all_layers_were_compared() -> None:
    rows = RECORD.read()
    compared = {name: row for name, row in rows.items() if row.compared}
    small = {name for name, row in rows.items() if row.params <= MOST_PARAMETERS}
    assert small == set(compared)
    assert all(row.largest < 1e-3 for row in compared.values())
    assert {name for name, row in compared.items() if row.compared != row.ops} == HALVES
