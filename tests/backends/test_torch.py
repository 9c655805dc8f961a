"""The emitted PyTorch modules: built, run, and held against the report of the same spec."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from tests.backends.networks import SHIPPED, module, shipped, source  # noqa: E402
from tests.backends.torch_side import BATCH, events_by_node, on_meta, zeros  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("name", SHIPPED)
def test_counts_equal_the_report(name: str) -> None:
    model = on_meta(module(source("torch", name)))
    totals = shipped(name).costs.totals
    parameters = list(model.parameters())
    assert sum(one.numel() for one in parameters) == totals.params
    assert sum(one.numel() for one in parameters if one.requires_grad) == totals.trainable_params
    learned = {key for key, _ in model.named_parameters()}
    # PyTorch also counts the batches that a normalisation has seen.
    state = [
        one.numel()
        for key, one in model.state_dict().items()
        if key not in learned and not key.endswith("num_batches_tracked")
    ]
    assert sum(state) == totals.state


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shape_equals_the_report(name: str) -> None:
    network = shipped(name)
    model = on_meta(module(source("torch", name)))
    events = events_by_node(model, network)
    shapes = {path: of_node[-1].shape for path, of_node in events.items()}
    assert shapes == {row.node.path: row.node.output.sizes for row in network.costs.layers}
    (output,) = network.costs.graph.outputs
    result = model(*zeros(network, "meta"))
    assert tuple(result.shape) == (BATCH, *network.costs.graph.nodes[output].output.sizes)


@pytest.mark.parametrize("name", SHIPPED)
def test_builds_its_class_without_arguments(name: str) -> None:
    emitted = module(source("torch", name))
    model = on_meta(emitted)
    assert type(model) is getattr(emitted, shipped(name).costs.graph.about.class_name)
    assert isinstance(model, torch.nn.Module)


@pytest.mark.parametrize("name", ["lenet5", "lenet5_1998", "alexnet", "resnet18"])
def test_learns(name: str) -> None:
    """Every parameter has a gradient: none lies idle, and in-place activations break nothing."""
    torch.manual_seed(0)
    model = module(source("torch", name)).build_model().train()
    (index,) = shipped(name).costs.graph.inputs
    x = torch.randn(BATCH, *shipped(name).costs.graph.nodes[index].output.sizes)
    model(x).square().mean().backward()
    idle = [
        key
        for key, one in model.named_parameters()
        if one.grad is None or not torch.isfinite(one.grad).all()
    ]
    assert idle == []
