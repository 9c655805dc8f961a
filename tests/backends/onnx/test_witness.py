"""The third witness: what the frameworks compute, by kernels that share nothing with theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx
import pytest

from archc.verify import Settings, Workers, report, verify
from tests.backends.networks import STRUCTURES, shipped
from tests.backends.onnx.texts import network_of
from tests.differential.runs import ENVIRONMENT, runs

THREE = Settings(("torch", "keras", "onnx"))
TWO = Settings(("torch", "onnx"))


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    """One a framework, for all networks here."""
    with Workers(ENVIRONMENT) as running:
        yield running


@pytest.mark.keras
@pytest.mark.torch
def test_lenet_is_one_network_on_three_backends(workers: Workers) -> None:
    found = verify(shipped("lenet5"), THREE, workers=workers)
    assert found.verdict == "agree"
    assert list(found.versions) == ["torch", "keras", "onnx"]
    assert f"onnx.reference {onnx.__version__}" == found.versions["onnx"]
    assert all(row.outputs.keys() == {"evaluation", "single", "training"} for row in found.rows)
    text = report.table(found)
    assert "onnx emits networks for evaluation, and takes no training step\n" in text
    assert report.data(found)["evaluation_only"] == ["onnx"]


@pytest.mark.torch
@pytest.mark.parametrize("name", sorted(STRUCTURES)[3::12])
def test_structures_are_the_same_network(name: str, workers: Workers) -> None:
    found = verify(network_of(STRUCTURES[name]), TWO, workers=workers)
    assert found.verdict == "agree", found.first


@pytest.mark.torch
def test_random_specs_are_the_same_network(workers: Workers) -> None:
    for run in runs(range(1_000_000, 1_000_006), workers, TWO):
        assert run.agrees, run.told


@pytest.mark.torch
def test_onnx_runtime_agrees_in_float32(workers: Workers) -> None:
    found = verify(shipped("lenet5"), Settings(("onnx", "torch"), "float32"), workers=workers)
    assert found.verdict == "agree"
    assert found.versions["onnx"].startswith("ONNX Runtime ")
    assert found.loss is None
    assert all(not row.gradients and "training" not in row.outputs for row in found.rows)


def changed(model: Any, **changes: Any) -> bytes:
    (node,) = (one for one in model.graph.node if one.name == changes["node"])
    for attribute in node.attribute:
        if attribute.name == changes["attribute"]:
            attribute.CopyFrom(onnx.helper.make_attribute(attribute.name, changes["value"]))
    return bytes(model.SerializeToString())


SMALL = """\
archc: 1
name: small
input: {channels: 2, height: 6, width: 6}
layers:
  - conv: {filters: 3, kernel_size: 3, padding: [[1, 0], [1, 1]]}
  - leaky_relu: 0.25
  - max_pool: 2
  - softmax
"""


@pytest.mark.torch
@pytest.mark.parametrize(
    ("node", "attribute", "value"),
    [
        ("conv_1", "pads", [0, 1, 1, 1]),
        ("leaky_relu_1", "alpha", 0.2500001),
        ("max_pool_1", "pads", [0, 1, 0, 0]),
        ("softmax_1", "axis", 2),
    ],
)
def test_another_attribute_is_another_network(
    node: str, attribute: str, value: Any, workers: Workers
) -> None:
    network = network_of(SMALL)
    model = onnx.load_from_string(network.emit("onnx"))
    source = changed(model, node=node, attribute=attribute, value=value)
    found = verify(network, TWO, sources={"onnx": source}, workers=workers)
    assert (found.verdict, found.first) == ("differ", (node, "evaluation"))


@pytest.mark.torch
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: model.graph.node.pop(0), "is no valid file"),
        (
            lambda model: setattr(model.graph.output[0], "name", "max_pool_1"),
            "returns other values",
        ),
        (lambda model: model.graph.initializer[0].int64_data.__setitem__(0, 4), "shape"),
    ],
)
def test_a_file_that_is_not_the_network_is_an_error(
    change: Any, message: str, workers: Workers
) -> None:
    network = network_of(SMALL)
    model = onnx.load_from_string(network.emit("onnx"))
    change(model)
    found = verify(network, TWO, sources={"onnx": model.SerializeToString()}, workers=workers)
    assert found.verdict == "differ"
    (failure,) = found.failures
    assert failure.backend == "onnx"
    assert message in failure.message


AIDED = """\
archc: 1
name: aided
input: {features: 4}
layers:
  - dense: {units: 5, activation: relu}
  - name: aux
    dense: 2
  - name: main
    from: dense_1
    dense: 3
outputs: [main, {aux: training}]
"""


@pytest.mark.torch
def test_outputs_in_training_alone_are_not_in_the_file(workers: Workers) -> None:
    network = network_of(AIDED)
    model = onnx.load_from_string(network.emit("onnx"))
    assert [one.name for one in model.graph.output] == ["main"]
    assert "aux" not in str(model.graph)
    assert verify(network, TWO, workers=workers).verdict == "agree"


@pytest.mark.keras
@pytest.mark.torch
def test_settings_without_a_backend_name_those_that_train() -> None:
    found = verify(network_of(SMALL), Settings())
    assert list(found.versions) == ["torch", "keras"]
