"""The places of a spec where text of its author stands."""

from __future__ import annotations

import json
from typing import NamedTuple

HARMLESS = "harmless"
_MARK = "PAYLOAD"
_SPEC = """\
archc: 1
name: net
class: Net
title: a title
description: a description
reference: [one, two]
family: a family
task: a task
input: {channels: 4, height: 6, width: 6}
params: {width: 4, word: same}
blocks:
  unit:
    params: {filters: 4}
    layers:
      - conv: {filters: $filters, kernel_size: 3, padding: same}
layers:
  - section: stem
    layers:
      - conv: {filters: $width, kernel_size: 3, padding: $word, activation: relu}
        name: first_conv
  - for: {f: [4, 4]}
    layers:
      - block: unit
        with: {filters: $f}
  - repeat: 2
    layers: [relu]
  - relu: null
    name: last_relu
    when: $(width > 1)
  - flatten
  - dense: 3
outputs: [dense_1]
expect: {layers: {dense_1: {params: 435}}}
training: {epochs: 3, optimizer: adam}
"""


class Place(NamedTuple):
    """A part of the spec that a payload takes the place of. `text` says that it is text for people,
    which may be anything that prints; `raw` that the payload is not put in quotes; `pages` that
    pages are made too, which show all texts alike."""

    name: str
    part: str
    mark: str
    text: bool = False
    raw: bool = False
    pages: bool = False

    def spec(self, payload: str) -> bytes:
        """The spec with a payload in this place."""
        written = payload if self.raw else json.dumps(payload, ensure_ascii=False)
        return _SPEC.replace(self.part, self.mark.replace(_MARK, written)).encode()


PLACES = (
    Place("title", "title: a title", "title: PAYLOAD", text=True, pages=True),
    Place("description", "a description", "PAYLOAD", text=True),
    Place("reference", "[one, two]", "[one, PAYLOAD]", text=True),
    Place("family", "a family", "PAYLOAD", text=True),
    Place("task", "a task", "PAYLOAD", text=True),
    Place("comment", "archc: 1\n", "archc: 1\n# PAYLOAD\n", text=True, raw=True),
    Place("name", "name: net\n", "name: PAYLOAD\n"),
    Place("class", "class: Net", "class: PAYLOAD"),
    Place("version", "archc: 1\n", "archc: PAYLOAD\n"),
    Place("key", "class: Net", "PAYLOAD: Net"),
    Place("unquoted", "title: a title", "title: PAYLOAD", text=True, raw=True),
    Place("extends", "class: Net", "extends: PAYLOAD"),
    Place("axis", "height: 6", "PAYLOAD: 6"),
    Place("size", "height: 6", "height: PAYLOAD"),
    Place("parameter", "width: 4, word", "width: 4, PAYLOAD: 1, word"),
    Place("value of a parameter", "word: same", "word: PAYLOAD"),
    Place("block", "  unit:\n", "  PAYLOAD:\n"),
    Place("block's parameter", "params: {filters: 4}", "params: {filters: 4, PAYLOAD: 4}"),
    Place("argument", "with: {filters: $f}", "with: {filters: PAYLOAD}"),
    Place("block of an instance", "block: unit", "block: PAYLOAD"),
    Place("section", "section: stem", "section: PAYLOAD"),
    Place("step", "name: last_relu", "name: PAYLOAD"),
    Place("op", "- flatten", "- PAYLOAD"),
    Place("field", "kernel_size: 3, padding: $word", "PAYLOAD: 3, padding: $word"),
    Place("word", "activation: relu", "activation: PAYLOAD"),
    Place("number", "- dense: 3", "- dense: PAYLOAD"),
    Place("condition", "when: $(width > 1)", "when: PAYLOAD"),
    Place("count", "repeat: 2", "repeat: PAYLOAD"),
    Place("variable", "for: {f:", "for: {PAYLOAD:"),
    Place("items", "[4, 4]", "[4, PAYLOAD]"),
    Place("source", "- dense: 3", "- dense: 3\n    from: PAYLOAD"),
    Place("output", "[dense_1]", "[PAYLOAD]"),
    Place("shared step", "- dense: 3", "- dense: 3\n    weights: PAYLOAD"),
    Place("frozen step", "- dense: 3", "- dense: 3\n    trainable: PAYLOAD"),
    Place("class of a block", "  unit:\n", "  unit:\n    class: PAYLOAD\n"),
    Place("output in training", "[dense_1]", "[dense_1, {PAYLOAD: training}]"),
    Place("path in a file", "outputs:", "checkpoints: {x: {PAYLOAD: a}}\noutputs:"),
    Place(
        "layer in a file", "outputs:", "checkpoints: {x: {dense_1: PAYLOAD}}\noutputs:", text=True
    ),
    Place("expectation", "{params: 435}", "{params: PAYLOAD}"),
    Place("expected layer", "{dense_1: {params", "{PAYLOAD: {params"),
    Place("recipe", "optimizer: adam", "optimizer: PAYLOAD"),
)
