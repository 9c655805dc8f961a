"""Programs of `torch.export`: read without PyTorch, and the same network."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from archc.diagnostics import SpecError
from archc.importers import formats
from archc.importers.agreement import compare
from archc.importers.export import save_weights
from archc.importers.proof import graph_difference
from archc.importers.spec import Imported, as_spec
from archc.importers.torch_export import network_of
from archc.importers.torch_export.archive import program_of
from archc.importers.torch_export.translate import TABLE
from archc.ops.attention import Attention
from archc.verify import Workers
from tests.importers.models import filled
from tests.importers.torch_export.programs import (
    Encoder,
    Further,
    Gates,
    InPlace,
    Kinds,
    Mixed,
    States,
    UNet,
    Words,
    edited,
    saved,
)

pytestmark = pytest.mark.torch

IDS = torch.zeros(3, 7, dtype=torch.int64)


def imported(path: Path) -> Imported:
    return as_spec(formats.read(str(path)), "model", str(path), [])


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers() as pool:
        yield pool


THREE = torch.zeros(3, 3, 16, 16)
PROGRAMS: dict[str, tuple[nn.Module, dict[str, Any]]] = {
    "mixed": (Mixed(), {"x": THREE}),
    "kinds": (Kinds(), {"x": THREE}),
    "further": (Further(), {"x": THREE}),
    "encoder": (Encoder(), {"x": THREE, "free": True}),
    "core": (Gates(), {"x": THREE, "core": True}),
    "states": (States(), {"x": IDS, "free": True}),
}


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {
        name: saved(tmp_path_factory.mktemp(name), model, **options)
        for name, (model, options) in PROGRAMS.items()
    }


STEPS = {"further": 9}
"""Ops of each program that are no tensor of it: steps of Mish, GLU and a difference."""


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_layer_computes_what_the_program_computes(
    name: str, workers: Workers, archives: dict[str, Path]
) -> None:
    model, options = PROGRAMS[name]
    own = imported(archives[name])
    result = compare(own, str(archives[name]), workers)
    assert result.reason is None
    assert result.disagreement is None
    assert result.compared == len(own.network.layers) - STEPS.get(name, 0)
    assert own.network.batch == (None if options.get("free") else 3)
    if name != "states":  # which has other biases than PyTorch
        learned = sum(one.numel() for one in model.parameters())
        assert own.loaded.costs.totals.params == learned + filled(own.network)


LOST = {
    "further": ["no coefficients in the file. Here it has, 1 at the start, and learns them."],
    "core": ["no offsets in the file. Here it has, 0 at the start, and learns them."],
    "states": [
        "9 rows in the file. Here it has those that 7 tokens use.",
        "two biases for each gate in the file. Here it has one, their sum.",
        "no biases in the file. Here it has, 0 at the start, and learns them.",
    ],
}


def test_comments_say_what_a_spec_has_not(archives: dict[str, Path]) -> None:
    for name, path in archives.items():
        notes = imported(path).network.notes
        assert [note.partition(" has ")[2] for note in notes] == LOST.get(name, [])


def test_every_rule_is_run(archives: dict[str, Path]) -> None:
    """By the programs whose values are compared; operations in place have the same rules."""
    kinds = {
        node["op"].split(".")[1]
        for path in archives.values()
        for node in program_of(str(path))["nodes"]
    }
    assert {kind for kind in TABLE if not kind.endswith("_")} - kinds == set()


def test_recurrences_are_single_steps(archives: dict[str, Path]) -> None:
    text = imported(archives["states"]).text
    assert "- lstm: {units: 5, return_sequences: true, bidirectional: true, layers: 2" in text
    assert "- - gru: {units: 3, bidirectional: true}\n" in text
    assert "- - lstm: {units: 3, layers: 2}\n      - - lstm: 3\n" in text


class Cells(nn.Module):
    """An LSTM with a first state of its own, and the state of its cells."""

    def __init__(self) -> None:
        super().__init__()
        self.own = nn.LSTM(6, 4, batch_first=True)
        self.first = nn.Parameter(torch.zeros(1, 3, 4))
        self.cells = nn.LSTM(6, 4, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        own = self.own(x, (self.first, self.first))[0][:, -1]
        states, cells = self.cells(x)[1]
        return torch.cat([own, cells[-1], states[0]], 1)


def test_other_states_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, Cells(), torch.zeros(3, 7, 6))
    assert [message.split(": once")[0] for message in errors(path)] == [
        "ARC802 lstm with first states",
        "ARC802 select of the states of the cells of LSTM",
        "ARC802 select of the last state of the layer 0 of 2",
    ]


@pytest.mark.parametrize("core", [False, True])
def test_activations_that_are_written_out_are_recognised(
    core: bool, tmp_path: Path, archives: dict[str, Path]
) -> None:
    path = archives["core"] if core else saved(tmp_path, Gates())
    layers = imported(path).network.layers
    ops = ["conv", "batch_norm", "relu6", "max_pool", "silu", "hard_swish", "hard_swish", "pad"]
    ops += ["adaptive_avg_pool", "global_avg_pool", "layer_norm", "dense", "softmax"]
    assert [layer.op.name for layer in layers] == ops


class Product(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x @ x.transpose(-2, -1))


def test_products_of_values_that_are_no_attention_are_refused(tmp_path: Path) -> None:
    (message,) = errors(saved(tmp_path, Product()))
    assert "relu of a product of two values: once" in message


class Half(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.relu6(x + 3) * 2


class Unlike(nn.Module):
    """Operations that are ops of archc by other arguments, and half of some that are."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(4, track_running_stats=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        results = [self.norm(x), nn.functional.celu(x, 2.0), x - 0.5, x**3, x.abs().relu()]
        results += [x / (1 + (2 * x).abs()), nn.functional.pad(x, (1, -1))]
        return torch.cat(results)


def test_what_other_arguments_mean_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, Unlike(), torch.zeros(2, 4, 6, 6))
    assert [message.split(": once")[0] for message in errors(path)] == [
        "ARC802 instance_norm by running statistics",
        "ARC802 celu with alpha 2.0",
        "ARC802 sub of the number 0.5",
        "ARC802 pow by 3",
        "ARC802 relu of |x|",
        "ARC802 div by anything but a number",
        "ARC802 pad with pad [1, -1]",
    ]


def test_an_input_is_compared_where_a_view_of_it_is_a_layer(
    tmp_path: Path, workers: Workers
) -> None:
    """Three axes that nothing tells from tokens, as a map."""
    path = saved(tmp_path, nn.ChannelShuffle(2), torch.zeros(3, 4, 5))
    own = imported(path)
    assert [layer.op.name for layer in own.network.layers] == ["reshape", "channel_shuffle"]
    result = compare(own, str(path), workers)
    assert (result.compared, result.disagreement) == (2, None)


def test_half_of_a_gate_is_refused(tmp_path: Path) -> None:
    (message,) = errors(saved(tmp_path, Half()))
    assert "mul of relu6(x + 3), not divided by 6: once" in message


def test_ids_are_looked_up(tmp_path: Path) -> None:
    ids = torch.zeros(3, 9, dtype=torch.int64)
    layers = imported(saved(tmp_path, Words(), ids)).network.layers
    ops = ["embedding", "layer_norm", "global_avg_pool", "softmax"]
    assert [layer.op.name for layer in layers] == ops


def test_a_fault_in_the_table_of_operations_is_seen(
    workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the comparison of values is for: a network that is another one by its values alone."""
    path = saved(tmp_path, nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))
    own = imported(path)

    def sigmoid(program: Any) -> None:
        program["graph_module"]["graph"]["nodes"][1]["target"] = "torch.ops.aten.sigmoid.default"

    result = compare(own, str(edited(path, sigmoid)), workers)
    assert result.disagreement is not None


def test_what_is_changed_in_place_is_changed_under_all_its_names(tmp_path: Path) -> None:
    own = imported(saved(tmp_path, InPlace(), torch.zeros(2, 4, 3, 3)))
    assert [layer.op.name for layer in own.network.layers] == ["relu", "scale", "concat"]
    assert own.network.layers[2].inputs == (1, 2)  # the rectified input, and that scaled


def test_attention_is_one_op_with_its_projections(archives: dict[str, Path]) -> None:
    layers = imported(archives["encoder"]).network.layers
    assert [layer.op for layer in layers if isinstance(layer.op, Attention)] == [
        Attention(heads=3),
        Attention(heads=3),
        Attention(heads=3, bias=False, output_bias=True, dropout=0.25),
    ]
    names = [layer.op.name for layer in layers]
    assert names.count("dense") == 1
    assert {"split", "scale", "permute", "reshape"}.isdisjoint(names)


def test_the_text_of_a_residual_network_is_short(tmp_path: Path) -> None:
    from tests.backends.torchvision_models import is_installed, models

    if not is_installed():
        pytest.skip("torchvision is not installed")
    with torch.device("meta"):
        model = models().resnet50()
        images = torch.zeros(2, 3, 224, 224)
    own = imported(saved(tmp_path, model, images))
    assert own.loaded.costs.totals.params == 25_557_032
    assert own.text.count("\n") <= 45
    assert "bottleneck:" in own.text


def test_a_class_within_the_branches_of_a_u_is_one_block(tmp_path: Path) -> None:
    """Each of its five uses, two of which are in another class."""
    text = imported(saved(tmp_path, UNet())).text
    assert text.count("block: double_conv\n") == 5
    assert text.count("- conv:") == 2


def test_reading_imports_no_framework(tmp_path: Path) -> None:
    path = saved(tmp_path, Mixed())
    program = (
        "import sys; from archc.importers import formats\n"
        "assert formats.read(sys.argv[1]).layers\n"
        "print(sorted({'torch', 'numpy', 'onnx'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert ast.literal_eval(done.stdout) == []


def test_weights_are_those_of_the_model(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(784, 5))
    model[1].running_mean.uniform_()
    with torch.no_grad():
        model[3].weight = nn.Parameter(torch.rand(784, 5).t())  # stored column by column
    path = saved(tmp_path, model)
    target = tmp_path / "weights.safetensors"
    save_weights(imported(path), str(path), str(target))
    arrays = load_file(target)
    assert torch.equal(arrays["conv_1.weight"], model[0].weight)
    assert torch.equal(arrays["batch_norm_1.running_mean"], model[1].running_mean)
    assert torch.equal(arrays["dense_1.weight"], model[3].weight)
    assert torch.equal(arrays["dense_1.bias"], model[3].bias)


def test_weights_of_attention_are_the_thirds_of_one_matrix(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    model = Encoder().to(torch.bfloat16)
    path = saved(tmp_path, model, torch.zeros(2, 3, 16, 16, dtype=torch.bfloat16))
    target = tmp_path / "weights.safetensors"
    save_weights(imported(path), str(path), str(target))
    arrays = load_file(target)
    thirds = model.attention.in_proj_weight.float().chunk(3)
    for name, third in zip(("query", "key", "value"), thirds, strict=True):
        assert torch.equal(arrays[f"attention_1.{name}_weight"], third)


def errors(path: Path) -> list[str]:
    with pytest.raises(SpecError) as error:
        formats.read(str(path))
    return [f"{one.code} {one.message}" for one in error.value.diagnostics]


def test_a_model_in_training_is_refused_with_a_way_out(tmp_path: Path) -> None:
    (message,) = errors(saved(tmp_path, nn.Sequential(nn.BatchNorm2d(3)), train=True))
    assert "batch_norm in training: call `model.eval()` before the export: once" in message


class Refused(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.erfinv(x.cumsum(1)) + torch.erfinv(x)


def test_all_that_there_is_no_op_for_is_listed_with_counts_and_places(tmp_path: Path) -> None:
    first, second = sorted(errors(saved(tmp_path, nn.Sequential(Refused()))))
    assert first == "ARC802 the operation aten.cumsum.default: once (`cumsum` in `0`)"
    assert second == (
        "ARC802 the operation aten.erfinv.default: 2 times (`erfinv` in `0`, `erfinv_1` in `0`)"
    )


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(self.layer(x))


def test_shared_weights_are_one_layer_s(tmp_path: Path) -> None:
    own = imported(saved(tmp_path, Tied(), torch.zeros(2, 4)))
    assert own.loaded.costs.totals.params == 4 * 4 + 4
    assert "weights:" in own.text


CHANGES: dict[type, Callable[[Any], Any]] = {
    bool: lambda value: not value,
    int: lambda value: value + 1,
    float: lambda value: value + 0.125,
    list: lambda value: [one + 1 for one in value],
    str: lambda value: "none",
}
IGNORED = {"cudnn_enabled", "cudnn_enable", "train", "implicit", "pin_memory"}
"""Arguments that choose a kernel, not a result."""


def _has_effect(node: dict[str, Any], name: str) -> bool:
    """Whether an argument changes a result: `dropout` is what is between layers, `momentum` what
    running statistics keep, and an axis of one element keeps its place under another name."""
    if name == "dropout" and "num_layers" in node["arguments"]:
        return bool(node["arguments"]["num_layers"] != 1)
    return name not in IGNORED and not (name == "momentum" and "instance_norm" in node["op"])


@pytest.mark.parametrize("name", ["mixed", "further", "states"])
def test_a_changed_argument_is_never_the_same_network(
    name: str, tmp_path: Path, archives: dict[str, Path]
) -> None:
    """Each argument of each operation, one by one: refused, or another graph."""
    path = saved(tmp_path, States(), IDS) if name == "states" else archives[name]
    own = imported(path)
    graph = own.loaded.costs.graph
    program = program_of(str(path))
    arguments = [
        (node["arguments"], name)
        for node in program["nodes"]
        for name, value in node["arguments"].items()
        if type(value) in CHANGES
        and _has_effect(node, name)
        and name not in ("hx", "params", "tensors")
    ]
    assert len(arguments) > 40
    missed = []
    for node, name in arguments:
        kept = node[name]
        node[name] = CHANGES[type(kept)](kept)
        try:
            network = network_of(program, "changed.pt2")
        except SpecError:
            continue
        finally:
            node[name] = kept
        if graph_difference(network, own.order, graph) is None:
            missed.append((name, kept))
    assert missed == []
