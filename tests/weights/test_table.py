"""Tables of names: every rule names layers, and no op is named twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
from safetensors.numpy import load_file, save_file

from archc.api import Network
from archc.cli import main
from archc.diagnostics import SpecError
from archc.ir.arrays import arrays
from archc.ir.checkpoints import read_table
from archc.language.reader import parse, read_text
from archc.weights import transfer
from archc.weights.files import Entry, WeightFile
from archc.weights.transfer import match_file
from tests.backends.networks import written

NETWORK = """archc: 1
name: net
input: {features: 2}
layers:
  - repeat: 3
    layers:
      - dense: 2
        name: fc
      - relu
  - section: head
    layers: [dense: 2]
"""


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return written(NETWORK, tmp_path)


def imported(network: Network, names: dict[str, str], table: str, folder: Path) -> dict[str, float]:
    """The first element of each weight, by its op, from a file whose layers have other names:
    `names` has them by the paths of ops; each holds the number of its op."""
    state = {}
    for number, layer in enumerate(names.values()):
        state[f"{layer}.weight"] = numpy.full((2, 2), number, "float32")
        state[f"{layer}.bias"] = numpy.full((2,), number, "float32")
    save_file(state, folder / "a.safetensors")
    (folder / "names.yaml").write_text(table)
    rules = read_table(parse(read_text(str(folder / "names.yaml"))))
    weights = transfer.load(str(folder / "a.safetensors"), network, rules)
    return {key.rpartition(".")[0]: float(one.flat[0]) for key, one in weights.items()}


OPS = ("fc_1", "fc_2", "fc_3", "head.dense_1")


@pytest.mark.parametrize(
    ("layers", "table"),
    [
        (("a1", "a3", "a5", "b"), "fc_{n}: a{2*n-1}\nhead.dense_1: b\n"),
        (("0", "2", "4", "6"), 'fc_{n}: "{2*n-2}"\nhead.dense_1: 6\n'),
        (("m.2", "m.4", "m.6", "h.1"), "fc_{k}: m.{2*k}\nhead.dense_{n}: h.{n}\n"),
        (("1x2", "2x3", "3x4", "b"), "fc_{n}: '{n}x{n+1}'\nhead.dense_1: b\n"),
        (("x", "y2", "y3", "b"), "fc_1: x\nfc_2: y2\nfc_3: y3\nhead.dense_1: b\n"),
        (("first", "y1", "y2", "b"), "fc_{n}: y{n-1}\nfc_1: first\nhead.dense_1: b\n"),
        (("ya", "yb", "yc", "b"), "fc_{n}: 'y{n:a}'\nhead.dense_1: b\n"),
        (("d0", "x", "d1", "b"), "'*.fc_{n}': 'd{#}'\nfc_2: x\nhead.dense_1: b\n"),
        (("1-0", "2-1", "3-2", "b0"), "fc_{n}: '{n}-{#}'\n'*.dense_1': 'b{#}'\n"),
    ],
)
def test_numbers_of_layers_are_computed(
    network: Network, layers: tuple[str, ...], table: str, tmp_path: Path
) -> None:
    named = dict(zip(OPS, layers, strict=True))
    assert imported(network, named, table, tmp_path) == {op: n for n, op in enumerate(OPS)}


def from_keras(layers: Sequence[str]) -> WeightFile:
    """A file of dense layers, without values."""
    shapes = {f"{one}/{n}": shape for one in layers for n, shape in enumerate(((2, 2), (2,)))}
    entries = {key: Entry(shape, "float32", lambda: None) for key, shape in shapes.items()}
    return WeightFile("model.h5", "keras", entries, {})


COUNTED = "fc_{n}: fc{n}\n'*.dense_1': 'dense_{#}'\n"


@pytest.mark.parametrize("name", ["dense", "dense_0", "dense_1", "dense_95"])
def test_a_layer_that_keras_counted_is_found(network: Network, name: str, tmp_path: Path) -> None:
    (tmp_path / "names.yaml").write_text(COUNTED)
    table = read_table(parse(read_text(str(tmp_path / "names.yaml"))))
    _, match, _ = match_file(from_keras(["fc1", "fc2", "fc3", name]), network, table)
    assert len(match.entries) == 8


@pytest.mark.parametrize("names", [("dense_7", "dense_07"), ("dense", "dense_0"), ("dense", "x")])
def test_no_layer_is_counted_twice(
    network: Network, names: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "names.yaml").write_text(COUNTED)
    table = read_table(parse(read_text(str(tmp_path / "names.yaml"))))
    with pytest.raises(SpecError, match="belongs to no array of the network"):
        match_file(from_keras(["fc1", "fc2", "fc3", *names]), network, table)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("fd_{n}: x", ("4:1", "`fd_{n}` matches no op of the network")),
        ("fc_4: x", ("4:1", "`fc_4` matches no op of the network")),
        ("dense_1: x", ("4:1", "`dense_1` matches no op of the network")),
        ("relu_{n}: x", ("4:1", "`relu_{n}` matches only ops without arrays")),
        ("head: x", ("4:1", "`head` names only what rules inside of it do")),
        ("fc_{n}: x", ("4:1", "`fc_{n}` matches `fc_1`, which another rule does too")),
        ("'*.fc_{n}': x", ("4:1", "`*.fc_{n}` names only what other rules do")),
        ("'*.relu': x", ("4:1", "`*.relu` matches no op of the network")),
        ("'{a}': x", ("4:1", "`{a}` matches no op of the network")),
    ],
)
def test_a_rule_that_names_nothing_or_again_is_an_error(
    network: Network, rule: str, expected: tuple[str, str], tmp_path: Path
) -> None:
    named = dict(zip(OPS, ("a1", "a2", "a3", "b"), strict=True))
    table = f"fc_{{k}}: a{{k}}\nhead.dense_1: b\n# one more\n{rule}\n"
    with pytest.raises(SpecError) as error:
        imported(network, named, table, tmp_path)
    (diagnostic,) = error.value.diagnostics
    span = diagnostic.span
    assert (diagnostic.code, f"{span.line}:{span.column}", diagnostic.message) == (
        "ARC604",
        *expected,
    )


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("head.dense_1: {}", "`head.dense_1` must map to the name of a layer"),
        ("head.dense_1: {layer: b, array: {}}", "`head.dense_1` has no `array`"),
        ("head.dense_1: {layer: [b]}", "`head.dense_1` must map to the name of a layer"),
        (
            "head.dense_1: {layer: b, arrays: [weight]}",
            "`arrays` of `head.dense_1` must be a mapping of arrays to variables",
        ),
        (
            "head.dense_1: {layer: b, transposed: 1}",
            "`transposed` of `head.dense_1` must be true or false",
        ),
        (
            "head.dense_1: {layer: b, blocks: [0, 2]}",
            "`blocks` of `head.dense_1` must have each of 0, 1, 2 ... once",
        ),
        (
            "head.dense_1: {layer: b, arrays: {kernel: wait}}",
            "`wait` is no variable of `head.dense_1`",
        ),
        (
            "head.dense_1: {layer: b, factors: {kernel: 2}}",
            "`kernel` is no variable of `head.dense_1`",
        ),
        (
            "head.dense_1: {layer: b, factors: {weight: heads^0.5}}",
            "a factor of `head.dense_1` must be a number or a power of one of its fields",
        ),
        (
            "head: {layer: b, transposed: true}",
            "`head` is no op: it says the name of a section alone",
        ),
    ],
)
def test_a_mapping_that_is_none_is_an_error(
    network: Network, rule: str, expected: str, tmp_path: Path
) -> None:
    named = dict(zip(OPS, ("a1", "a2", "a3", "b"), strict=True))
    with pytest.raises(SpecError) as error:
        imported(network, named, f"fc_{{n}}: a{{n}}\n{rule}\n", tmp_path)
    (diagnostic,) = (one for one in error.value.diagnostics if one.message == expected)
    assert diagnostic.hint


def test_an_error_stands_at_the_member_that_is_wrong(network: Network, tmp_path: Path) -> None:
    """Every one of them, though the rule matches several ops."""
    table = """fc_{n}:
  layer: a{n}
  arrays:
    kernel: wait
    both: [weight, bais]
  factors: {weight: 2, shift: 2}
head.dense_1:
  arrays: {w: {of: weight}}
"""
    named = dict(zip(OPS, ("a1", "a2", "a3", "b"), strict=True))
    with pytest.raises(SpecError) as error:
        imported(network, named, table.replace("{of: weight}", "weight"), tmp_path)
    errors = [one for one in error.value.diagnostics if "is no variable of" in one.message]
    places = [(one.span.line, one.span.column) for one in errors]
    assert places == [(4, 13), (5, 20), (6, 24)]
    assert errors[1].hint == 'did you mean "bias"?'
    with pytest.raises(SpecError) as error:
        imported(network, named, table, tmp_path)
    (diagnostic,) = error.value.diagnostics
    assert (diagnostic.span.line, diagnostic.span.column) == (8, 15)
    assert diagnostic.message.startswith("an array of `head.dense_1` must have the name")


def test_a_section_s_name_is_that_of_what_is_in_it(network: Network, tmp_path: Path) -> None:
    named = dict(zip(OPS, ("a1", "b2", "a3", "x.y.0"), strict=True))
    table = "fc_1: a1\nfc_2: b2\nfc_3: a3\nhead: x.y\n"
    assert imported(network, named, table, tmp_path) == {op: n for n, op in enumerate(OPS)}


MAPPINGS = """fc_1: {layer: one, arrays: {kernel: weight, shift: bias}, transposed: true}
fc_2: two
fc_3: {layer: three, factors: {weight: 0.5, bias: units^2}}
head.dense_1: {arrays: {w: weight, b: bias, rest: null}}
ignored: [other]
"""


def test_what_a_file_has_in_another_form(network: Network, tmp_path: Path) -> None:
    """By hand: other names, a matrix turned, variables multiplied, axes of one element more."""
    matrix = numpy.array([[1, 2], [3, 4]], "float32")
    vector = numpy.array([5, 6], "float32")
    state = {
        "one.kernel": matrix[..., None],
        "one.shift": vector[None],
        "two.weight": matrix,
        "two.bias": vector,
        "three.weight": matrix,
        "three.bias": vector,
        "other.x": vector,
    }
    state |= {"w": matrix, "b": vector, "rest": vector}
    save_file(state, tmp_path / "a.safetensors")
    (tmp_path / "names.yaml").write_text(MAPPINGS)
    table = read_table(parse(read_text(str(tmp_path / "names.yaml"))))
    weights = transfer.load(str(tmp_path / "a.safetensors"), network, table)
    expected = {
        "fc_1.weight": [[1, 3], [2, 4]],
        "fc_1.bias": [5, 6],
        "fc_2.weight": [[1, 2], [3, 4]],
        "fc_2.bias": [5, 6],
        "fc_3.weight": [[0.5, 1], [1.5, 2]],
        "fc_3.bias": [20, 24],
        "head.dense_1.weight": [[1, 2], [3, 4]],
        "head.dense_1.bias": [5, 6],
    }
    assert {key: value.tolist() for key, value in weights.items()} == expected


def test_what_a_rule_leaves_out_keeps_a_constant_initial_value(tmp_path: Path) -> None:
    text = """archc: 1
name: net
input: {features: 2}
layers: [batch_norm, dense: 2]
checkpoints:
  keras: {batch_norm_1: {layer: bn, arrays: {beta: bias, mean: running_mean, var: running_var}}}
"""
    net = written(text, tmp_path)
    vector = numpy.array([5, 6], "float32")
    state = {f"bn.{name}": vector for name in ("beta", "mean", "var")}
    state |= {"1.weight": numpy.eye(2, dtype="float32"), "1.bias": vector}
    save_file(state, tmp_path / "a.safetensors")
    weights = transfer.load(str(tmp_path / "a.safetensors"), net)
    assert weights["batch_norm_1.weight"].tolist() == [1, 1]
    assert weights["batch_norm_1.bias"].tolist() == [5, 6]
    del state["bn.mean"]
    save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(SpecError, match=r"`batch_norm_1\.running_mean` is missing"):
        transfer.load(str(tmp_path / "a.safetensors"), net)


def test_a_rule_misspelt_is_told_with_what_it_leaves_without_a_name(
    network: Network, tmp_path: Path
) -> None:
    named = dict(zip(OPS, ("a1", "a2", "a3", "b"), strict=True))
    with pytest.raises(SpecError) as error:
        imported(network, named, "fc_{n}: a{n}\nhead.dense: b\n", tmp_path)
    messages = [one.message for one in error.value.diagnostics]
    assert "`head.dense` matches no op of the network" in messages
    assert any(message.startswith("`head.dense_1.weight` is missing") for message in messages)
    (hint,) = [one.hint for one in error.value.diagnostics if "matches no op" in one.message]
    assert hint == 'did you mean "head.dense_1"?'


def test_the_network_has_the_ops_that_these_tests_name(network: Network) -> None:
    assert {one.key.rpartition(".")[0] for one in arrays(network.costs)} == set(OPS)


# Tables in the spec

KNOWN = (
    NETWORK
    + """checkpoints:
  theirs: {"fc_{n}": "layers.{2*n-1}", head.dense_1: head}
  others: {"fc_{n}": "block{n}", head.dense_1: 7}
"""
)


def state_of(*layers: str) -> dict[str, numpy.ndarray[Any, Any]]:
    """A state dict whose layers hold the numbers of their positions."""
    state = {}
    for number, layer in enumerate(layers):
        state[f"{layer}.weight"] = numpy.full((2, 2), number, "float32")
        state[f"{layer}.bias"] = numpy.full((2,), number, "float32")
    return state


@pytest.mark.parametrize(
    ("layers", "name"),
    [
        (("layers.1", "layers.3", "layers.5", "head"), "theirs"),
        (("block1", "block2", "block3", "7"), "others"),
        (("fc_1", "fc_2", "fc_3", "head.0"), None),
    ],
)
def test_a_known_file_is_imported_without_an_option(
    layers: tuple[str, ...],
    name: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    written(KNOWN, tmp_path)
    monkeypatch.chdir(tmp_path)
    save_file(state_of(*layers), tmp_path / "a.safetensors", {"format": "pt"})
    assert main(["weights", "import", "spec.yaml", "a.safetensors"]) == 0
    told = capsys.readouterr().err
    assert (f"its names are those of `{name}`" in told) == (name is not None)
    imported = load_file(tmp_path / "net.safetensors")
    for number, path in enumerate(OPS):
        assert imported[f"{path}.weight"][0, 0] == number


def test_of_several_tables_the_closest_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(KNOWN, tmp_path)
    state = state_of("block1", "block2", "block3", "7")
    del state["block2.bias"]
    file, result = str(tmp_path / "a.safetensors"), str(tmp_path / "b.safetensors")
    save_file(state, file, {"format": "pt"})
    assert main(["weights", "import", str(tmp_path / "spec.yaml"), file, "-o", result]) == 1
    told = capsys.readouterr().err
    assert "`fc_2.bias` is missing" in told
    assert told.count("ARC604") == 1


def test_every_rule_in_a_spec_is_checked_when_it_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = """checkpoints:
  theirs: {"fc_{n}": "layers.{n}", head.dense_2: head}
  others: {"fc_{n}": "layers.{k}", "relu_{n}": "x{n}"}
"""
    path = tmp_path / "net.yaml"
    path.write_text(NETWORK + table)
    assert main(["validate", str(path), "--format", "concise"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("net.yaml:")[2].partition(" ")[0] for line in lines] == [
        "13:36:",
        "14:22:",
    ]
    assert "`head.dense_2` matches no op of the network" in lines[0]
    assert "`fc_{n}` has no `{k}`" in lines[1]
    path.write_text(NETWORK + 'checkpoints: {a: {"relu_{n}": "x{n}"}}\n')
    assert main(["validate", str(path)]) == 1
    assert "matches only ops without arrays" in capsys.readouterr().out


def test_a_resolved_spec_keeps_its_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(KNOWN, tmp_path)
    assert main(["show", str(tmp_path / "spec.yaml"), "--resolved"]) == 0
    resolved = capsys.readouterr().out
    assert "layers.{2*n-1}" in resolved
    assert written(resolved, tmp_path).costs.graph.checkpoints is not None
