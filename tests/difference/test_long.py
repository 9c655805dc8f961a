"""Alignments of very long sequences and of very wide merges: their work grows linearly."""

from __future__ import annotations

from importlib import import_module
from itertools import pairwise

import pytest

from archc.difference import difference, sequences, slide
from tests.difference.networks import read


def ascending(pairs: sequences.Pairs) -> bool:
    return all(i < k and j < m for (i, j), (k, m) in pairwise(pairs))


@pytest.mark.parametrize("missing", [0, 7, 29_999])
def test_one_missing_element_of_a_long_sequence(missing: int) -> None:
    a = [index * index % 1_009 for index in range(30_000)]
    b = a[:missing] + a[missing + 1 :]
    pairs = sequences.common_pairs(a, b)
    assert ascending(pairs)
    assert all(a[i] == b[j] for i, j in pairs)
    assert len(pairs) == len(b)


def test_short_sequences_are_aligned_exactly() -> None:
    a, b = [1, 2, 1, 3, 1, 2], [2, 1, 1, 2, 3]
    assert len(sequences.common_pairs(a, b)) == 4


def test_effort_is_shared() -> None:
    effort = sequences.Effort(400)
    same = list(range(10))
    score = {True: 1, False: 0}
    aligned = [
        sequences.best_pairs(same, same, lambda x, y: score[x == y], effort) for _ in range(4)
    ]
    assert aligned[0] == [(n, n) for n in range(10)]
    assert aligned[-1] is None


def wide(branches: int) -> str:
    return "layers:\n  - relu\n  - add: [" + ", ".join(["[tanh]"] * branches) + "]\n"


def test_a_branch_of_a_wide_merge_is_compared_in_linear_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_up = 0
    image = slide._Slider._image

    def counting(self: slide._Slider, side: int, source: int) -> int | None:
        nonlocal looked_up
        looked_up += 1
        return image(self, side, source)

    monkeypatch.setattr(slide._Slider, "_image", counting)
    head = "archc: 1\nname: wide\ninput: {features: 3}\n"
    result = difference(read(head + wide(500)), read(head + wide(499)))
    assert [pair.status for pair in result.pairs].count("removed") == 1
    assert looked_up <= 20 * 500


def test_where_scores_take_too_long_layers_of_one_op_are_paired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sequences, "MOST_CELLS", 0)
    monkeypatch.setattr(import_module("archc.difference.align"), "MOST_ALIGNED", 0)
    head = "archc: 1\nname: long\ninput: {features: 3}\nlayers: "
    a = read(head + "[leaky_relu: 0.1, dense: 4]\n")
    b = read(head + "[dense: 7, leaky_relu: 0.2]\n")
    statuses = [(pair.status, (pair.a or pair.b).node.op.name) for pair in difference(a, b).pairs]
    assert statuses == [("removed", "leaky_relu"), ("changed", "dense"), ("added", "leaky_relu")]
