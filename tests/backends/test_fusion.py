"""Reshapes and permutations in a row as one op: what is fused, what is not, and what is emitted."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from random import Random
from typing import Any

import pytest

np = pytest.importorskip("numpy")

from archc.api import Network  # noqa: E402
from archc.backends.fusion import Rearrange, computed, fuse_movements  # noqa: E402
from archc.ops.axes import KINDS, Axes  # noqa: E402
from tests.backends.networks import module, written  # noqa: E402

HEADER = "archc: 1\nname: moved\ninput: {channels: 6, height: 4, width: 2}\n"
ROWS = "  - reshape: {channels: 6, length: 8}\n"
SWAP = "  - permute: [length, channels]\n"
MIRROR = "  - permute: [width, height, channels]\n"
TOKENS = "  - reshape: {tokens: 8, features: 6}\n"


def inner(text: str) -> str:
    """Steps within a section."""
    return "".join(f"    {line}\n" for line in text.splitlines())


def rearranged(network: Network) -> dict[str, list[str]]:
    """The ops that stand for several, with those before them that they stand for."""
    graph = network.costs.graph
    fused = fuse_movements(graph)
    alive = computed(fused)
    chains: dict[str, list[str]] = {}
    for node in fused.layers:
        if isinstance(node.op, Rearrange):
            (index,) = graph.nodes[node.index].inputs
            chain = chains.setdefault(node.path, [])
            while index not in alive:
                chain.insert(0, graph.nodes[index].path)
                (index,) = graph.nodes[index].inputs
    assert sum(map(len, chains.values())) == len(graph.nodes) - len(alive)
    return chains


def test_a_chain_is_one_op(tmp_path: Path) -> None:
    network = written(f"{HEADER}layers:\n{ROWS}{SWAP}{TOKENS}", tmp_path)
    assert rearranged(network) == {"reshape_2": ["reshape_1", "permute_1"]}
    assert "return x.flatten(2).transpose(1, 2)" in network.emit("torch")
    source = network.emit("keras")
    assert "layers.Reshape((8, 6))" in source
    assert "Permute" not in source


@pytest.mark.parametrize(
    ("text", "chains"),
    [
        # another reads what is between, or it is an output
        (f"outputs: [a, permute_1]\nlayers:\n{ROWS}    name: a\n{SWAP}", {}),
        (
            f"layers:\n{ROWS}{SWAP}    name: a\n  - add:\n    - - permute: [length, channels]\n"
            "      - reshape: {channels: 8, length: 6}\n    - []\n",
            {"a": ["reshape_1"], "reshape_2": ["permute_1"]},
        ),
        # a condition, or sections of their own
        (f"params:\n  swap: true\nlayers:\n{ROWS}{SWAP}    when: $swap\n", {}),
        (
            f"layers:\n  - section: a\n    layers:\n{inner(ROWS)}"
            f"  - section: b\n    layers:\n{inner(SWAP)}",
            {},
        ),
        # an op between, and one that may keep a backend's own order
        (
            f"layers:\n{ROWS}{SWAP}  - relu\n{SWAP}  - reshape: {{channels: 12, length: 4}}\n",
            {"permute_1": ["reshape_1"], "reshape_2": ["permute_2"]},
        ),
        (f"layers:\n{MIRROR}  - flatten\n", {}),
        (
            f"layers:\n  - flatten\n{ROWS}{SWAP}  - flatten\n",
            {"permute_1": ["flatten_1", "reshape_1"]},
        ),
        # what is undone, what is no movement at all, and what is two
        (f"layers:\n{ROWS}{SWAP}{SWAP}", {"permute_2": ["reshape_1", "permute_1"]}),
        (f"layers:\n{MIRROR}{MIRROR}", {}),
        (f"layers:\n{ROWS}{SWAP}{ROWS}{SWAP}", {"reshape_2": ["reshape_1", "permute_1"]}),
    ],
)
def test_what_is_fused(text: str, chains: dict[str, list[str]], tmp_path: Path) -> None:
    assert rearranged(written(HEADER + text, tmp_path)) == chains


def random_sizes(random: Random, elements: int, count: int) -> tuple[int, ...]:
    """So many sizes of so many elements."""
    sizes = []
    for _ in range(count - 1):
        sizes.append(random.choice([n for n in range(1, elements + 1) if elements % n == 0]))
        elements //= sizes[-1]
    return (*sizes, elements)


def random_chain(random: Random) -> tuple[str, Axes, Axes, Any]:
    """A spec of reshapes and permutations, the axes of its input and output, and its function."""
    names = random.choice(KINDS[:3])
    x = source = Axes(names, tuple(random.choice([1, 2, 3, 4, 6]) for _ in names))
    lines, moves = [], list[Any]()
    for _ in range(random.randrange(1, 6)):
        kind = random.choice(["reshape", "reshape", "permute", "permute", "flatten"])
        if kind == "permute":
            order = random.sample(x.names, len(x.names))
            positions = [x.names.index(name) for name in order]
            x = x._replace(sizes=tuple(x.sizes[position] for position in positions))
            lines.append(f"  - permute: [{', '.join(order)}]\n")
            moves.append(lambda a, by=positions: a.transpose(0, *(one + 1 for one in by)))
        else:
            names = ("features",) if kind == "flatten" else random.choice(KINDS[:5])
            x = Axes(names, random_sizes(random, x.elements, len(names)))
            fields = ", ".join(f"{axis}: {size}" for axis, size in x.as_dict().items())
            lines.append(
                "  - flatten\n" if kind == "flatten" else "  - reshape: {" + fields + "}\n"
            )
            moves.append(lambda a, to=x.sizes: a.reshape(len(a), *to))
    axes = ", ".join(f"{axis}: {size}" for axis, size in source.as_dict().items())
    text = "archc: 1\nname: chain\ninput: {" + axes + "}\nlayers:\n" + "".join(lines)
    return text, source, x, lambda array: reduce(lambda a, move: move(a), moves, array)


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.parametrize("seed", range(40))
def test_random_chains_move_what_numpy_does(seed: int, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("keras")
    text, source, output, function = random_chain(Random(seed))
    network = written(text, tmp_path)
    assert network.costs.graph.nodes[-1].output == output
    array = np.random.default_rng(seed).normal(size=(2, *source.sizes)).astype("float32")
    expected = function(array)
    model = module(network.emit("torch")).build_model()
    np.testing.assert_array_equal(model(torch.from_numpy(array)).numpy(), expected)
    model = module(network.emit("keras")).build_model()
    result = np.asarray(model(np.moveaxis(array, 1, -1)))
    result = np.moveaxis(result, -1, 1) if output.is_map else result
    np.testing.assert_array_equal(result, expected)
