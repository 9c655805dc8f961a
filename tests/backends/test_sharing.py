"""Layers that several steps share, in both frameworks: one set of weights, whatever calls it."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import keras
import numpy
import pytest
import torch

from archc.api import Network
from archc.cli import main
from archc.verify import Settings, Verification, Workers, verify
from tests.backends.networks import module, written
from tests.ir.test_sharing import GPT2, SIAMESE

TINY_GPT2 = GPT2.replace(
    "{length: 1024, width: 768, heads: 12, depth: 12, vocabulary: 50257}",
    "{length: 6, width: 8, heads: 2, depth: 2, vocabulary: 11}",
)
PLACES = """archc: 1
name: places
input: {channels: 8, height: 8, width: 8}
blocks:
  unit:
    layers:
      - {conv: {filters: 8, kernel_size: 3, padding: 1}, name: inner}
      - batch_norm
      - {conv: {filters: 8, kernel_size: 3, padding: 1}, weights: inner, name: again}
      - {add: , from: [again, input]}
layers:
  - section: features
    layers:
      - {conv: {filters: 8, kernel_size: 3, padding: 1, activation: prelu}, name: conv}
      - relu
  - {conv: {filters: 8, kernel_size: 3, padding: 1, activation: prelu}, weights: features.conv}
  - section: later
    layers:
      - conv: {filters: 8, kernel_size: 3, padding: 1, activation: prelu}
        weights: features.conv
        name: other
      - relu
      - {block: unit, name: unit}
  - {block: unit, name: one}
  - {block: unit, name: two, weights: one}
  - max_pool: 2
  - {block: unit, name: small, weights: one}
  - section: last_part
    layers: [{block: unit, name: unit, weights: later.unit}]
"""
"""A layer used again in its section, beside it and in another one; blocks too, in other sizes."""
KEYS = """archc: 1
name: keys
input: {channels: 4, height: 8, width: 8}
blocks:
  unit:
    layers:
      - {conv: {filters: 4, kernel_size: 3, padding: 1}, name: Conv-a}
      - relu
layers:
  - section: first
    layers:
      - repeat: 3
        layers: [{block: unit, name: unit-$(index), trainable: $(index != 1)}]
  - section: second
    layers:
      - {block: unit, name: Unit-a, weights: first.unit-0}
      - section: in-ner
        layers: [{conv: {filters: 4, kernel_size: 1}, name: pro-j, trainable: false}]
  - section: third
    layers:
      - {conv: {filters: 4, kernel_size: 1}, name: Pro-j, weights: second.in-ner.pro-j}
      - relu
"""
"""Names that are no identifiers, of modules that are frozen or another one."""
FLATTENED = """archc: 1
name: flattened
inputs:
  image: {channels: 2, height: 3, width: 3}
  row: {features: 18}
layers:
  - {flatten: , from: image}
  - {dense: 4, name: head}
  - {dense: 4, weights: head, name: other, from: row}
  - {concat: , from: [head, other]}
"""
"""Keras has the features of a flattened map in another order; the shared kernel fits both."""
TRANSLATION = """archc: 1
name: translation
inputs:
  source: {tokens: 5, dtype: int32}
  target: {tokens: 5, dtype: int32}
layers:
  - {embedding: {vocabulary: 9, features: 8}, name: words, from: source}
  - {embedding: {vocabulary: 9, features: 8}, name: others, from: target, weights: words}
  - {add: , from: [words, others]}
  - {dense: {units: 9, bias: false}, weights: words}
"""
"""One table for both inputs and the head (Vaswani et al. 2017, section 3.4)."""


def verified(net: Network, workers: Workers, sources: dict[str, str] | None = None) -> Verification:
    return verify(net, Settings(), workers=workers, sources=sources)


@pytest.mark.parametrize(
    "text",
    [SIAMESE, TINY_GPT2, PLACES, KEYS, FLATTENED, TRANSLATION],
    ids=["siamese", "tied", "places", "keys", "flattened", "translation"],
)
def test_shared_layers_are_one_network_on_both(text: str, tmp_path: Path, workers: Workers) -> None:
    net = written(text, tmp_path)
    result = verified(net, workers)
    assert result.agrees, (result.first, result.failures)
    model = module(net.emit("torch")).build_model()
    assert sum(one.numel() for one in model.parameters()) == net.costs.totals.params


def test_a_tied_head_has_a_bias_of_its_own(tmp_path: Path, workers: Workers) -> None:
    text = TINY_GPT2.replace("units: $vocabulary, bias: false", "units: $vocabulary")
    assert verified(written(text, tmp_path), workers).agrees


def test_shared_layers_are_written_as_a_person_would(tmp_path: Path) -> None:
    siamese = written(SIAMESE, tmp_path).emit("torch")
    assert siamese.count("= Tower(") == 1
    assert "self.tower(left)" in siamese
    assert "self.tower(right)" in siamese
    tied = written(TINY_GPT2, tmp_path)
    assert "self.lm_head.weight = self.wte.weight" in tied.emit("torch")
    assert "wte = layers.ReversibleEmbedding(" in tied.emit("keras")
    assert "wte(x, reverse=True)" in tied.emit("keras")


def without(line: str) -> Callable[[str], str]:
    def changed(source: str) -> str:
        assert source.count(line) == 1
        return source.replace(line, "")

    return changed


@pytest.mark.parametrize(
    ("backend", "change"),
    [
        ("torch", without("        self.lm_head.weight = self.wte.weight\n")),
        (
            "keras",
            lambda source: source.replace(
                "x = wte(x, reverse=True)", "x = layers.Dense(11, use_bias=False, name='head')(x)"
            ),
        ),
    ],
)
def test_a_head_that_is_not_tied_is_another_network(
    backend: str, change: Callable[[str], str], tmp_path: Path, workers: Workers
) -> None:
    net = written(TINY_GPT2, tmp_path)
    result = verified(net, workers, {backend: change(net.emit(backend))})
    assert not result.agrees
    assert {one.backend for one in result.failures} == {backend}


AGAIN = """archc: 1
name: again
input: {features: 4}
blocks:
  step: {layers: [{dense: 4}, tanh]}
layers:
  - {block: step, name: first}
  - {repeat: 4, layers: [{block: step, weights: first}]}
"""
"""One layer is applied five times (Lan et al. 2020)."""


@pytest.mark.parametrize(("backend", "times"), [("torch", 5), ("keras", 4)])
def test_a_layer_that_is_applied_again_and_again_is_called_in_a_loop(
    backend: str, times: int, tmp_path: Path, workers: Workers
) -> None:
    """In Keras the input has a name of its own, and so the first call is beside the others."""
    net = written(AGAIN, tmp_path)
    text = str(net.emit(backend))
    assert text.count(f"for _ in range({times}):\n") == 1
    assert verified(net, workers).agrees


def test_a_tower_that_is_built_twice_is_another_network(tmp_path: Path, workers: Workers) -> None:
    net = written(SIAMESE, tmp_path)
    source = net.emit("torch")
    twice = re.sub(
        r"( +self\.tower = (Tower\(.*\))\n)", r"\1        self.other = \2\n", source
    ).replace("self.tower(right)", "self.other(right)")
    assert not verified(net, workers, {"torch": twice}).agrees


@pytest.mark.parametrize(
    "text", [TINY_GPT2, PLACES, TRANSLATION], ids=["tied", "places", "translation"]
)
def test_weights_go_through_both_formats(text: str, tmp_path: Path) -> None:
    """PyTorch's own state dict, which has a tied parameter under both its names, comes back whole
    and loads strictly; the Keras file in between has it once."""
    net = written(text, tmp_path)
    spec = str(tmp_path / "spec.yaml")
    model = module(net.emit("torch")).build_model()
    state = model.state_dict()
    files = [str(tmp_path / name) for name in ("a.pth", "b.weights.h5", "c.pth")]
    torch.save(state, files[0])
    for one, other in pairwise(files):
        assert main(["weights", "convert", spec, one, "-o", other]) == 0
    again = module(net.emit("torch")).build_model()
    again.load_state_dict(torch.load(files[2], weights_only=True))
    assert list(again.state_dict()) == list(state)
    for key, value in state.items():
        if "num_batches_tracked" not in key:
            assert torch.equal(value, again.state_dict()[key])


def test_a_file_may_have_a_tied_array_at_either_place_or_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hugging Face's safetensors leave the head out; other files leave the embedding out."""
    net = written(TINY_GPT2, tmp_path)
    spec, file, result = (str(tmp_path / one) for one in ("spec.yaml", "a.pth", "b.safetensors"))
    state: dict[str, Any] = module(net.emit("torch")).build_model().state_dict()
    for dropped in ("lm_head.weight", "wte.weight"):
        torch.save({key: value for key, value in state.items() if key != dropped}, file)
        assert main(["weights", "import", spec, file, "-o", result, "--force"]) == 0
    state["lm_head.weight"] = state["wte.weight"] + 1
    torch.save(state, file)
    assert main(["weights", "import", spec, file, "-o", result, "--force"]) == 1
    message = "ARC604 `lm_head.weight` is not equal to `wte.weight`"
    assert message in capsys.readouterr().err


def test_keras_keeps_a_tied_table_one_when_it_saves(tmp_path: Path) -> None:
    model = module(written(TINY_GPT2, tmp_path).emit("keras")).build_model()
    path = str(tmp_path / "model.keras")
    model.save(path)
    loaded = keras.models.load_model(path)
    ids = numpy.arange(6)[None] % 11
    expected = keras.ops.convert_to_numpy(model(ids))
    assert numpy.array_equal(expected, keras.ops.convert_to_numpy(loaded(ids)))
    assert loaded.count_params() == model.count_params()


@pytest.mark.parametrize("text", [SIAMESE, TINY_GPT2, PLACES], ids=["siamese", "tied", "places"])
def test_a_resolved_spec_shares_the_same(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = written(text, tmp_path)
    assert main(["show", str(tmp_path / "spec.yaml"), "--resolved"]) == 0
    again = written(capsys.readouterr().out, tmp_path)
    assert again.costs.totals == net.costs.totals
    assert [node.weights for node in again.costs.graph.nodes] == [
        node.weights for node in net.costs.graph.nodes
    ]
