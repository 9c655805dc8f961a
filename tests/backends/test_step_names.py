"""What steps, sections and blocks may be called, and what that makes of emitted code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy
import pytest
import torch
from torch import nn

from archc.cli import main
from archc.language import names
from tests.backends.networks import BACKENDS, module, written

ODD = sorted(
    name
    for name in names.EMITTED | names.REPETITION | names.FRAMEWORK
    if names.step_error(name) is None
)
"""Names that emitted source, expressions or Keras' models use themselves."""


def spec_of_odd_names() -> str:
    """Each name three times: an op whose value is needed later, a section around it, and a block's
    step."""
    lines = ["archc: 1", "name: odd", "input: {features: 3}", "blocks:"]
    for block, step in (("unit", "relu"), ("part", "tanh")):
        lines += [f"  {block}:", "    layers:"]
        lines += [f"      - {{{step}: , name: {name}, from: input}}" for name in ODD]
        lines += [f"      - {{add: , from: [{', '.join(ODD)}]}}"]
    lines += ["layers:", "  - {dense: 3, name: stem}", "  - section: inner", "    layers:"]
    lines += [f"      - {{section: {name}, from: stem, layers: [elu]}}" for name in ODD]
    lines += [f"      - {{add: , from: [{', '.join(ODD)}]}}", "  - block: unit", "  - block: part"]
    return "\n".join(lines) + "\n"


def test_names_that_hide_nothing_are_names_like_any_other(tmp_path: Path) -> None:
    assert {"main", "layers", "last", "first", "model", "x", "nn", "torch", "loss"} <= set(ODD)
    net = written(spec_of_odd_names(), tmp_path)
    ours: Any = module(net.emit("torch")).build_model().eval()
    theirs = module(net.emit("keras")).build_model()
    kernel = numpy.eye(3, dtype="float32")
    theirs.set_weights([kernel, numpy.zeros(3, "float32")])
    ours.stem.weight.data = torch.from_numpy(kernel)
    ours.stem.bias.data.zero_()
    x = numpy.array([[-0.5, 0.25, 2.0]], "float32")
    count = len(ODD)
    stem = count * numpy.where(x > 0, x, numpy.expm1(x))
    expected = count * numpy.tanh(count * numpy.maximum(stem, 0))
    with torch.no_grad():
        numpy.testing.assert_allclose(ours(torch.from_numpy(x)), expected, rtol=1e-5)
    numpy.testing.assert_allclose(keras.ops.convert_to_numpy(theirs(x)), expected, rtol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_code_with_such_names_is_clean(backend: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.py"
    path.write_text(written(spec_of_odd_names(), tmp_path).emit(backend))
    rules = ["--select", "E,F,I,UP,B,N", "--ignore", "E501"]
    command = [sys.executable, "-m", "ruff", "check", "--isolated", *rules]
    checked = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_names_of_a_modules_own_attributes_are_refused() -> None:
    for name in ("forward", "train", "parameters", "children", "state_dict", "self", "input"):
        assert names.step_error(name) is not None


KEYS = """archc: 1
name: keys
input: {channels: 3, height: 8, width: 8}
blocks:
  unit:
    params: {filters: 4}
    layers: [{conv: {filters: $filters, kernel_size: 1}, name: conv}, relu]
layers:
  - section: trunk
    layers:
      - for: {stage: [1, 2], depth: [1, 4]}
        layers:
          - section: block$(stage)
            layers:
              - repeat: $depth
                layers: [{block: unit, with: {filters: $(2 * stage)}, name: block$(stage)-$(index)}]
  - section: grown
    layers:
      - repeat: 4
        layers: [{block: unit, with: {filters: $(5 + index)}, name: layer$(index + 1)}]
  - add: [[], [{conv: {filters: 8, kernel_size: 1}, name: Conv2d_1a-x}]]
"""


def test_computed_names_are_keys(tmp_path: Path) -> None:
    """As `add_module` takes them, in sequences; attributes are identifiers."""
    net = written(KEYS, tmp_path)
    source = net.emit("torch")
    model = module(source).build_model()
    assert [*dict.fromkeys(key.rpartition(".")[0] for key in model.state_dict())] == [
        "trunk.block1.block1-0.conv",
        *(f"trunk.block2.block2-{index}.conv" for index in range(4)),
        *(f"grown.layer{number}.conv" for number in (1, 2, 3, 4)),
        "Conv2d_1a_x",
    ]
    assert '*((f"block2-{i}", Unit(4)) for i in range(1, 4))' in source
    assert '(f"layer{i + 1}", Unit(4 + i, filters=5 + i)) for i in range(4)' in source


POSITIONS = """archc: 1
name: positions
input: {channels: 3, height: 8, width: 8}
blocks:
  unit:
    class: MBConv
    layers:
      - section:
        layers: [{conv: {filters: 8, kernel_size: 3, padding: 1, bias: false}}, batch_norm, relu]
      - conv: {filters: 8, kernel_size: 1}
layers:
  - section: features
    layers:
      - section:
        layers: [{conv: {filters: 4, kernel_size: 3}}, batch_norm, relu]
      - {section: , when: false, layers: [relu]}
      - section:
        layers: [{conv: {filters: 8, kernel_size: 3}}, batch_norm, relu]
      - block: unit
      - block: unit
  - global_avg_pool
  - dense: 5
"""


def conv_bn(width: int, filters: int, **options: Any) -> nn.Sequential:
    conv = nn.Conv2d(width, filters, 3, **options)
    return nn.Sequential(conv, nn.BatchNorm2d(filters), nn.ReLU())


def test_sections_without_a_name_have_the_keys_of_nested_sequences(tmp_path: Path) -> None:
    net = written(POSITIONS, tmp_path)
    unit = [
        nn.Sequential(conv_bn(8, 8, padding=1, bias=False), nn.Conv2d(8, 8, 1)) for _ in range(2)
    ]
    theirs = nn.ModuleDict(
        {
            "features": nn.Sequential(conv_bn(3, 4), conv_bn(4, 8), *unit),
            "dense": nn.Linear(8, 5),
        }
    )
    ours = module(net.emit("torch")).build_model().state_dict()
    assert [(key, value.shape) for key, value in ours.items()] == [
        (key, value.shape) for key, value in theirs.state_dict().items()
    ]
    paths = [node.path for node in net.costs.graph.layers]
    assert "features.section_1.conv_1" in paths
    assert "features.section_3.conv_1" in paths  # what is left out is counted, as steps are
    assert "features.unit_1.section_1.relu_1" in paths


def test_sections_without_a_name_are_resolved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = written(POSITIONS, tmp_path)
    assert main(["show", str(tmp_path / "spec.yaml"), "--resolved"]) == 0
    again = written(capsys.readouterr().out, tmp_path).costs
    assert [node.path for node in again.graph.nodes] == [
        node.path for node in net.costs.graph.nodes
    ]


def test_a_block_has_the_class_that_the_spec_gives_it(tmp_path: Path) -> None:
    net = written(POSITIONS, tmp_path)
    assert "class MBConv(nn.Sequential):" in net.emit("torch")
    assert "def mb_conv(" in net.emit("keras")


OUTPUTS = """
archc: 1
name: outputs
input: {features: 4}
outputs: [code, image]
layers:
  - dense: {units: 2, activation: tanh}
    name: code
  - dense: 3
  - dense: {units: 4, activation: sigmoid}
    name: image
"""


@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_each_of_several_outputs_is_called_by_its_name(backend: str, tmp_path: Path) -> None:
    source = written(OUTPUTS, tmp_path).emit(backend)
    returned = {"torch": "return code, image\n", "keras": "keras.Model(inputs, [code, image], "}
    assert returned[backend] in source
