"""The record of the networks beside their references, and the table that `make zoo` makes of it."""

from __future__ import annotations

import pytest

from tests.backends.networks import ALL_SPECS
from tests.zoo.references import AUXILIARY, KERAS, TORCHVISION
from tests.zoo.table import LARGEST, README, notes_of, read_record, table

RECORD = read_record()
FAMILIES = (
    "alexnet_torchvision",
    "densenet121",
    "efficientnet_b0",
    "efficientnet_v2_b0",
    "googlenet",
    "mnasnet1_0",
    "mobilenet",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "regnet_x_400mf",
    "regnet_y_400mf",
    "resnet18",
    "shufflenet_v2_x1_0",
    "squeezenet1_1",
)
"""Networks of different families that the record has at least."""


def test_the_table_is_that_of_the_record() -> None:
    assert README.read_text(encoding="utf-8") == table(RECORD)
    assert set(RECORD) <= set(ALL_SPECS)
    assert set(FAMILIES) <= set(RECORD)


@pytest.mark.parametrize("name", RECORD)
def test_a_row_holds_or_tells_why_not(name: str) -> None:
    one = RECORD[name]
    if "error" in one:
        assert notes_of(name, one)
        return
    if name in TORCHVISION:
        assert one["reference"] == "torchvision"
        assert (
            one["reference_params"]
            == one["params"]
            == TORCHVISION[name].params - AUXILIARY.get(name, 0)
        )
    if name in KERAS:
        assert one["reference"] == "keras.applications"
    differences = [one["torch"], one["keras"]]
    assert max(value or 0.0 for value in differences) <= LARGEST or notes_of(name, one)
