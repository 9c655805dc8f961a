"""What the generator of random specs reaches, and that it is the same everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from archc.ir.costs import Costs
from archc.ops import OPS
from tests.differential.accepting import MOST_NODES, read
from tests.differential.coverage import NOT_TOGETHER, all_options, all_pairs, counted
from tests.differential.generator import spec_text

ROOT = Path(__file__).parents[2]
SEEDS = range(500)
RARE = 3


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return [spec_text(Random(seed)) for seed in SEEDS]


@pytest.fixture(scope="module")
def every(texts: list[str]) -> list[Costs]:
    return [read(text)[1] for text in texts]


@pytest.fixture(scope="module")
def counts(every: list[Costs]) -> Counter[str]:
    found: Counter[str] = Counter()
    for costs in every:
        found.update(counted(costs))
    return found


def test_a_seed_gives_one_spec_whatever_hashes_are() -> None:
    script = (
        "from random import Random\n"
        "from tests.differential.generator import spec_text\n"
        "print([spec_text(Random(seed)) for seed in range(20)])\n"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (0, 1)
    }
    assert told == {f"{[spec_text(Random(seed)) for seed in range(20)]}\n"}


def test_sizes_go_from_one_node_to_sixty(every: list[Costs]) -> None:
    sizes = [len(costs.layers) for costs in every]
    assert min(sizes) == 1
    assert MOST_NODES - 10 < max(sizes) <= MOST_NODES
    assert sum(sizes) > 8 * len(sizes)


def test_every_op_is_drawn(counts: Counter[str]) -> None:
    assert {op: counts[op] for op in OPS if counts[op] < RARE} == {}


def test_every_option_of_every_op_is_drawn(counts: Counter[str]) -> None:
    """In 500 specs all but a few of the rarest (initial distributions of transposed convolutions
    and the like); the record of 5,000 has every pair of them."""
    missing = [one for one in all_options() if not counts[one]]
    assert len(missing) <= 10, missing


def test_most_pairs_of_options_are_drawn(counts: Counter[str]) -> None:
    pairs = list(all_pairs())
    assert sum(pair in counts for pair in pairs) >= 0.6 * len(pairs)


def test_what_is_counted_is_what_the_definitions_have(counts: Counter[str]) -> None:
    """The names of options and pairs are made in two ways: from values, and from schemas."""
    known = {*all_options(), *all_pairs()}
    assert [one for one in counts if one not in known and not one.startswith(NOT_TOGETHER)] == []


@pytest.mark.parametrize(
    "word",
    [
        "blocks:", "params:", "inputs:", "outputs:", "repeat:", "for:", "section:", "when:",
        "from:", "with:", "name:", "depth:", "length:", "height:", "tokens:", "title:", "$(in.",
        "$(index", "$first", "$(not ", "null",
    ],
)  # fmt: skip
def test_every_part_of_the_language_is_drawn(word: str, texts: list[str]) -> None:
    assert sum(word in text for text in texts) >= RARE


def test_structure_is_drawn(every: list[Costs]) -> None:
    """Blocks within blocks, several instances, several inputs and outputs, of blocks too, and skip
    connections."""
    found: Counter[str] = Counter()
    for costs in every:
        graph = costs.graph
        outer = list(graph.root.blocks())
        found["nested block"] += any(next(one.blocks(), None) is not None for one in outer)
        found["several instances"] += len({one.block for one in outer}) < len(outer)
        found["inputs of a block"] += any(one.inputs for one in outer)
        found["several inputs"] += len(graph.inputs) > 1
        found["several outputs"] += len(graph.outputs) > 1
        found["an input as output"] += bool({*graph.inputs} & {*graph.outputs})
        found["skip"] += any(
            node.branches is None and len(node.inputs) > 1 for node in graph.layers
        )
        found["one channel"] += any(node.output.width == 1 for node in graph.layers)
    assert {name: count for name, count in found.items() if count < RARE} == {}
    assert len(found) == 8
