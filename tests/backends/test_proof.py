"""A block's definition is proven against every instance: where the search for symbols errs, what is
emitted is still the spec's network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from archc.backends.blocks import trees
from tests.backends.networks import STRUCTURES, module, written

SEARCHED = (
    "block_in_block",
    "block_of_groups_by_width",
    "block_with_stride_and_same_padding",
    "block_with_unused_and_text_parameters",
)
"""Structures with numbers for which a symbol has to be searched, since the spec does not write
them: `same` padding as numbers, scales, groups."""


@pytest.mark.parametrize("name", SEARCHED)
def test_a_wrong_symbol_never_reaches_emitted_source(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any symbol at all is taken for any numbers: every one that is wrong has to be rejected."""
    monkeypatch.setattr(trees, "same", lambda left, right: True)
    network = written(STRUCTURES[name], tmp_path)
    emitted = module(network.emit("torch"))
    (model,) = (value() for key, value in vars(emitted).items() if key.startswith("StructureBlock"))
    graph = network.costs.graph
    inputs = [
        torch.zeros(2, *graph.nodes[index].output.as_dict().values()) for index in graph.inputs
    ]
    with torch.no_grad():
        output = model.eval()(*inputs)
    (last,) = graph.outputs
    assert tuple(output.shape[1:]) == tuple(graph.nodes[last].output.as_dict().values())
    assert sum(one.numel() for one in model.parameters()) == network.costs.totals.params
