"""The emitted file: valid to `onnx` with all its shapes, small, folded into the spec's blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from archc import cli
from archc.api import Network, load
from archc.backends.onnx.model import IR_VERSION, OPSET
from archc.backends.onnx.rewriting import inlined
from archc.diagnostics import SpecError
from archc.onnx_format.messages import ModelProto
from archc.onnx_format.protobuf import encode
from archc.onnx_format.reader import decode
from archc.onnx_format.text import text_of
from tests.backends.networks import ALL_SPECS, SPECS, STRUCTURES, shipped
from tests.backends.onnx.texts import network_of

SOME = ALL_SPECS[::6]


def emitted(network: Network) -> Any:
    data = network.emit("onnx")
    assert isinstance(data, bytes)
    return onnx.load_from_string(data)


def assert_valid(network: Network) -> None:
    """By the checker, and by inference, which must come to the shape that the file has of each
    value of the spec."""
    model = emitted(network)
    onnx.checker.check_model(model, full_check=True)
    flat = inlined(model, [])
    graph = network.costs.graph
    expected = {node.path: list(node.output.sizes) for node in graph.nodes}
    del flat.graph.value_info[:]
    inferred = onnx.shape_inference.infer_shapes(
        flat, check_type=True, strict_mode=True, data_prop=True
    )
    shapes = {one.name: shape_of(one) for one in inferred.graph.value_info}
    computed = {name for node in flat.graph.node for name in node.output if name in expected}
    assert computed >= {graph.nodes[index].path for index in graph.outputs}
    # `onnx` infers no shape of its normalisation of groups.
    known = {one.name for one in model.graph.output}
    known |= {one.output[0] for one in flat.graph.node if one.op_type == "GroupNormalization"}
    for name in computed - known:
        assert list(shapes[name][1:]) == expected[name], name


def shape_of(value: Any) -> list[int | str]:
    return [one.dim_value or one.dim_param for one in value.type.tensor_type.shape.dim]


@pytest.mark.parametrize("name", sorted(STRUCTURES)[::2])
def test_structures_are_valid_files(name: str) -> None:
    assert_valid(network_of(STRUCTURES[name]))


@pytest.mark.parametrize("name", SOME)
def test_specs_are_valid_files(name: str) -> None:
    assert_valid(load(str(SPECS / f"{name}.yaml"), {}))


def test_the_versions_are_the_newest_that_onnx_runtime_reads() -> None:
    import onnxruntime

    newest = onnx.defs.onnx_opset_version()
    assert (newest, onnx.IR_VERSION) == (OPSET, IR_VERSION)
    onnxruntime.InferenceSession(shipped("lenet5").emit("onnx"), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(("name", "most"), [("lenet5", 3000), ("vgg16", 11000)])
def test_files_have_no_weights_and_run(name: str, most: int) -> None:
    """VGG-16 has 138,357,544 parameters."""
    data = shipped(name).emit("onnx")
    assert len(data) < most


def test_files_run_as_they_are() -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(
        shipped("lenet5").emit("onnx"), providers=["CPUExecutionProvider"]
    )
    for batch in (1, 3):
        (output,) = session.run(None, {"input": np.ones((batch, 1, 32, 32), "float32")})
        assert output.shape == (batch, 10)
        assert np.isfinite(output).all()


def test_a_block_is_a_function_whose_numbers_are_attributes() -> None:
    model = emitted(shipped("resnet50"))
    assert [(one.name, list(one.attribute)) for one in model.functions] == [
        ("bottleneck_downsample", ["strides"]),
        ("bottleneck", []),
    ]
    calls = [node for node in model.graph.node if node.domain == "blocks"]
    assert [node.name for node in calls[:4]] == [
        "layer1.bottleneck_1",
        "layer1.bottleneck_2",
        "layer1.bottleneck_3",
        "layer2.bottleneck_1",
    ]
    strides = [list(node.attribute[0].ints) for node in calls if node.attribute]
    assert strides == [[1, 1], [2, 2], [2, 2], [2, 2]]
    (downsampled, _) = model.functions
    assert [node.op_type for node in downsampled.node].count("Conv") == 4
    sizes = {one.name: shape_of(one) for one in downsampled.value_info}
    assert sizes["conv3.weight"][2:] == [1, 1]
    assert sizes["conv1"][:2] == ["batch", sizes["bn1.weight"][0]]


def test_names_are_the_paths_of_the_spec() -> None:
    model = inlined(emitted(shipped("resnet18")), [])
    names = {name for node in model.graph.node for name in node.output}
    layers = {layer.node.path for layer in shipped("resnet18").costs.layers}
    assert layers <= names
    assert "layer2.basic_block_1.downsample.conv_1.weight" in names
    assert [one.name for one in model.graph.output] == ["fc"]


ATTENTION = """\
archc: 1
name: attending
input: {tokens: 5, features: 8}
layers:
  - attention: {heads: 4, key_heads: 2, causal: true, window: 3, rotary: 100}
  - layer_norm
  - lstm: {units: 3, bidirectional: true, return_sequences: true}
  - gru: {units: 3, return_sequences: true}
  - rms_norm
  - gelu
"""


def test_attention_recurrences_and_norms_are_onnx_s_own_operators() -> None:
    operators = [node.op_type for node in emitted(network_of(ATTENTION)).graph.node]
    for own in ("Attention", "RotaryEmbedding", "LayerNormalization", "LSTM", "GRU", "Gelu"):
        assert own in operators
    assert "RMSNormalization" in operators
    assert "Softmax" not in operators


def test_numbers_that_float32_rounds_stand_beside() -> None:
    text = ATTENTION.replace("gelu", "leaky_relu: 0.123456789")
    node = emitted(network_of(text)).graph.node[-1]
    assert [(one.key, one.value) for one in node.metadata_props] == [("alpha", "0.123456789")]
    assert emitted(network_of(text.replace("456789", ""))).graph.node[-1].metadata_props == []


@pytest.mark.parametrize("name", ["resnet18", "lenet5_1998"])
def test_the_text_is_what_onnx_parses(name: str) -> None:
    """But for what the parser drops: documentation of graphs, and what stands beside nodes."""
    data = shipped(name).emit("onnx")
    assert isinstance(data, bytes)
    own, parsed = onnx.load_from_string(data), onnx.parser.parse_model(text_of(data))
    for model in (own, parsed):
        model.graph.doc_string = ""
        for part in (model.graph, *model.functions):
            for node in part.node:
                del node.metadata_props[:]
    assert normal(parsed) == normal(own)


def normal(model: Any) -> str:
    """The text of a model with empty names as none."""
    lines = str(onnx.ModelProto.FromString(encode(decode(ModelProto, model.SerializeToString()))))
    empty = ('domain: ""', 'name: ""', 'doc_string: ""')
    return "\n".join(line for line in lines.splitlines() if line.strip() not in empty)


def test_the_same_bytes_every_time() -> None:
    first, second = (load(str(SPECS / "densenet121.yaml"), {}).emit("onnx") for _ in range(2))
    assert first == second


def test_a_number_too_large_for_float32_is_refused_at_its_line() -> None:
    network = network_of(ATTENTION.replace("gelu", "leaky_relu: 1.0e-60"))
    with pytest.raises(SpecError, match="cannot hold 1e-60") as caught:
        network.emit("onnx")
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.span.line) == ("ARC601", 10)


def test_text_and_check(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "attending.yaml").write_text(ATTENTION)
    build = ["build", "attending.yaml", "--backend", "onnx"]
    assert cli.main([*build, "--text"]) == 0
    file, text = (tmp_path / f"generated/onnx/attending.{one}" for one in ("onnx", "onnxtxt"))
    assert text.read_text() == text_of(file.read_bytes())
    assert cli.main([*build, "--check"]) == 0
    capsys.readouterr()
    (tmp_path / "attending.yaml").write_text(ATTENTION.replace("units: 3, bid", "units: 4, bid"))
    assert cli.main([*build, "--check"]) == 1
    shown = capsys.readouterr().out
    assert '-   ["lstm_1.lstm"] ' in shown
    assert "hidden_size: int = 4" in shown
    file.write_bytes(b"\x0b")
    assert cli.main([*build, "--check"]) == 1
    shown = capsys.readouterr()
    assert "(1 bytes that cannot be read: a field has the unknown wire type 3)" in shown.out
    assert f"{file.relative_to(tmp_path)} was edited" in shown.err
    assert cli.main(["build", "attending.yaml", "--backend", "torch", "--text"]) == 2
