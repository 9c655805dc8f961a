"""The nine models of the `onnx` package: accepted, short, and the same network.

Parameters are those that the papers' authors or torchvision publish for the same networks, less or
more what these versions lack or have: Caffe's AlexNet has groups, and its input is 224 x 224.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache

import onnx
import pytest

from archc.diagnostics import SpecError
from archc.importers import formats
from archc.importers.agreement import compare
from archc.importers.onnx import network_of
from archc.importers.onnx.model import read_model
from archc.importers.onnx.terms import ModelError, terms_of
from archc.importers.proof import graph_difference
from archc.importers.spec import Imported, as_spec
from archc.verify import Workers
from tests.importers.models import NAMES, light, write

PARAMETERS = {
    "bvlc_alexnet": 60_965_224,
    "densenet121": 7_978_856,
    "resnet50": 25_557_032,
    "squeezenet": 1_235_496,
    "vgg19": 143_667_240,
    "inception_v1": 6_998_552,
}
LINES = {"resnet50": 45, "densenet121": 60, "vgg19": 40, "squeezenet": 40, "shufflenet": 60}
BLOCKS = {
    "resnet50": ["bottleneck"],
    "densenet121": ["dense_layer"],
    "squeezenet": ["fire"],
    "vgg19": [],
}


@cache
def imported(name: str) -> Imported:
    path = str(light(name))
    return as_spec(formats.read(path), name, path, ["Imported."])


@pytest.mark.parametrize("name", NAMES)
def test_is_accepted_with_all_its_operations(name: str) -> None:
    graph = onnx.load(light(name)).graph
    kinds = Counter(node.op_type for node in graph.node)
    nodes = imported(name).loaded.costs.graph.layers
    ops = Counter(node.op.name for node in nodes)
    assert ops["conv"] + ops["depthwise_conv"] == kinds["Conv"]
    assert ops["batch_norm"] == kinds["BatchNormalization"]
    assert ops["dense"] == kinds["Gemm"]
    assert ops["max_pool"] == kinds["MaxPool"]
    assert ops["avg_pool"] == kinds["AveragePool"]
    assert ops["concat"] == kinds["Concat"]
    assert ops["add"] == kinds["Sum"]
    assert ops["local_response_norm"] == kinds["LRN"]
    assert ops["channel_shuffle"] == kinds["Transpose"]
    activations = sum(
        getattr(node.op, "activation", None) is not None or node.op.name in ("relu", "softmax")
        for node in nodes
    )
    assert activations == kinds["Relu"] + kinds["Softmax"]


@pytest.mark.parametrize("name", PARAMETERS)
def test_has_the_published_parameters(name: str) -> None:
    assert imported(name).loaded.costs.totals.params == PARAMETERS[name]
    assert f"params: {PARAMETERS[name]}" in imported(name).text


@pytest.mark.parametrize("name", LINES)
def test_is_as_short_as_a_person_writes_it(name: str) -> None:
    assert imported(name).text.count("\n") <= LINES[name]


@pytest.mark.parametrize("name", BLOCKS)
def test_has_the_blocks_of_its_paper(name: str) -> None:
    document = imported(name).loaded.spec.merged.plain()
    assert isinstance(document, dict)
    assert list(document.get("blocks", {})) == BLOCKS[name]


def test_resnet_is_one_loop_over_its_stages() -> None:
    text = imported("resnet50").text
    assert "for: {width: [64, 128, 256, 512], stride: [1, 2, 2, 2], depth: [3, 4, 6, 3]}" in text
    assert "when: $(in.channels != 4 * width)" in text


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers() as pool:
        yield pool


@pytest.mark.torch
@pytest.mark.parametrize("name", ["squeezenet", "shufflenet"])
def test_computes_the_same_values_in_every_layer(name: str, workers: Workers) -> None:
    pytest.importorskip("onnxruntime")
    own = imported(name)
    agreement = compare(own, str(light(name)), workers)
    assert agreement.reason is None
    assert agreement.disagreement is None
    assert agreement.compared == len(own.network.layers)


@pytest.mark.torch
def test_another_network_does_not_agree(workers: Workers, tmp_path) -> None:
    """What the comparison of values is for: a fault in the table of operations."""
    pytest.importorskip("onnxruntime")
    model = onnx.load(light("squeezenet"))
    pool = next(node for node in model.graph.node if node.op_type == "MaxPool")
    pool.op_type = "AveragePool"
    agreement = compare(imported("squeezenet"), write(tmp_path, model), workers)
    assert agreement.disagreement is not None
    assert "max_pool_1" in agreement.disagreement


CHANGED = {
    "alpha": 0.5,
    "axes": [2, 3],
    "axis": 0,
    "beta": 0.25,
    "bias": 3.0,
    "epsilon": 0.01,
    "group": 1,
    "kernel_shape": [2, 3],
    "pads": [2, 1, 0, 0],
    "perm": [0, 1, 2, 3, 4],
    "ratio": 0.25,
    "size": 3,
    "strides": [3, 1],
    "transB": 0,
}


def changed_attributes(name: str, most: int) -> Iterator[tuple[str, bytes]]:
    """The model with one attribute of one of its nodes changed, for each node; of each kind of
    attribute of each kind of node so many. What fills weights is no operation."""
    data = light(name).read_bytes()
    seen: Counter[tuple[str, str]] = Counter()
    for place, node in enumerate(onnx.load_from_string(data).graph.node):
        for number, attribute in enumerate(node.attribute):
            kind = node.op_type, attribute.name
            seen[kind] += 1
            if node.op_type == "ConstantOfShape" or seen[kind] > most:
                continue
            model = onnx.load_from_string(data)
            value = attribute.i * 2 if attribute.name == "group" else CHANGED[attribute.name]
            renewed = onnx.helper.make_attribute(attribute.name, value)
            model.graph.node[place].attribute[number].CopyFrom(renewed)
            yield f"{node.op_type} {place}: {attribute.name} {value}", model.SerializeToString()


def is_accepted_as(own: Imported, data: bytes) -> bool:
    """Whether a spec's graph is proven to be the network in a file, with the weights that it
    takes from there."""
    try:
        network = network_of(terms_of(read_model(memoryview(data))), "changed.onnx")
    except (SpecError, ModelError):
        return False
    if graph_difference(network, own.order, own.loaded.costs.graph) is not None:
        return False
    weights = [layer.weights for layer in own.network.layers]
    return [layer.weights for layer in network.layers] == weights


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_attribute_of_any_node_is_no_longer_the_same_network(name: str) -> None:
    own = imported(name)
    assert is_accepted_as(own, light(name).read_bytes())
    changes = list(changed_attributes(name, 1))
    assert len(changes) > 5
    assert [what for what, data in changes if is_accepted_as(own, data)] == []
