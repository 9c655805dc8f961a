"""The record of `python -m tests.importers`: what came back, and which changes were seen."""

from __future__ import annotations

import json

from tests.importers.__main__ import RECORD
from tests.importers.models import NAMES

FEWEST_SPECS = 148
FEWEST_SEEDS = 1000
MOST_OTHERS = 1
"""Random specs that may come back as another network: one has a learned scale after a
normalisation, which the importer merges, as Caffe writes one as the two."""


def test_every_spec_came_back() -> None:
    own = json.loads(RECORD.read_text(encoding="utf-8"))["specs"]
    assert own["same"] == own["checked"] >= FEWEST_SPECS
    assert own["not the same"] == {}


def test_random_specs_came_back() -> None:
    own = json.loads(RECORD.read_text(encoding="utf-8"))["random"]
    accounted = own["same"] + own["nothing"] + len(own["not the same"])
    assert own["seeds"] == accounted >= FEWEST_SEEDS
    assert len(own["not the same"]) <= MOST_OTHERS
    assert own["nothing"] < own["seeds"] / 20


def test_every_change_of_an_attribute_was_seen() -> None:
    light = json.loads(RECORD.read_text(encoding="utf-8"))["light"]
    assert set(light) == set(NAMES)
    for own in light.values():
        assert own["missed"] == own["problems"] == []
        assert own["changed attributes"] > own["layers"]
