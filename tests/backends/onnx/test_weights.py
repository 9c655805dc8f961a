"""Files with weights: ONNX Runtime computes with them as PyTorch does, and they are read again."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from archc import cli
from archc.diagnostics import SpecError
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


def test_weights_are_exported_and_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("reader.yaml").write_text(SPEC)
    network = network_of(SPEC)
    random = np.random.default_rng(4)
    weights = {
        one.key: random.normal(size=one.variable.shape).astype("float32")
        for one in arrays(network.costs)
    }
    transfer.save_neutral("w.safetensors", weights, network.costs)
    command = ["weights", "export", "reader.yaml", "w.safetensors", "--backend", "onnx"]
    assert cli.main([*command, "-o", "reader.onnx"]) == 0
    tensors = onnx.load("reader.onnx").graph.initializer
    assert {one.name for one in tensors if one.data_type == onnx.TensorProto.FLOAT} == {*weights}
    assert cli.main([*command, "-o", "reader.pth"]) == 2
    capsys.readouterr()
    assert cli.main(["weights", "import", "reader.yaml", "reader.onnx", "-o", "b.safetensors"]) == 0
    read = transfer.load("b.safetensors", network)
    assert read.keys() == weights.keys()
    assert all(np.array_equal(read[key], weights[key]) for key in weights)


DENSE = "archc: 1\nname: one\ninput: {features: 2}\nlayers: [{dense: 3}]\n"
VALUES = [0.5, -1.25, 3.0, 1024.0, -0.0078125, 6.0]  # which all types hold
TYPES = {kind: getattr(TensorProto, kind) for kind in ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16")}


def saved(path: Path, weight: TensorProto) -> str:
    """A model of a weight and a bias."""
    bias = helper.make_tensor("dense_1.bias", TensorProto.FLOAT, [3], [1.0, 2.0, 3.0])
    other = helper.make_tensor("shape", TensorProto.INT64, [1], [7])
    graph = helper.make_graph([], "one", [], [], [weight, bias, other])
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return str(path)


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("kind", TYPES)
def test_all_types_of_numbers_are_read(kind: str, raw: bool, tmp_path: Path) -> None:
    weight = helper.make_tensor("dense_1.weight", TYPES[kind], [3, 2], VALUES)
    if raw:
        own = numpy_helper.to_array(weight)
        weight = numpy_helper.from_array(own, "dense_1.weight")
    assert weight.HasField("raw_data") == raw
    read = transfer.load(saved(tmp_path / "one.onnx", weight), network_of(DENSE))
    assert read["dense_1.weight"].reshape(-1).tolist() == VALUES
    assert read["dense_1.bias"].tolist() == [1, 2, 3]


def elsewhere(weight: TensorProto) -> None:
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def gibibytes(weight: TensorProto) -> None:
    weight.dims[:] = [1 << 29, 1]


def negative(weight: TensorProto) -> None:
    weight.dims[:] = [-3, -2]


def other_numbers(weight: TensorProto) -> None:
    weight.ClearField("raw_data")
    weight.int32_data[:] = range(6)


def twice(weight: TensorProto) -> None:
    weight.name = "dense_1.bias"


DAMAGED: dict[str, Callable[[TensorProto], None]] = {
    "is not in it but in another file": elsewhere,
    "of [536870912, 1] has 24 bytes": gibibytes,
    "of [-3, -2] has 24 bytes": negative,
    "`int32_data` has numbers of another type": other_numbers,
    "two arrays have the name `dense_1.bias`": twice,
}


@pytest.mark.parametrize("message", DAMAGED)
def test_arrays_that_are_damaged_are_refused(message: str, tmp_path: Path) -> None:
    weight = numpy_helper.from_array(np.array(VALUES, "float32").reshape(3, 2), "dense_1.weight")
    DAMAGED[message](weight)
    with pytest.raises(SpecError, match=re.escape(message)):
        transfer.load(saved(tmp_path / "one.onnx", weight), network_of(DENSE))


def test_files_that_are_cut_are_refused(tmp_path: Path) -> None:
    weight = numpy_helper.from_array(np.array(VALUES, "float32").reshape(3, 2), "dense_1.weight")
    path = tmp_path / "one.onnx"
    data = Path(saved(path, weight)).read_bytes()
    for size in (len(data) - 20, 40):
        path.write_bytes(data[:size])
        with pytest.raises(SpecError, match="cut off or damaged"):
            transfer.load(str(path), network_of(DENSE))


def test_names_alone_decide(tmp_path: Path) -> None:
    """An ONNX file of others may have a square matrix either way round."""
    weight = numpy_helper.from_array(np.array(VALUES, "float32").reshape(3, 2), "fc.weight")
    with pytest.raises(SpecError, match=r"has no `dense_1\.weight`"):
        transfer.load(saved(tmp_path / "one.onnx", weight), network_of(DENSE))
