"""Emitted modules of real networks, one of each family: as short as a person writes them, and in
PyTorch the same function as torchvision's."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from archc import backends
from archc.api import Network, load
from tests.backends.networks import BACKENDS, SPECS, module
from tests.backends.torchvision_models import is_installed, models
from tests.zoo.checkpoints import in_order

OWN = {path.stem: path for path in sorted((Path(__file__).parent / "zoo").glob("*.yaml"))}
"""Those with the heads that torchvision trains them with."""
SHIPPED = (
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "efficientnet_v2_s",
    "mnasnet1_0",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "regnet_y_400mf",
    "regnet_x_400mf",
    "resnext50_32x4d",
    "shufflenet_v2_x1_0",
    "squeezenet1_1",
    "wide_resnet50_2",
)
ZOO = {**OWN, **{name: SPECS / f"{name}.yaml" for name in SHIPPED}}
LONGEST = {"mobilenet_v3_large": 200, "densenet121": 110, "efficientnet_b0": 200}
"""Lines of a file; DenseNet's 58 layers are no lines of their own."""


@cache
def network(name: str) -> Network:
    return load(str(ZOO[name]), {})


def definitions(name: str, backend: str) -> list[str]:
    """The classes and functions of a network's blocks and sections in an emitted file."""
    own = {network(name).costs.graph.about.class_name, "build_model"}
    own |= backends.backend(backend).reserved
    kinds = (ast.ClassDef, ast.FunctionDef)
    tree = ast.parse(network(name).emit(backend))
    return [node.name for node in tree.body if isinstance(node, kinds) and node.name not in own]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ZOO)
def test_every_block_is_written_once(name: str, backend: str) -> None:
    blocks = len(network(name).spec.document.blocks)
    assert len(definitions(name, backend)) <= blocks
    assert len(network(name).emit(backend).splitlines()) <= LONGEST.get(name, 260)


def test_the_number_of_classes_stays_an_argument_where_blocks_use_it() -> None:
    for backend in BACKENDS:
        assert "classes: int = 1000" in network("googlenet").emit(backend)


@pytest.mark.torch
@pytest.mark.skipif(not is_installed(), reason="torchvision is not installed")
@pytest.mark.parametrize("name", ZOO)
def test_computes_what_torchvision_computes(name: str) -> None:
    torch = pytest.importorskip("torch")
    options: dict[str, Any] = {"weights": None}
    if name in ("googlenet", "inception_v3"):
        options |= {"aux_logits": True, "init_weights": False}
    torch.manual_seed(0)
    theirs = models().get_model(name, **options).eval()
    ours = module(network(name).emit("torch")).build_model().eval()
    state, own = theirs.state_dict(), ours.state_dict()
    generator = torch.Generator().manual_seed(1)
    for key, value in state.items():
        if key.endswith("running_var"):  # at 1 a normalisation would do nothing
            value.uniform_(0.5, 1.5, generator=generator)
    theirs.load_state_dict(state)
    ours.load_state_dict(in_order(name, state, own))
    (index,) = network(name).costs.graph.inputs
    sizes = network(name).costs.graph.nodes[index].output.sizes
    x = torch.randn(1, *sizes, generator=generator)
    with torch.no_grad():
        expected, actual = theirs(x), ours(x)
    assert expected.std() > 0
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6 * float(expected.abs().max()))


@pytest.mark.torch
@pytest.mark.skipif(not is_installed(), reason="torchvision is not installed")
@pytest.mark.parametrize(
    ("name", "gigamacs", "heads"), [("googlenet", 1.498, 2), ("inception_v3", 5.713, 1)]
)
def test_auxiliary_heads_are_torchvisions(name: str, gigamacs: float, heads: int) -> None:
    """Parameters as torchvision counts them with its auxiliary heads, operations as it publishes
    them for an evaluation; in training the heads' outputs come after the network's own."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs = getattr(models(), name)(weights=None, aux_logits=True, init_weights=False).train()
    costs = network(name).costs
    assert costs.totals.params == sum(one.numel() for one in theirs.parameters())
    alone = [one for key, one in theirs.named_parameters() if not key.lower().startswith("aux")]
    assert costs.evaluation.params == sum(one.numel() for one in alone)
    assert round(costs.totals.macs / 1e9, 3) == gigamacs
    assert costs.training.macs > costs.totals.macs
    ours = module(network(name).emit("torch")).build_model().train()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    for model in (theirs, ours):
        for layer in model.modules():
            if isinstance(layer, torch.nn.Dropout):
                layer.p = 0.0
    (index,) = costs.graph.inputs
    x = torch.randn(2, *costs.graph.nodes[index].output.sizes)
    with torch.no_grad():
        expected, actual = theirs(x), ours(x)
    assert len(actual) == len(expected) == 1 + heads
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4 * float(other.abs().max()))
