"""Steps that are used again with the same weights: a block, whose values nothing else uses."""

from __future__ import annotations

from archc.api import Network
from tests.differential.accepting import read
from tests.importers.test_round_trip import emitted, imported

TOWERS = """
archc: 1
name: towers
inputs: {{left: {{features: 8}}, right: {{features: 8}}, third: {{features: 8}}}}
layers:
  - dense: 16
    from: left
    name: a
  - layer_norm:
    name: b
  - dense: 16
    name: c
  - softplus
  - dense: 4
    name: d
  - dense: 16
    from: right
    weights: a
  - layer_norm:
    weights: b
  - dense: 16
    weights: c
  - {activation}
  - dense: 4
    weights: d
    name: e
  - dense: 16
    from: third
    weights: a
  - layer_norm:
    weights: b
  - dense: 16
    weights: c
  - softplus
  - dense: 4
    weights: d
    name: f
  - concat:
    from: [{merged}]
"""


def text_of(activation: str = "softplus", merged: str = "d, e, f") -> str:
    """What comes back from the ONNX file of three towers."""
    text = TOWERS.format(activation=activation, merged=merged)
    return imported(emitted(Network(*read(text))), "towers").text


def test_what_is_used_with_the_same_weights_is_a_block() -> None:
    text = text_of()
    assert text.count("- dense") == 3
    assert text.count("block: tower") == 3
    assert text.count("    weights: dense\n") == 2


def test_a_tower_ends_before_a_step_that_differs() -> None:
    text = text_of(activation="tanh")
    assert text.count("block: tower") == 3
    assert text.count("dense: 16") == 2
    assert text.count("dense: 4") == 3
    assert text.count("softplus") == 2


def test_a_tower_ends_before_what_others_use() -> None:
    text = text_of(merged="c, d, e, f")
    assert text.count("dense: 4") == 3
    assert text.count("block: tower") == 3
    assert text.count("layer_norm") == 1
