"""What ops do in training alone: what is dropped, the running statistics, the gradients."""

from __future__ import annotations

import numpy as np
import pytest

from archc.ops import activation
from tests.backends.ops.cases import batches, network
from tests.backends.ops.models import MODELS

SIZES = {
    "map": {"channels": 3, "height": 4, "width": 5},
    "vector": {"features": 12},
    "sequence": {"tokens": 3, "features": 4},
}


@pytest.mark.parametrize("backend", MODELS)
def test_momentum_is_the_share_that_is_kept(backend: str) -> None:
    layers = [{"batch_norm": {"momentum": 0.75, "affine": False}}]
    model = MODELS[backend](network({"input": SIZES["map"], "layers": layers}))
    x = np.random.default_rng(1).normal(2, 3, (8, *SIZES["map"].values())).astype("float32")
    model.train(x)
    mean, variance = model.arrays()
    np.testing.assert_allclose(mean, 0.25 * x.mean((0, 2, 3)), rtol=1e-5)
    # PyTorch keeps the unbiased variance, Keras the biased one: of 160 values a channel.
    np.testing.assert_allclose(variance, 0.75 + 0.25 * x.var((0, 2, 3)), rtol=0.01)


@pytest.mark.parametrize("backend", MODELS)
@pytest.mark.parametrize("kind", SIZES)
def test_dropout_drops_single_elements(kind: str, backend: str) -> None:
    sizes = SIZES[kind]
    model = MODELS[backend](network({"input": sizes, "layers": [{"dropout": 0.75}]}))
    y = model.train(np.ones((400, *sizes.values()), "float32"))
    assert {*np.unique(y)} == {0.0, 4.0}
    assert (y == 0).mean() == pytest.approx(0.75, abs=0.03)
    assert len(np.unique(y.reshape(400, -1), axis=0)) > 100


@pytest.mark.parametrize("backend", MODELS)
@pytest.mark.parametrize("kind", SIZES)
def test_drop_path_drops_whole_samples(kind: str, backend: str) -> None:
    sizes = SIZES[kind]
    model = MODELS[backend](network({"input": sizes, "layers": [{"drop_path": 0.75}]}))
    samples = model.train(np.ones((1000, *sizes.values()), "float32")).reshape(1000, -1)
    assert (samples == samples[:, :1]).all()
    assert {*np.unique(samples)} == {0.0, 4.0}
    assert (samples[:, 0] == 0).mean() == pytest.approx(0.75, abs=0.06)


@pytest.mark.torch
@pytest.mark.parametrize("op", [one.name for one in activation.OPS])
def test_activations_in_place_spoil_no_gradient(op: str) -> None:
    """As a field, after a layer, and on the network's input, which is not changed."""
    import torch

    from tests.backends.ops.models import TorchModel

    rows = {str(case.fields): case.fields for batch in batches()[op] for case in batch.cases}
    for fields in rows.values():
        conv = {"filters": 3, "kernel_size": 1}
        own = {op: fields} if fields else op
        for layers in (
            [{"conv": {**conv, "activation": own}}],
            [{"conv": conv}, {op: fields}, {"conv": conv}],
            [{op: fields}, {"conv": conv}],
            [{"add": [[], [{"conv": conv}, {op: fields}]]}],
        ):
            sizes = {"channels": 3, "height": 2, "width": 2}
            model = TorchModel(network({"input": sizes, "layers": layers})).model.double().train()
            x = torch.randn(2, *sizes.values(), dtype=torch.float64, requires_grad=True)
            before = x.detach().clone()
            assert torch.autograd.gradcheck(model, x), (layers, fields)
            with torch.no_grad():
                model(x)
            assert torch.equal(x, before), layers
