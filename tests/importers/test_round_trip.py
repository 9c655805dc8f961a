"""Specs that archc emits as ONNX and imports again: their own file has the same operations."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from archc.api import Network, load
from archc.importers.onnx import network_of
from archc.importers.onnx.model import read_model
from archc.importers.onnx.terms import terms_of
from archc.importers.spec import Imported, as_spec
from tests.differential.accepting import read
from tests.differential.generator import spec_text
from tests.importers.sameness import operations

SPECS = Path(__file__).parents[2] / "specs"
LINES = {
    "char_lstm": 12,
    "convnext_tiny": 50,
    "deeplabv3_resnet50": 90,
    "gpt2": 35,
    "gru_tagger": 12,
    "lenet5_1998": 70,
    "llama_3_8b": 40,
    "resnet18": 50,
    "siamese": 35,
    "squeezenet1_1": 50,
    "transformer_base": 150,
    "vit_b_32": 50,
}
"""Specs with each kind of operation, and how many lines they have at most when they come back."""


def emitted(network: Network) -> bytes:
    """The ONNX file of a network."""
    source = network.compiled("onnx").source
    assert isinstance(source, bytes)
    return source


def imported(data: bytes, name: str) -> Imported:
    """The spec of an ONNX file. Raises SpecError."""
    return as_spec(network_of(terms_of(read_model(memoryview(data))), name), name, name, [])


@pytest.mark.parametrize("name", LINES)
def test_a_spec_comes_back_from_onnx(name: str) -> None:
    network = load(SPECS / f"{name}.yaml", {})
    data = emitted(network)
    again = imported(data, name)
    assert operations(data) == operations(emitted(again.loaded))
    assert again.loaded.costs.totals.params == network.costs.totals.params
    assert again.text.count("\n") <= LINES[name]


@pytest.mark.parametrize("seed", range(8))
def test_a_random_spec_comes_back_from_onnx(seed: int) -> None:
    data = emitted(Network(*read(spec_text(Random(seed)))))
    assert operations(data) == operations(emitted(imported(data, "drawn").loaded))


def test_another_network_is_not_the_same() -> None:
    """What the comparison is for: one field, one array, one value that another op takes."""
    text = "archc: 1\nname: {}\ninput: {{features: 8}}\nlayers:\n{}"
    one = "  - dense: 8\n  - relu\n  - dense: 8\n    name: b\n{}"
    others = [
        one.format("  - dense: 8\n"),
        one.format("  - dense: 8\n    weights: b\n"),
        one.format("  - add:\n    from: [b, relu_1]\n"),
        one.format("  - add:\n    from: [b, dense_1]\n"),
        one.format("  - dense: {units: 8, bias: false}\n"),
        one.format("  - dense: 8\n  - dropout: 0.5\n"),
    ]
    files = [emitted(Network(*read(text.format("small", other)))) for other in others]
    found = [operations(data) for data in files]
    assert all(a != b for place, a in enumerate(found) for b in found[:place])


def test_a_norm_and_the_scale_after_it_stay_two_ops() -> None:
    """Which Caffe's files have for one."""
    text = "archc: 1\nname: small\ninput: {channels: 3, height: 5, width: 4}\nlayers:\n"
    data = emitted(Network(*read(f"{text}  - batch_norm\n  - scale: {{bias: true}}\n  - relu\n")))
    again = imported(data, "small")
    assert "  - batch_norm\n  - scale: {bias: true}\n  - relu\n" in again.text
    assert operations(data) == operations(emitted(again.loaded))
