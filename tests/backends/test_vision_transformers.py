"""Specs of torchvision's attention networks: the emitted class takes the weights of torchvision's,
made smaller alike, and computes the same; so do both emitted networks."""

from __future__ import annotations

import pytest

from archc.verify import Settings, Workers, verify
from tests.backends.networks import module
from tests.backends.torch_side import randomize
from tests.backends.torchvision_models import is_installed
from tests.backends.vision_transformers import JUDGES, small

torch = pytest.importorskip("torch")

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(not is_installed(), reason="torchvision is not installed"),
]


@pytest.mark.parametrize("name", JUDGES)
def test_computes_what_torchvision_computes(name: str) -> None:
    theirs = JUDGES[name].make().double().eval()
    distances = {key: one.clone() for key, one in theirs.named_buffers() if "coords_table" in key}
    randomize(theirs, seed=1)
    theirs.load_state_dict(distances, strict=False)
    ours = module(small(name).emit("torch")).build_model().double().eval()
    ours.load_state_dict(JUDGES[name].renamed(theirs.state_dict()), strict=True)
    (index,) = small(name).costs.graph.inputs
    sizes = small(name).costs.graph.nodes[index].output.sizes
    x = torch.randn(2, *sizes, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    with torch.no_grad():
        expected, actual = theirs(x), ours(x)
    assert expected.std() > 1e-3, "an output that hardly moves tells nothing"
    tolerance = JUDGES[name].tolerance
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.keras
@pytest.mark.parametrize("name", ["vit_b_16"])  # windows: a suite of their own
def test_both_frameworks_compute_the_same(name: str, workers: Workers) -> None:
    result = verify(small(name), Settings(), workers=workers)
    assert result.agrees, result.first
