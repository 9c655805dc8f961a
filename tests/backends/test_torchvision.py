"""Specs of torchvision's models: the emitted class takes its weights and computes the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from tests.backends.networks import SHIPPED, module, shipped, source  # noqa: E402
from tests.backends.test_zoo import ZOO  # noqa: E402
from tests.backends.torch_side import on_meta, randomize  # noqa: E402
from tests.backends.torchvision_models import is_installed, models  # noqa: E402

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(not is_installed(), reason="torchvision is not installed"),
]

THEIRS = {
    "alexnet_torchvision": "alexnet",
    "efficientnet_b0": "efficientnet_b0",
    "mobilenet_v2": "mobilenet_v2",
    "resnet18": "resnet18",
    "resnet50": "resnet50",
    "resnext50_32x4d": "resnext50_32x4d",
    "squeezenet1_1": "squeezenet1_1",
    **{
        f"vgg{depth}{suffix}": f"vgg{depth}{suffix}"
        for depth in (11, 13, 16, 19)
        for suffix in ("", "_bn")
    },
}
"""The specs, and torchvision's functions for the same networks."""


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def with_values(name: str) -> Any:
    """torchvision's model with seeded values: its own initial distributions take long to draw for
    138 million values, and leave the statistics of a normalisation at rest."""
    with torch.device("meta"):
        model = getattr(models(), THEIRS[name])()
    model = model.to_empty(device="cpu").eval()
    randomize(model, seed=sum(name.encode()))
    return model


def test_covers_every_spec_that_torchvision_has() -> None:
    known = {name.removesuffix("_torchvision") for name in SHIPPED} & set(dir(models()))
    assert known - {"alexnet"} <= {*THEIRS, *ZOO}  # the latter have names of their own
    assert set(THEIRS) <= set(SHIPPED)


@pytest.mark.parametrize("name", sorted(THEIRS))
def test_state_dict_has_the_same_keys_and_shapes(name: str) -> None:
    with torch.device("meta"):
        theirs = getattr(models(), THEIRS[name])()
    ours = on_meta(module(source("torch", name)))
    expected = {key: value.shape for key, value in theirs.state_dict().items()}
    shapes = {key: value.shape for key, value in ours.state_dict().items()}
    assert list(shapes.items()) == list(expected.items())


@pytest.mark.parametrize("name", sorted(THEIRS))
def test_computes_the_same_with_the_same_weights(name: str) -> None:
    theirs = with_values(name)
    ours = on_meta(module(source("torch", name))).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)
    (index,) = shipped(name).costs.graph.inputs
    sizes = shipped(name).costs.graph.nodes[index].output.sizes
    x = torch.randn(1, *sizes, generator=torch.Generator().manual_seed(7))
    expected = theirs(x)
    assert expected.std() > 1e-3, "an output that hardly moves tells nothing"
    torch.testing.assert_close(ours(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["alexnet_torchvision", "resnet18"])
def test_takes_a_model_as_torchvision_initialises_it(name: str) -> None:
    torch.manual_seed(0)
    theirs = getattr(models(), THEIRS[name])().eval()
    ours = module(source("torch", name)).build_model().eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(2, 3, 224, 224)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", sorted(THEIRS))
def test_takes_the_number_of_classes_as_torchvision_does(name: str) -> None:
    emitted = module(source("torch", name))
    with torch.device("meta"):
        theirs = getattr(models(), THEIRS[name])(num_classes=7).state_dict()
        ours = type(emitted.build_model())(classes=7).state_dict()
    assert [value.shape for value in ours.values()] == [value.shape for value in theirs.values()]
