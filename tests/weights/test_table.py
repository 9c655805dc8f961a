"""Tables of names: every rule names layers, and no op is named twice."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save_file

from archc.api import Network
from archc.diagnostics import SpecError
from archc.ir.arrays import arrays
from archc.language.reader import parse, read_text
from archc.weights import transfer
from archc.weights.table import read_table
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
    ],
)
def test_numbers_of_layers_are_computed(
    network: Network, layers: tuple[str, ...], table: str, tmp_path: Path
) -> None:
    named = dict(zip(OPS, layers, strict=True))
    assert imported(network, named, table, tmp_path) == {op: n for n, op in enumerate(OPS)}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("fd_{n}: x", ("4:1", "`fd_{n}` matches no op of the network")),
        ("fc_4: x", ("4:1", "`fc_4` matches no op of the network")),
        ("dense_1: x", ("4:1", "`dense_1` matches no op of the network")),
        ("relu_{n}: x", ("4:1", "`relu_{n}` matches only ops without arrays")),
        ("head: x", ("4:1", "`head` matches no op of the network")),
        ("fc_2: x", ("4:1", "`fc_2` matches `fc_2`, which another rule does too")),
        ("fc_{n}: x", ("4:1", "`fc_{n}` matches `fc_1`, which another rule does too")),
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
