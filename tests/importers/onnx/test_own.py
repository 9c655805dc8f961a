"""Ops for which ONNX has no operator come back from archc's own files as they were written, and no
file with another attribute anywhere is taken for the same."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import AttributeProto, helper

from archc.api import Network
from archc.importers import formats
from archc.importers.agreement import compare
from archc.importers.spec import as_spec
from archc.verify import Workers
from tests.differential.accepting import read
from tests.importers.models import write
from tests.importers.test_light import is_accepted_as
from tests.importers.test_round_trip import emitted, imported

STEPS = {
    "{tokens: 6, dtype: int32}": """\
  - embedding: {vocabulary: 11, features: 8}
  - position_embedding: sinusoidal
  - attention: {heads: 4, key_heads: 2, causal: true, window: 3, rotary: 100, qk_norm: true}
  - layer_norm: {affine: false}
  - lstm: {units: 5, return_sequences: true, bidirectional: true, layers: 2}
  - gru: {units: 4, return_sequences: true}
  - rms_norm
  - class_token
  - select: {tokens: 0}
""",
    "{channels: 8, height: 8, width: 8}": """\
  - window_attention: {heads: 2, window: 4, shift: 2}
  - batch_norm: {momentum: 0.99}
  - layer_norm
  - window_attention: {heads: 2, window: 4, relative_bias: continuous, cosine: true}
  - window_attention: {heads: 2, window: 2, grid: true, relative_bias: none}
  - upsample: {scale: 2, mode: linear}
  - space_to_depth: 2
  - group_norm: {groups: 4, affine: false}
  - local_response_norm: {size: 4}
  - adaptive_avg_pool: 3
  - split: {parts: 2, index: 1}
  - scaled_tanh
  - to_tokens
  - global_avg_pool
  - rbf: [[1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1]]
""",
}
CHANGES: dict[int, Any] = {
    AttributeProto.INT: lambda value: value + 1,
    AttributeProto.FLOAT: lambda value: value * 1.5 + 0.25,
    AttributeProto.INTS: lambda value: [*value[:-1], value[-1] - 1],
    AttributeProto.FLOATS: lambda value: [*value[:-1], value[-1] + 1],
    AttributeProto.STRING: lambda value: b"cubic",
}


def file_of(axes: str) -> bytes:
    text = f"archc: 1\nname: small\ninput: {axes}\nlayers:\n{STEPS[axes]}"
    return emitted(Network(*read(text)))


@pytest.mark.parametrize("axes", STEPS)
def test_comes_back_as_it_was_written(axes: str) -> None:
    assert f"layers:\n{STEPS[axes]}expect:" in imported(file_of(axes), "small").text


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers() as pool:
        yield pool


@pytest.mark.torch
@pytest.mark.parametrize("axes", STEPS)
def test_computes_the_same_values(axes: str, tmp_path: Path, workers: Workers) -> None:
    pytest.importorskip("onnxruntime")
    path = write(tmp_path, file_of(axes))
    own = as_spec(formats.read(path), "small", path, [])
    agreement = compare(own, path, workers)
    assert (agreement.reason, agreement.disagreement) == (None, None)
    assert agreement.compared == len(own.network.layers)


def changed(data: bytes) -> Iterator[tuple[str, bytes]]:
    """A file with one attribute changed, for each kind of attribute of each kind of operation."""
    seen: Counter[tuple[str, str]] = Counter()
    for place, node in enumerate(onnx.load_from_string(data).graph.node):
        for number, attribute in enumerate(node.attribute):
            value = helper.get_attribute_value(attribute)
            seen[node.op_type, attribute.name] += 1
            idle = node.op_type == "ConstantOfShape" or value == -math.inf
            if idle or seen[node.op_type, attribute.name] > 1 or attribute.type not in CHANGES:
                continue
            model = onnx.load_from_string(data)
            other = helper.make_attribute(attribute.name, CHANGES[attribute.type](value))
            model.graph.node[place].attribute[number].CopyFrom(other)
            yield f"{node.name}: {attribute.name} {value}", model.SerializeToString()


@pytest.mark.parametrize("axes", STEPS)
def test_another_attribute_is_another_network(axes: str) -> None:
    data = file_of(axes)
    own = imported(data, "small")
    assert is_accepted_as(own, data)
    files = list(changed(data))
    assert len(files) > 15
    assert [what for what, other in files if is_accepted_as(own, other)] == []
