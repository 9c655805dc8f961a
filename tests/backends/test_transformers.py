"""Specs of sequence models: the emitted class takes the weights of the `transformers` library's
model of the same size, and computes the same; so do both emitted networks."""

from __future__ import annotations

import importlib.util

import pytest

from archc.verify import Settings, Workers, verify
from tests.backends.networks import module
from tests.backends.torch_side import randomize
from tests.backends.transformers_models import JUDGES, small, transformer

torch = pytest.importorskip("torch")

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(
        importlib.util.find_spec("transformers") is None, reason="transformers is not installed"
    ),
]


@pytest.mark.parametrize("name", JUDGES)
def test_computes_what_transformers_computes(name: str) -> None:
    judge = JUDGES[name]
    theirs = transformer(name, judge.config_fields)
    randomize(theirs, seed=1)
    ours = module(small(name).emit("torch")).build_model().double().eval()
    ours.load_state_dict(judge.renamed(theirs.state_dict()), strict=True)
    inputs = judge.inputs(torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = judge.output(theirs(**inputs))
        actual = ours(*inputs.values())
    for one, other in zip(
        actual if isinstance(actual, tuple) else (actual,), expected, strict=True
    ):
        assert other.std() > 1e-3, "an output that hardly moves tells nothing"
        torch.testing.assert_close(one, other, rtol=judge.tolerance, atol=judge.tolerance)


@pytest.mark.keras
@pytest.mark.parametrize("name", [*JUDGES])
def test_both_frameworks_compute_the_same(name: str, workers: Workers) -> None:
    result = verify(small(name), Settings(), workers=workers)
    assert result.agrees, result.first
