"""What steps that use another's variables (`weights`) count, and what they are."""

from __future__ import annotations

from pathlib import Path

from archc.api import load
from archc.ir.costs import Costs

SIAMESE = """archc: 1
name: siamese
inputs:
  left: {channels: 1, height: 28, width: 28}
  right: {channels: 1, height: 28, width: 28}
blocks:
  tower:
    layers:
      - conv: {filters: 8, kernel_size: 3, activation: relu}
      - global_avg_pool
      - dense: 16
layers:
  - {block: tower, name: tower, from: left}
  - {block: tower, name: other, from: right, weights: tower}
  - {concat: , from: [tower, other]}
  - dense: 1
"""
GPT2 = """archc: 1
name: gpt2
params: {length: 1024, width: 768, heads: 12, depth: 12, vocabulary: 50257}
input: {tokens: $length, dtype: int32}
blocks:
  layer:
    layers:
      - add: [[], [layer_norm, attention: {heads: $heads, causal: true}]]
      - add:
          - []
          - - layer_norm
            - dense: {units: $(4 * width), activation: {gelu: {approximate: tanh}}}
            - dense: $width
layers:
  - embedding: {vocabulary: $vocabulary, features: $width}
    name: wte
  - position_embedding
  - repeat: $depth
    layers: [block: layer]
  - layer_norm
  - dense: {units: $vocabulary, bias: false}
    name: lm_head
    weights: wte
"""


def costs_of(folder: Path, text: str, **params: object) -> Costs:
    path = folder / "net.yaml"
    path.write_text(text)
    return load(str(path), params).costs


def test_a_shared_tower_is_counted_once_and_computed_twice(tmp_path: Path) -> None:
    """Eight kernels of 3 x 3 with a bias each, 16 rows of 8 with a bias each; one row of 32."""
    costs = costs_of(tmp_path, SIAMESE)
    tower = 8 * (3 * 3 + 1) + 16 * (8 + 1)
    assert costs.totals.params == tower + 32 + 1
    assert costs.totals.macs == 2 * (26 * 26 * 8 * 3 * 3 + 16 * 8) + 32
    alone = costs_of(tmp_path, SIAMESE.replace(", weights: tower", ""))
    assert alone.totals.params == 2 * tower + 32 + 1
    assert alone.totals.macs == costs.totals.macs


def test_a_head_that_is_tied_adds_no_parameters_to_gpt2(tmp_path: Path) -> None:
    """Radford et al. 2019, as Hugging Face and nanoGPT count it; the head is computed all the
    same."""
    costs = costs_of(tmp_path, GPT2)
    assert costs.totals.params == 124_439_808
    assert costs.layers[-1].params == 0
    assert costs.layers[-1].macs == 1024 * 768 * 50257


def test_a_tied_head_may_have_a_bias_of_its_own(tmp_path: Path) -> None:
    text = GPT2.replace("units: $vocabulary, bias: false", "units: $vocabulary")
    assert costs_of(tmp_path, text).totals.params == 124_439_808 + 50257


def test_all_instances_that_share_have_one_owner(tmp_path: Path) -> None:
    """ALBERT's layers: the first has the variables, whichever of the others a step names."""
    costs = costs_of(
        tmp_path,
        """archc: 1
name: albert
input: {tokens: 4, features: 8}
blocks:
  layer:
    layers:
      - {dense: 8, name: inner}
      - {dense: 8, weights: inner, name: again}
layers:
  - {block: layer, name: one}
  - {block: layer, name: two, weights: one}
  - repeat: 3
    layers: [{block: layer, name: more, weights: two}]
""",
    )
    assert costs.totals.params == 8 * 8 + 8
    assert costs.totals.macs == 10 * 4 * 8 * 8
    nodes = costs.graph.nodes
    owners = {nodes[node.weights].path for node in costs.graph.layers if node.weights >= 0}
    assert owners == {"one.inner"}
    assert [node.path for node in costs.graph.layers if node.weights < 0] == ["one.inner"]
