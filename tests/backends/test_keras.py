"""The emitted Keras modules: built, run, and held against the report of the same spec, and against
the PyTorch module with the same weights."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
keras = pytest.importorskip("keras")
np = pytest.importorskip("numpy")

from tests.backends.agreement import assert_agree  # noqa: E402
from tests.backends.keras_side import (  # noqa: E402
    canonical,
    in_order_of_use,
    layers_by_node,
    shapes_alone,
    without_weights,
)
from tests.backends.networks import SHIPPED, module, shipped, source  # noqa: E402

pytestmark = pytest.mark.keras

SHALLOW = ["alexnet", "alexnet_torchvision", "lenet5", "lenet5_1998", "resnet18", "resnet50"]
"""Those that are run here; `test_keras_applications` runs VGG."""


@pytest.mark.parametrize("name", SHIPPED)
def test_counts_equal_the_report(name: str) -> None:
    model = without_weights(module(source("keras", name)))
    totals = shipped(name).costs.totals
    assert model.count_params() == totals.params + totals.state
    learned = sum(int(np.prod(one.shape)) for one in model.trainable_variables)
    assert learned == totals.trainable_params


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shape_equals_the_report(name: str) -> None:
    network = shipped(name)
    build = module(source("keras", name)).build_model
    model, layers = shapes_alone(lambda: in_order_of_use(build))
    by_node = layers_by_node(layers, network)
    for node in network.costs.graph.layers:
        assert canonical(by_node[node.path][-1].output.shape, node.output) == node.output.sizes
    assert model.output_shape[1:] == network.costs.graph.nodes[-1].output.sizes


@pytest.mark.parametrize("name", SHIPPED)
def test_layers_have_the_names_of_the_spec(name: str) -> None:
    """Those that the spec gives, after that of the section or block."""
    network = shipped(name)
    model = without_weights(module(source("keras", name)))
    names = [one.name for one in model.layers]
    for node in network.costs.graph.layers:
        if node.named:
            around = node.path.partition(".")[0]
            assert any(one.startswith(around) and one.endswith(node.name) for one in names)


@pytest.mark.parametrize("name", SHIPPED)
def test_builds_a_model_of_its_name_without_arguments(name: str) -> None:
    model = without_weights(module(source("keras", name)))
    assert isinstance(model, keras.Model)
    assert model.name == name


@pytest.mark.parametrize("name", SHALLOW)
def test_computes_what_pytorch_does(name: str) -> None:
    assert_agree(shipped(name), module(source("torch", name)), module(source("keras", name)))
