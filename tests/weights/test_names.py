"""Which array of a file is which of a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import pytest
from safetensors.numpy import save_file

from archc.api import Network
from archc.cli import main
from archc.diagnostics import SpecError
from archc.ir.arrays import arrays
from archc.ir.checkpoints import read_table
from archc.language.reader import parse, read_text
from archc.weights import transfer
from tests.backends.networks import written

RESIDUAL = """archc: 1
name: residual
input: {channels: 4, height: 6, width: 6}
blocks:
  unit:
    layers:
      - add:
          - []
          - - conv: {filters: 4, kernel_size: 3, padding: same, bias: false}
              name: conv
            - batch_norm
      - relu
layers:
  - section: trunk
    layers:
      - repeat: 3
        layers:
          - block: unit
  - global_avg_pool
  - dense: {units: 2}
    name: head
"""
TABLE = """trunk.unit_{n}.conv: layer1.{n-1}.conv1
trunk.unit_{n}.batch_norm_1: layer1.{n-1}.bn1
head: fc
"""
CHAIN = """archc: 1
name: chain
input: {channels: 3, height: 6, width: 6}
layers:
  - conv: {filters: 3, kernel_size: 3, padding: same}
  - conv: {filters: 3, kernel_size: 3, padding: same}
  - flatten
  - dense: 2
"""


def theirs(net: Network) -> dict[str, Any]:
    """A state dict of the residual network, as somebody else's code names it."""
    random = numpy.random.default_rng(4)
    state = {}
    for one in arrays(net.costs):
        op, _, variable = one.key.rpartition(".")
        if op == "head":
            name = "fc"
        else:
            _, unit, layer = op.split(".")
            place = int(unit.removeprefix("unit_")) - 1
            name = f"layer1.{place}.{'conv1' if layer == 'conv' else 'bn1'}"
        state[f"{name}.{variable}"] = random.standard_normal(one.variable.shape).astype("float32")
    return state


def table(folder: Path, text: str) -> Mapping[str, str]:
    (folder / "names.yaml").write_text(text)
    return read_table(parse(read_text(str(folder / "names.yaml"))))


def messages(path: Path, net: Network, names: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(SpecError) as caught:
        transfer.load(str(path), net, names or {})
    assert {one.code for one in caught.value.diagnostics} == {"ARC604"}
    return [one.message for one in caught.value.diagnostics]


def test_a_table_gives_another_s_names_whatever_they_count_from(tmp_path: Path) -> None:
    net = written(RESIDUAL, tmp_path)
    state = theirs(net)
    save_file(state, tmp_path / "a.safetensors")
    path = str(tmp_path / "a.safetensors")
    loaded = transfer.load(path, net, table(tmp_path, TABLE))
    assert len(loaded) == len(state) == 17
    for n in (1, 2, 3):
        mean = loaded[f"trunk.unit_{n}.batch_norm_1.running_mean"]
        assert numpy.array_equal(mean, state[f"layer1.{n - 1}.bn1.running_mean"])
        weight = loaded[f"trunk.unit_{n}.conv.weight"]
        assert numpy.array_equal(weight, state[f"layer1.{n - 1}.conv1.weight"])
    assert numpy.array_equal(loaded["head.weight"], state["fc.weight"])


def test_order_never_decides_where_there_are_branches(tmp_path: Path) -> None:
    import torch

    net = written(RESIDUAL, tmp_path)
    # In the order of the network, which a `.pth` keeps.
    state = {name: torch.from_numpy(value) for name, value in theirs(net).items()}
    torch.save(state, tmp_path / "a.pth")
    lines = messages(tmp_path / "a.pth", net)
    assert sum("is missing" in line for line in lines) == 17
    assert len(lines) == 21


def test_one_array_for_two_is_told(tmp_path: Path) -> None:
    net = written(RESIDUAL, tmp_path)
    save_file(theirs(net), tmp_path / "a.safetensors")
    wrong = TABLE.replace("layer1.{n-1}.conv1", "layer1.0.conv1")
    lines = messages(tmp_path / "a.safetensors", net, table(tmp_path, wrong))
    assert lines.count(
        "`trunk.unit_1.conv.weight` and `trunk.unit_2.conv.weight` are both mapped to "
        "`layer1.0.conv1.weight`"
    ) == 1  # fmt: skip
    assert any("`layer1.1.conv1.weight` belongs to no array" in line for line in lines)


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "_orig_mod.module."])
def test_names_as_parallel_and_compiled_modules_have_them(wrapper: str, tmp_path: Path) -> None:
    net = written(CHAIN, tmp_path)
    weights = {
        one.key: numpy.full(one.variable.shape, place, "float32")
        for place, one in enumerate(arrays(net.costs))
    }
    transfer.save(str(tmp_path / "a.safetensors"), weights, net, "torch")
    from safetensors.numpy import load_file

    state = load_file(tmp_path / "a.safetensors")
    save_file({wrapper + key: value for key, value in state.items()}, tmp_path / "b.safetensors")
    loaded = transfer.read(str(tmp_path / "b.safetensors"), net)
    assert not loaded.in_order
    for key, value in weights.items():
        assert numpy.array_equal(loaded.weights[key], value)


def test_a_section_may_be_called_module(tmp_path: Path) -> None:
    net = written(
        "archc: 1\nname: net\ninput: {features: 3}\n"
        "layers:\n  - section: module\n    layers: [{dense: 2}, {dense: 2}]\n",
        tmp_path,
    )
    weights = {one.key: numpy.ones(one.variable.shape, "float32") for one in arrays(net.costs)}
    path = str(tmp_path / "a.safetensors")
    transfer.save(path, weights, net, "torch")
    assert transfer.load(path, net).keys() == weights.keys()


def test_the_order_of_a_chain_is_taken_and_told(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    net = written(CHAIN, tmp_path)
    monkeypatch.chdir(tmp_path)
    shapes = {"z.weight": (3, 3, 3, 3), "z.bias": (3,), "a.weight": (3, 3, 3, 3), "a.bias": (3,)}
    shapes |= {"m.weight": (2, 108), "m.bias": (2,)}
    state = {
        name: torch.full(shape, float(place)) for place, (name, shape) in enumerate(shapes.items())
    }
    torch.save(state, "a.pth")
    assert main(["weights", "import", "spec.yaml", "a.pth", "-o", "o.safetensors"]) == 0
    assert capsys.readouterr().err == (
        "a.pth: its names are different; layers are matched by their order\n"
        "wrote o.safetensors: 6 arrays\n"
    )
    loaded = transfer.load("o.safetensors", net)
    assert [float(value.flat[0]) for value in loaded.values()] == [0, 1, 2, 3, 4, 5]
    # A safetensors file has no order of layers.
    save_file({name: value.numpy() for name, value in state.items()}, "b.safetensors")
    assert any("is missing" in line for line in messages(tmp_path / "b.safetensors", net))


def test_what_is_near_a_missing_name_has_its_shape(tmp_path: Path) -> None:
    net = written(RESIDUAL, tmp_path)
    state = {one.key: numpy.ones(one.variable.shape, "float32") for one in arrays(net.costs)}
    moved = {"trunk.unit_1.conv.weight": "trunk.unit_1.conf.weight", "head.bias": "head.bits"}
    for ours, theirs in moved.items():
        state[theirs] = state.pop(ours)
    state["head.bits"] = numpy.ones((3,), "float32")
    path = str(tmp_path / "a.safetensors")
    transfer.save_neutral(path, state, net.costs)
    with pytest.raises(SpecError) as caught:
        transfer.load(path, net)
    hints = [one.hint for one in caught.value.diagnostics if "is missing" in one.message]
    assert hints == ['did you mean "trunk.unit_1.conf.weight"?', None]


def test_a_neutral_file_tells_whose_it_is(tmp_path: Path) -> None:
    net = written(CHAIN, tmp_path)
    weights = {one.key: numpy.ones(one.variable.shape, "float32") for one in arrays(net.costs)}
    path = tmp_path / "a.safetensors"
    transfer.save_neutral(str(path), weights, net.costs)
    other = written(RESIDUAL, tmp_path)
    lines = messages(path, other)
    assert lines.count("it has the weights of `chain`, not of `residual`") == 1
    # The same arrays are the same network, whatever it is called.
    again = written(CHAIN.replace("name: chain", "name: row"), tmp_path)
    assert transfer.load(str(path), again).keys() == weights.keys()
