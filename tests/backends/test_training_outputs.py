"""Outputs in training alone: an evaluation neither computes nor returns them, on either side."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy
import pytest
import torch

from archc.cli import main
from archc.reports import json
from archc.verify import Workers, verify
from tests.backends.networks import module, written

TEXT = """archc: 1
name: auxiliary
input: {channels: 3, height: 6, width: 6}
blocks:
  head:
    layers: [global_avg_pool, {dense: 5, name: fc}]
layers:
  - {conv: {filters: 4, kernel_size: 3, padding: 1}, name: stem}
  - {batch_norm: , name: middle}
  - {block: head, name: aux1, from: middle}
  - {conv: {filters: 8, kernel_size: 3}, name: body, from: middle}
  - relu
  - {block: head, name: fc}
  - {section: aux2, from: body, layers: [flatten, dropout: 0.5, dense: 2]}
outputs: [fc, {aux2: training}, {aux1: training}]
"""
STEM, BODY, FC = (3 * 9 * 4 + 4) + 2 * 4, 4 * 9 * 8 + 8, 8 * 5 + 5
AUX1, AUX2 = 4 * 5 + 5, 8 * 16 * 2 + 2
MACS = 36 * 4 * 27 + 16 * 8 * 36 + 8 * 5


def test_both_sums_are_in_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    costs = written(TEXT, tmp_path).costs
    assert costs.totals.params == STEM + BODY + FC + AUX1 + AUX2
    assert costs.evaluation.params == STEM + BODY + FC
    assert costs.totals.macs == costs.evaluation.macs == MACS
    assert costs.training.macs == MACS + 4 * 5 + 8 * 16 * 2
    report = json.report(costs)
    assert list(report["outputs"]) == ["fc.fc"]
    assert list(report["training_outputs"]) == ["aux2.dense_1", "aux1.fc"]
    assert main(["report", str(tmp_path / "spec.yaml")]) == 0
    assert "MACs per sample in training" in capsys.readouterr().out


def test_verification_proves_both_modes(tmp_path: Path, workers: Workers) -> None:
    result = verify(written(TEXT, tmp_path), workers=workers)
    assert result.agrees, (result.first, result.failures)
    kinds = {row.node.path: set(row.outputs) for row in result.rows}
    assert kinds["aux1.fc"] == kinds["aux2.dense_1"] == {"training"}
    assert kinds["body"] == {"evaluation", "single", "training"}


@pytest.mark.parametrize(
    ("backend", "old", "new"),
    [
        ("torch", "if self.training:", "if not self.training:"),
        ("torch", "return fc, x, aux1", "return fc, aux1, x"),
        ("keras", "    if training:\n", "    if not training:\n"),
        ("keras", "[fc, x, aux1]", "[fc, aux1, x]"),
    ],
)
def test_a_wrong_mode_or_order_is_reported(
    backend: str, old: str, new: str, tmp_path: Path, workers: Workers
) -> None:
    net = written(TEXT, tmp_path)
    source = net.emit(backend)
    assert source.count(old) == 1
    result = verify(net, sources={backend: source.replace(old, new)}, workers=workers)
    assert {one.backend for one in result.failures} == {backend}


def test_weights_go_through_both_formats(tmp_path: Path) -> None:
    """A Keras file is of the model that has all outputs; that of an evaluation is made of it."""
    net = written(TEXT, tmp_path)
    spec = str(tmp_path / "spec.yaml")
    ours = module(net.emit("torch")).build_model()
    files = [str(tmp_path / name) for name in ("a.pth", "b.weights.h5", "c.pth")]
    torch.save(ours.state_dict(), files[0])
    for one, other in ((0, 1), (1, 2)):
        assert main(["weights", "convert", spec, files[one], "-o", files[other]]) == 0
    again = torch.load(files[2], weights_only=True)
    for key, value in ours.state_dict().items():
        assert torch.equal(again[key], value)
    trained = module(net.emit("keras")).build_model(training=True)
    trained.load_weights(files[1])
    evaluated = keras.Model(trained.inputs, trained.outputs[0])
    x = numpy.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype("float32")
    with torch.no_grad():
        expected = ours.eval()(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))
    assert numpy.allclose(keras.ops.convert_to_numpy(evaluated(x)), expected, atol=1e-5)


def test_a_resolved_spec_has_the_same_outputs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = written(TEXT, tmp_path)
    assert main(["show", str(tmp_path / "spec.yaml"), "--resolved"]) == 0
    again = written(capsys.readouterr().out, tmp_path)
    assert again.costs.graph.training_outputs == net.costs.graph.training_outputs
    assert again.costs.training == net.costs.training


def test_a_network_with_them_has_no_recipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(f"{TEXT}training: {{epochs: 1}}\n")
    assert main(["validate", str(path)]) == 1
    assert "a recipe needs one input and one output" in capsys.readouterr().out
