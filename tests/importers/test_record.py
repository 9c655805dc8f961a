"""The record of `python -m tests.importers`: what came back, and which changes were seen."""

from __future__ import annotations

import json

from tests.importers.__main__ import RECORD

FEWEST_SPECS = 148
FEWEST_SEEDS = 1000
SAME = 0.96
"""The share of random specs that come back with the same operations. The others are refused, or
come back in another form: a map of three axes that only its name tells from a sequence, `multiply`
of x and `hard_sigmoid` of x as `hard_swish`, transpositions that undo each other."""


def test_every_spec_came_back() -> None:
    own = json.loads(RECORD.read_text(encoding="utf-8"))["specs"]
    assert own["same"] == own["checked"] >= FEWEST_SPECS
    assert own["not the same"] == {}


def test_random_specs_came_back() -> None:
    own = json.loads(RECORD.read_text(encoding="utf-8"))["random"]
    assert own["seeds"] == own["same"] + len(own["not the same"]) >= FEWEST_SEEDS
    assert own["same"] >= SAME * own["seeds"]


def test_every_change_of_an_attribute_was_seen() -> None:
    light = json.loads(RECORD.read_text(encoding="utf-8"))["light"]
    assert light
    for own in light.values():
        assert own["missed"] == own["problems"] == []
        assert own["changed attributes"] > own["layers"]
