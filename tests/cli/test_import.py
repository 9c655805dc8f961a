"""`archc import`: what it writes, and when it writes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from onnx import helper

from archc import cli
from archc.api import load
from archc.weights import transfer
from tests.importers.models import light, model, write

Capture = pytest.CaptureFixture[str]


def test_a_spec_and_its_weights(tmp_path: Path, capsys: Capture) -> None:
    norm = {
        name: numpy.full(4, value, "float32")
        for name, value in zip("sbmv", (2, 3, 5, 7), strict=True)
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node("BatchNormalization", ["a", *"sbmv"], ["n"]),
        helper.make_node("Mul", ["n", "f"], ["p"]),
        helper.make_node("Add", ["p", "o"], ["y"]),
    ]
    extra = {"f": numpy.full((4, 1, 1), 10, "float32"), "o": numpy.full((4, 1, 1), 1, "float32")}
    path = write(tmp_path, model(nodes, {"w": (4, 3, 3, 3), **norm, **extra}, ["N", 4, 6, 6]))
    spec, weights = tmp_path / "specs" / "mine.yaml", tmp_path / "mine.safetensors"
    arguments = ["import", path, "-o", str(spec), "--weights", str(weights), "--graph-only"]
    assert cli.main(arguments) == 0
    text = spec.read_text(encoding="utf-8")
    assert text.startswith(
        "# Imported from small.onnx.\n"
        "# Each batch_norm is merged with the scale and offset that follow it in the file.\n"
        "archc: 1\nname: mine\n"
    )
    network = load(str(spec), {})
    arrays = transfer.load(str(weights), network)
    values = {name: set(arrays[f"batch_norm_1.{name}"].tolist()) for name in ("weight", "bias")}
    assert values == {"weight": {20.0}, "bias": {31.0}}
    assert set(arrays["batch_norm_1.running_mean"].tolist()) == {5.0}
    own = onnx.numpy_helper.to_array(onnx.load(path).graph.initializer[0])
    assert numpy.array_equal(arrays["conv_1.weight"], own)
    assert cli.main(arguments) == 2
    assert "exists already" in capsys.readouterr().err


def test_weights_of_16_bits_are_whole_and_those_elsewhere_are_refused(
    tmp_path: Path, capsys: Capture
) -> None:
    values = [0.5 * number for number in range(108)]
    own = model([helper.make_node("Conv", ["x", "w"], ["y"])], {"w": (4, 3, 3, 3)}, ["N", 4, 6, 6])
    half = helper.make_tensor("w", onnx.TensorProto.FLOAT16, (4, 3, 3, 3), values)
    assert half.int32_data  # the bits, as whole numbers
    own.graph.initializer[0].CopyFrom(half)
    path, target = write(tmp_path, own), tmp_path / "mine.safetensors"
    spec = tmp_path / "mine.yaml"
    arguments = ["import", path, "-o", str(spec), "--weights", str(target), "--graph-only"]
    assert cli.main(arguments) == 0
    arrays = transfer.load(str(target), load(str(spec), {}))
    assert arrays["conv_1.weight"].reshape(-1).tolist() == values
    half.ClearField("int32_data")
    half.data_location = onnx.TensorProto.EXTERNAL
    half.external_data.add(key="location", value="../secret")
    own.graph.initializer[0].CopyFrom(half)
    write(tmp_path, own)
    target.unlink()
    capsys.readouterr()
    assert cli.main([*arguments, "--force"]) == 1
    assert "`w` is in another file, which is not read" in capsys.readouterr().err
    assert not target.exists()


@pytest.mark.parametrize("kind", ["onnx", "keras"])
def test_sizes_that_the_file_leaves_open_are_given(
    kind: str, tmp_path: Path, capsys: Capture
) -> None:
    """Both a batch and space are open; the networks' own texts are of ONNX and of Keras."""
    path = tmp_path / "small"
    if kind == "onnx":
        pool = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2])
        write(tmp_path, model([pool], {}, ["N", 3, None, None], ("N", 3, None, None)), "small")
    else:
        first = {"class_name": "InputLayer", "config": {"batch_shape": [None, None, None, 3]}}
        fields = {"pool_size": [2, 2], "strides": [2, 2], "padding": "valid"}
        layers: list[Any] = [first, {"class_name": "MaxPooling2D", "config": fields}]
        for number, one in enumerate(layers):
            one["config"]["name"] = f"layer{number}"
        own = {"class_name": "Sequential", "config": {"name": "small", "layers": layers}}
        path.write_text(json.dumps(own), encoding="utf-8")
    outputs = {"8": "height: 4, width: 4", "6,10": "height: 3, width: 5"}
    for sizes, expected in outputs.items():
        assert cli.main(["import", str(path), "--graph-only", "--size", sizes]) == 0
        assert f"output: {{channels: 3, {expected}}}" in capsys.readouterr().out
    for arguments in ([], ["--size", "6,10,3"]):
        assert cli.main(["import", str(path), "--graph-only", *arguments]) == 1
        assert "has axes of unknown size: give them by --size" in capsys.readouterr().err
    assert cli.main(["import", str(path), "--graph-only", "--size", "0"]) == 1
    assert cli.main(["import", str(path), "--graph-only", "--size", "6,-1"]) == 2
    assert "--size 6,-1: not whole numbers" in capsys.readouterr().err


def test_without_an_output_the_spec_is_printed(capsys: Capture) -> None:
    assert cli.main(["import", str(light("vgg19")), "--graph-only"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# Imported from light_vgg19.onnx.\narchc: 1\nname: light_vgg19\n")


def test_what_is_refused_leaves_nothing(tmp_path: Path, capsys: Capture) -> None:
    nodes = [helper.make_node("Mish", ["x"], ["y"], name="act")]
    path = write(tmp_path, model(nodes, {}, ["N", 3, 8, 8], opset=18))
    spec = tmp_path / "mine.yaml"
    assert cli.main(["import", path, "-o", str(spec)]) == 1
    assert "ARC802 the operation Mish: once (`act`)" in capsys.readouterr().err
    assert not spec.exists()
