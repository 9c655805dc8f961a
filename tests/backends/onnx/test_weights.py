"""Files with weights: ONNX Runtime computes with them what PyTorch does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from archc import cli
from archc.ir.arrays import arrays
from archc.verify import FixedTensors, outputs
from archc.verify.settings import Settings
from archc.weights import transfer
from tests.backends.onnx.texts import network_of

SPEC = """\
archc: 1
name: reader
input: {tokens: 5, features: 6}
blocks:
  layer:
    params: {units: 3}
    layers:
      - gru: {units: $units, bidirectional: true, return_sequences: true}
      - layer_norm
layers:
  - lstm: {units: 4, layers: 2, return_sequences: true}
  - {repeat: 2, layers: [{block: layer, with: {units: 3}}]}
  - global_avg_pool
  - dense: {units: 2, activation: prelu}
"""


def test_an_exported_file_computes_what_the_network_does(tmp_path: Path) -> None:
    import onnxruntime

    network = network_of(SPEC)
    random = np.random.default_rng(3)
    weights = {
        one.key: random.normal(size=one.variable.shape).astype("float32")
        for one in arrays(network.costs)
    }
    path = tmp_path / "reader.onnx"
    transfer.save(str(path), weights, network, "onnx")
    onnx.checker.check_model(onnx.load(path), full_check=True)
    assert not [node for node in onnx.load(path).graph.node if node.op_type == "ConstantOfShape"]
    x = random.normal(size=(2, 5, 6)).astype("float32")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {"input": x})
    (expected,) = outputs(
        network, "torch", FixedTensors(weights, {"input": x}), Settings(dtype="float32")
    ).values()
    np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5)


def test_weights_are_exported_and_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("reader.yaml").write_text(SPEC)
    network = network_of(SPEC)
    weights = {one.key: np.ones(one.variable.shape, "float32") for one in arrays(network.costs)}
    transfer.save_neutral("w.safetensors", weights, network.costs)
    command = ["weights", "export", "reader.yaml", "w.safetensors", "--backend", "onnx"]
    assert cli.main([*command, "-o", "reader.onnx"]) == 0
    tensors = onnx.load("reader.onnx").graph.initializer
    assert {one.name for one in tensors if one.data_type == onnx.TensorProto.FLOAT} == {*weights}
    assert cli.main([*command, "-o", "reader.pth"]) == 2
    capsys.readouterr()
    assert cli.main(["weights", "import", "reader.yaml", "reader.onnx", "-o", "b.safetensors"]) == 1
    assert "safetensors, .pth and .weights.h5 are read" in capsys.readouterr().err
