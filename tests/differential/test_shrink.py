"""The shrinker leaves what a failure needs."""

from __future__ import annotations

import yaml

from tests.differential.shrink import shrunk

TEXT = """
archc: 1
name: large
input: {channels: 4, height: 6, width: 6}
blocks:
  unit: {params: {width: 8}, layers: [{conv: {filters: $width, kernel_size: 3}}, relu]}
layers:
- relu
- section: inner
  layers:
  - tanh
  - add:
    - []
    - [{gelu: {approximate: tanh}}, {dropout: 0.5}]
- block: unit
"""


def test_what_is_left_fails_and_nothing_can_go() -> None:
    small = shrunk(TEXT, lambda text: "gelu" in text)
    assert yaml.safe_load(small) == {"layers": [{"gelu": {}}]}


def test_numbers_become_small() -> None:
    def is_high(text: str) -> bool:
        return bool(yaml.safe_load(text).get("input", {}).get("height", 0) > 2)

    assert yaml.safe_load(shrunk(TEXT, is_high)) == {"input": {"height": 3}}
