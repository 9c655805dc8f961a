"""The record of the networks beside their references, and the table that `make zoo` makes of it."""

from __future__ import annotations

import pytest

from tests.backends.networks import ALL_SPECS
from tests.zoo.references import (
    AUXILIARY,
    COEFFICIENTS,
    KERAS,
    OTHERS,
    TORCHVISION,
    ZEROED,
)
from tests.zoo.table import APPLICATIONS, LARGEST, README, application, notes_of, read_record, table
from tests.zoo.theirs import KERAS_NAMES, LANGUAGE_MODELS

RECORD = read_record()


def test_the_table_is_that_of_the_record() -> None:
    assert README.read_text(encoding="utf-8") == table(RECORD)
    assert set(RECORD) <= set(ALL_SPECS)
    assert {*KERAS_NAMES, *LANGUAGE_MODELS, *TORCHVISION} <= set(RECORD)


def test_most_functions_of_keras_applications_have_been_run() -> None:
    run = [name for name in KERAS_NAMES if application(RECORD.get(name, {})) is not None]
    assert len(run) >= 30


def test_keras_names_are_all_functions_of_keras_applications() -> None:
    applications = pytest.importorskip("keras").applications
    functions = {name for name in dir(applications) if name[0].isupper()}
    assert set(KERAS_NAMES.values()) == functions
    assert len(KERAS_NAMES) == len(functions)
    assert set(KERAS_NAMES) == set(KERAS)


@pytest.mark.parametrize("name", RECORD)
def test_a_row_holds_or_tells_why_not(name: str) -> None:
    one = RECORD[name]
    if "error" in one:
        assert notes_of(name, one)
        return
    if name in TORCHVISION:
        assert one["reference"] == "torchvision"
        assert one["params"] == TORCHVISION[name].params - (AUXILIARY | ZEROED).get(name, 0)
        assert one["reference_params"] == one["params"] + ZEROED.get(name, 0)
    if name in KERAS:
        params, difference = application(one) or (KERAS[name], 0.0)
        assert params == one["params"] - COEFFICIENTS.get(name, 0)
        assert difference <= LARGEST
    if one.get("reference") == APPLICATIONS:
        assert one["reference_params"] == one["params"] - COEFFICIENTS.get(name, 0)
    if name in LANGUAGE_MODELS:
        assert one["reference"] == "transformers"
        assert one["reference_params"] == one["params"] == OTHERS[name]
    own = one.get("verify", {"verdict": "agree"})
    assert own.get("verdict") == "agree" or notes_of(name, one)
    differences = [one["torch"], one["keras"]]
    assert max(value or 0.0 for value in differences) <= LARGEST or notes_of(name, one)
