"""Operations of ONNX as ops of archc, alone and as patterns: what they become, and, where
onnxruntime is installed, that they compute the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from onnx import helper

from archc.diagnostics import SpecError
from archc.importers import formats
from archc.importers.agreement import compare
from archc.importers.onnx import network_of
from archc.importers.onnx.model import read_model
from archc.importers.onnx.terms import ModelError, terms_of
from archc.importers.spec import as_spec
from archc.verify import Workers
from tests.importers.models import model, write


def node(op: str, inputs: str, output: str, **attributes: Any) -> Any:
    return helper.make_node(op, inputs.split(), [output], **attributes)


def scalar(value: float) -> Any:
    return numpy.array(value, "float32")


GELU = [
    node("Div", "x root", "a"),
    node("Erf", "a", "b"),
    node("Add", "b one", "c"),
    node("Mul", "x c", "d"),
    node("Mul", "d half", "y"),
]
GELU_WEIGHTS = {"root": scalar(2**0.5), "one": scalar(1.0), "half": scalar(0.5)}
SWISH = [
    node("Add", "x three", "a"),
    node("Clip", "a zero six", "b"),
    node("Div", "b six", "c"),
    node("Mul", "x c", "y"),
]
SWISH_WEIGHTS = {"three": scalar(3.0), "zero": scalar(0.0), "six": scalar(6.0)}
SHUFFLE = [
    node("Shape", "x", "s"),
    node("Gather", "s zero", "n"),
    node("Unsqueeze", "n axes", "first"),
    node("Concat", "first parts", "target", axis=0),
    node("Reshape", "x target", "a"),
    node("Transpose", "a", "b", perm=[0, 2, 1, 3, 4]),
    node("Reshape", "b whole", "y"),
]
SHUFFLE_WEIGHTS = {
    "zero": numpy.array(0),
    "axes": numpy.array([0]),
    "parts": numpy.array([3, 2, 8, 8]),
    "whole": numpy.array([0, 6, 8, 8]),
}
NORM = {name: numpy.full(3, 0.5, "float32") for name in ("s", "b", "m", "v")}

LAYER_NORM = [
    node("ReduceMean", "x axes", "mean"),
    node("Sub", "x mean", "centred"),
    node("Pow", "centred two", "squares"),
    node("ReduceMean", "squares axes", "variance"),
    node("Add", "variance epsilon", "shifted"),
    node("Sqrt", "shifted", "root"),
    node("Div", "centred root", "normal"),
    node("Mul", "normal weight", "scaled"),
    node("Add", "scaled bias", "y"),
]
LAYER_NORM_WEIGHTS = {
    "axes": numpy.array([1]),
    "two": scalar(2.0),
    "epsilon": scalar(1e-3),
    "weight": (6, 1, 1),
    "bias": (6, 1, 1),
}
RMS_NORM = [
    node("Mul", "x x", "squares"),
    node("ReduceMean", "squares axes", "mean"),
    node("Add", "mean epsilon", "shifted"),
    node("Sqrt", "shifted", "root"),
    node("Reciprocal", "root", "inverse"),
    node("Mul", "x inverse", "normal"),
    node("Mul", "weight normal", "y"),
]
HEADS = {"heads": numpy.array([0, -1, 2, 3]), "whole": numpy.array([0, -1, 6])}
ATTENTION = [
    *(
        one
        for part in "qkv"
        for one in (
            node("MatMul", f"x {part}w", f"{part}1"),
            node("Add", f"{part}b {part}1", f"{part}2"),
            node("Reshape", f"{part}2 heads", f"{part}3"),
        )
    ),
    node("Transpose", "q3", "q", perm=[0, 2, 1, 3]),
    node("Transpose", "k3", "k", perm=[0, 2, 3, 1]),
    node("Transpose", "v3", "v", perm=[0, 2, 1, 3]),
    node("MatMul", "q k", "products"),
    node("Div", "products root", "scores"),
    node("Add", "scores mask", "masked"),
    node("Softmax", "masked", "shares", axis=-1),
    node("MatMul", "shares v", "values"),
    node("Transpose", "values", "turned", perm=[0, 2, 1, 3]),
    node("Reshape", "turned whole", "merged"),
    node("MatMul", "merged ow", "projected"),
    node("Add", "projected ob", "y"),
]
ATTENTION_WEIGHTS: dict[str, Any] = {
    **HEADS,
    **{f"{part}w": (6, 6) for part in "qkvo"},
    **{f"{part}b": (6,) for part in "qkvo"},
    "root": scalar(3**0.5),
    "mask": numpy.triu(numpy.full((4, 4), -1e9, "float32"), 1),
}
PACKED = [
    node("MatMul", "x w", "all"),
    helper.make_node("Split", ["all", "thirds"], ["q1", "k1", "v1"], axis=2),
    *(node("Reshape", f"{part}1 heads", f"{part}2") for part in "qkv"),
    *(node("Transpose", f"{part}2", part, perm=[0, 2, 1, 3]) for part in "qkv"),
    node("Transpose", "k", "turned_keys", perm=[0, 1, 3, 2]),
    node("Mul", "q factor", "smaller"),
    node("MatMul", "smaller turned_keys", "scores"),
    node("Softmax", "scores", "shares", axis=-1),
    node("MatMul", "shares v", "values"),
    node("Transpose", "values", "turned", perm=[0, 2, 1, 3]),
    node("Reshape", "turned whole", "merged"),
    node("MatMul", "merged ow", "y"),
]
LSTM = [
    node("Transpose", "x", "tokens", perm=[1, 0, 2]),
    node("LSTM", "tokens w r b", "states", hidden_size=5),
    node("Squeeze", "states one", "single"),
    node("Transpose", "single", "first", perm=[1, 0, 2]),
    node("Transpose", "first", "again", perm=[1, 0, 2]),
    # As PyTorch writes two layers of both directions, and `torch.cat((h[-2], h[-1]), 1)`.
    node("Shape", "x", "s"),
    node("Gather", "s zero", "n"),
    node("Unsqueeze", "n axes", "samples"),
    node("Concat", "four samples five", "sizes", axis=0),
    node("ConstantOfShape", "sizes", "zeros"),
    node("Slice", "zeros axes two axes", "first_states"),
    helper.make_node(
        "LSTM",
        ["again", "w2", "r2", "b2", "", "first_states", "first_states"],
        ["states2", "last2"],
        hidden_size=5,
        direction="bidirectional",
    ),
    node("Transpose", "states2", "turned", perm=[0, 2, 1, 3]),
    node("Reshape", "turned flat", "joined"),
    helper.make_node(
        "LSTM",
        ["joined", "w3", "r3", "b3"],
        ["", "last3"],
        hidden_size=5,
        direction="bidirectional",
    ),
    node("Concat", "last2 last3", "last", axis=0),
    node("Gather", "last minus_two", "forward"),
    node("Gather", "last three", "backward"),
    node("Concat", "forward backward", "y", axis=1),
]
LSTM_WEIGHTS: dict[str, Any] = {
    **{"w": (1, 20, 6), "r": (1, 20, 5), "b": (1, 40), "one": numpy.array([1])},
    **{"w2": (2, 20, 5), "r2": (2, 20, 5), "b2": (2, 40), "flat": numpy.array([0, 0, 10])},
    **{"w3": (2, 20, 10), "r3": (2, 20, 5), "b3": (2, 40), "zero": numpy.array(0)},
    **{"axes": numpy.array([0]), "two": numpy.array([2]), "four": numpy.array([4])},
    **{"five": numpy.array([5]), "minus_two": numpy.array(-2), "three": numpy.array(3)},
}
LSTM_TEXT = """\
  - lstm: {units: 5, return_sequences: true}
  - lstm: {units: 5, bidirectional: true, layers: 2}
"""

CASES: dict[str, tuple[list[Any], dict[str, Any], list[Any], list[Any], str]] = {
    "gelu": (GELU, GELU_WEIGHTS, ["N", 3, 8, 8], ["N", 3, 8, 8], "- gelu"),
    "hard_swish": (SWISH, SWISH_WEIGHTS, ["N", 3, 8, 8], ["N", 3, 8, 8], "- hard_swish"),
    "shuffle": (SHUFFLE, SHUFFLE_WEIGHTS, ["N", 6, 8, 8], ["N", 6, 8, 8], "- channel_shuffle: 3"),
    "layer norm of channels": (
        LAYER_NORM,
        LAYER_NORM_WEIGHTS,
        ["N", 6, 4, 4],
        ["N", 6, 4, 4],
        "- layer_norm: {epsilon: 0.001}",
    ),
    "attention": (
        ATTENTION,
        ATTENTION_WEIGHTS,
        ["N", 4, 6],
        ["N", 4, 6],
        "- attention: {heads: 2, causal: true}",
    ),
    "recurrences": (LSTM, LSTM_WEIGHTS, ["N", 4, 6], ["N", 10], LSTM_TEXT),
    "silu": (
        [node("Sigmoid", "x", "a"), node("Mul", "a x", "y")],
        {},
        ["N", 3, 8, 8],
        ["N", 3, 8, 8],
        "- silu",
    ),
    "scaled batch norm": (
        [
            node("BatchNormalization", "x s b m v", "n", epsilon=0.01),
            node("Mul", "n w", "p"),
            node("Add", "p o", "y"),
        ],
        {**NORM, "w": (3, 1, 1), "o": (3, 1, 1)},
        ["N", 3, 8, 8],
        ["N", 3, 8, 8],
        "- batch_norm: {epsilon: 0.01}",
    ),
    "padding": (
        [node("Pad", "x p", "a"), node("Conv", "a w", "y", pads=[0, 1, 0, 0], strides=[2, 2])],
        {"p": numpy.array([0, 0, 1, 0, 0, 0, 2, 0]), "w": (4, 3, 3, 3)},
        ["N", 3, 8, 8],
        ["N", 4, 5, 4],
        "padding: [[1, 2], [1, 0]]",
    ),
    "same": (
        [node("Conv", "x w", "y", auto_pad="SAME_LOWER", strides=[2, 2])],
        {"w": (4, 3, 3, 3)},
        ["N", 3, 8, 8],
        ["N", 4, 4, 4],
        "padding: [[1, 0], [1, 0]]",
    ),
    "linear": (
        [node("MatMul", "x w", "a"), node("Add", "b a", "c"), node("Relu", "c", "y")],
        {"w": (5, 5), "b": (5,)},
        ["N", 5],
        ["N", 5],
        "- dense: {units: $classes, activation: relu}",
    ),
    "depthwise": (
        [node("Conv", "x w b", "y", group=3, pads=[1, 1, 1, 1])],
        {"w": (6, 1, 3, 3), "b": (6,)},
        ["N", 3, 8, 8],
        ["N", 6, 8, 8],
        "- depthwise_conv: {kernel_size: 3, multiplier: 2, padding: 1}",
    ),
    "global pool": (
        [node("GlobalAveragePool", "x", "a"), node("Flatten", "a", "y")],
        {},
        ["N", 3, 8, 8],
        ["N", 3],
        "- global_avg_pool\n",
    ),
    "asymmetric average": (
        [node("AveragePool", "x", "y", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 1, 1, 0])],
        {},
        ["N", 3, 8, 8],
        ["N", 3, 4, 4],
        "padding: [[0, 1], [1, 0]]",
    ),
    "average with padding": (
        [node("AveragePool", "x", "y", kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1)],
        {},
        ["N", 3, 8, 8],
        ["N", 3, 8, 8],
        "count_include_pad: true",
    ),
    "normalisation of responses": (
        [node("LRN", "x", "y", size=3, alpha=0.3, beta=0.5, bias=2.0)],
        {},
        ["N", 3, 8, 8],
        ["N", 3, 8, 8],
        "- local_response_norm: {size: 3, alpha: 0.1, beta: 0.5}",
    ),
    "crop": (
        [node("Slice", "x from to axes", "y")],
        {"from": numpy.array([1, 2]), "to": numpy.array([8, -1]), "axes": numpy.array([2, -1])},
        ["N", 3, 8, 8],
        ["N", 3, 7, 5],
        "- crop: [[1, 0], [2, 1]]",
    ),
    "split": (
        [
            helper.make_node("Split", ["x"], ["a", "b"], axis=1),
            node("Relu", "b", "c"),
            node("Concat", "a c", "y", axis=1),
        ],
        {},
        ["N", 6, 8, 8],
        ["N", 6, 8, 8],
        "split: {parts: 2, index: 1}",
    ),
    "a map that is only added to one": (
        [
            node("Relu", "x", "a"),
            node("Reshape", "a to", "b"),
            node("Conv", "b w", "c"),
            node("Reshape", "x to", "d"),
            node("Add", "d c", "y"),
        ],
        {"to": numpy.array([0, 3, 8]), "w": (3, 3, 1)},
        ["N", 24],
        ["N", 3, 8],
        "bias: false}\n      - - reshape: {channels: 3, length: 8}\n",
    ),
    "a product along the length of a map": (
        [
            node("Conv", "x w", "a"),
            node("MatMul", "a m", "b"),
            node("Relu", "b", "c"),
            node("Conv", "c v", "y"),
        ],
        {"w": (4, 3, 3), "m": (6, 5), "v": (2, 4, 1)},
        ["N", 3, 8],
        ["N", 2, 5],
        "  - reshape: {tokens: 4, features: 6}\n"
        "  - dense: {units: 5, bias: false, activation: relu}\n"
        "  - reshape: {channels: 4, length: 5}\n",
    ),
    "layer norm without offsets": (
        [node("LayerNormalization", "x s", "y", epsilon=0.01)],
        {"s": (6,)},
        ["N", 4, 6],
        ["N", 4, 6],
        "- layer_norm: {epsilon: 0.01}",
    ),
    "slopes that two activations share": (
        [node("Conv", "x w", "a"), node("PRelu", "a s", "b"), node("PRelu", "b s", "y")],
        {"w": (4, 3, 3, 3), "s": (4, 1, 1)},
        ["N", 3, 8, 8],
        ["N", 4, 6, 6],
        "  - prelu:\n    weights: prelu\n",
    ),
}


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers() as pool:
        yield pool


@pytest.mark.torch
@pytest.mark.parametrize("case", CASES)
def test_becomes_the_op_and_computes_the_same(case: str, tmp_path: Path, workers: Workers) -> None:
    nodes, weights, shape, output, expected = CASES[case]
    opset = {"split": 11, "layer norm of channels": 18}.get(case, 17)
    path = write(tmp_path, model(nodes, weights, output, shape, opset))
    imported = as_spec(formats.read(path), "small", path, [])
    assert expected in imported.text
    pytest.importorskip("onnxruntime")
    agreement = compare(imported, path, workers)
    assert (agreement.reason, agreement.disagreement) == (None, None)
    assert agreement.compared == len(imported.network.layers)


BECOME: dict[str, tuple[list[Any], dict[str, Any], list[Any], list[Any], str]] = {
    "a mean over space, as a vector": (
        [node("ReduceMean", "x axes", "a", keepdims=1), node("Reshape", "a to", "y")],
        {"axes": numpy.array([-1, -2]), "to": numpy.array([0, -1])},
        ["N", 6, 4, 4],
        ["N", 6],
        "layers:\n  - global_avg_pool\nexpect",
    ),
    "RMS norm": (
        RMS_NORM,
        {"axes": numpy.array([-1]), "epsilon": scalar(1e-6), "weight": (6,)},
        ["N", 4, 6],
        ["N", 4, 6],
        "- rms_norm: {epsilon: 1e-06}",
    ),
    "attention with one matrix": (
        PACKED,
        {
            **{**HEADS, "w": (6, 18), "ow": (6, 6), "factor": scalar(3**-0.5)},
            "thirds": numpy.array([6, 6, 6]),
        },
        ["N", 4, 6],
        ["N", 4, 6],
        "- attention: {heads: 2, bias: false}",
    ),
    "nearest": (
        [helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest")],
        {"scales": numpy.array([1, 1, 2, 2], "float32")},
        ["N", 3, 4, 4],
        ["N", 3, 8, 8],
        "- upsample: 2",
    ),
    "tokens of positions": (
        [
            node("Flatten", "x", "a"),
            node("Reshape", "a to", "b"),
            node("Transpose", "b", "y", perm=[0, 2, 1]),
        ],
        {"to": numpy.array([0, 3, 16])},
        ["N", 3, 4, 4],
        ["N", 16, 3],
        "- to_tokens",
    ),
    "features of each token": (
        [node("Mul", "x w", "a"), node("Add", "a p", "y")],
        {"w": (6,), "p": (1, 4, 6)},
        ["N", 4, 6],
        ["N", 4, 6],
        "- scale\n  - position_embedding",
    ),
}


@pytest.mark.parametrize("case", BECOME)
def test_becomes_the_op(case: str) -> None:
    nodes, weights, shape, output, expected = BECOME[case]
    data = model(nodes, weights, output, shape, 18).SerializeToString()
    network = network_of(terms_of(read_model(memoryview(data))), "small")
    assert expected in as_spec(network, "small", "small", []).text


@pytest.mark.parametrize(
    ("name", "value"),
    [("minus_two", -3), ("three", 2), ("flat", [0, 10, -1])],
)
def test_other_states_are_refused(name: str, value: Any) -> None:
    """Those of another layer or direction, or arranged otherwise."""
    weights = {**LSTM_WEIGHTS, name: numpy.array(value)}
    data = model(LSTM, weights, ["N", 10], ["N", 4, 6]).SerializeToString()
    with pytest.raises((SpecError, ModelError)):
        network_of(terms_of(read_model(memoryview(data))), "small")


@pytest.mark.parametrize(
    ("node_", "attribute", "value"),
    [
        ("Softmax", "axis", 2),
        ("Transpose", "perm", [0, 3, 2, 1]),
        ("Div", "root", scalar(3.0)),
        ("Add", "mask", numpy.triu(numpy.full((4, 4), -10.0, "float32"), 1)),
    ],
)
def test_attention_of_another_kind_is_none(node_: str, attribute: str, value: Any) -> None:
    nodes = [onnx.NodeProto.FromString(one.SerializeToString()) for one in ATTENTION]
    weights = dict(ATTENTION_WEIGHTS)
    if attribute in weights:
        weights[attribute] = value
    else:
        changed = next(one for one in nodes if one.op_type == node_)
        del changed.attribute[:]
        changed.attribute.append(helper.make_attribute(attribute, value))
    data = model(nodes, weights, ["N", 4, 6], ["N", 4, 6]).SerializeToString()
    with pytest.raises((SpecError, ModelError)):
        network_of(terms_of(read_model(memoryview(data))), "small")


REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "an unknown attribute": (
        node("Relu", "x", "y", slope=0.5),
        {},
        "Relu with the attribute slope",
    ),
    "a pool with gaps": (
        node("MaxPool", "x", "y", kernel_shape=[2, 2], dilations=[2, 2]),
        {},
        "MaxPool with dilations [2, 2]",
    ),
    "a softmax over space": (
        node("Softmax", "x", "y", axis=3),
        {},
        "Softmax of [1, 3, 8, 8] along the axis 3",
    ),
    "a clip to other bounds": (
        node("Clip", "x low high", "y"),
        {"low": scalar(0.0), "high": scalar(1.0)},
        "Clip between 0.0 and 1.0",
    ),
    "a kernel that is not its shape": (
        node("Conv", "x w", "y", kernel_shape=[3, 2]),
        {"w": (4, 3, 3, 3)},
        "which is not the shape that it states",
    ),
    "an offset that nothing takes": (
        node("Add", "x b", "y"),
        {"b": (3, 1, 1)},
        "Add of [1, 3, 8, 8] with a constant of [3, 1, 1]",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_op_is_refused(case: str, tmp_path: Path) -> None:
    one, weights, expected = REFUSED[case]
    with pytest.raises(SpecError) as error:
        formats.read(write(tmp_path, model([one], weights, ["N", 3, 8, 8])))
    assert expected in str(error.value)


def test_what_exporters_say_of_modules_is_kept(tmp_path: Path) -> None:
    """PyTorch's older exporter names the arrays that it computes, its newer one the rule."""
    older, newer = node("Conv", "x onnx::Conv_7 onnx::Conv_8", "a"), node("Conv", "a w b", "y")
    entries = {
        "pkg.onnxscript.rewriter.rule_name": "FuseBatchNormIntoConv",
        "pkg.torch.onnx.name_scopes": "['', 'stem', 'stem.1', '_batch_norm']",
        "pkg.torch.onnx.class_hierarchy": "['net.Net', 'net.Stem', 'torch.BatchNorm2d', 'aten.b']",
    }
    for key, value in entries.items():
        newer.metadata_props.add(key=key, value=value)
    weights = {"onnx::Conv_7": (3, 3, 1, 1), "onnx::Conv_8": (3,), "w": (3, 3, 1, 1), "b": (3,)}
    path = write(tmp_path, model([older, newer], weights, ["N", 3, 8, 8]))
    network = formats.read(path)
    (note,) = network.notes
    assert "folded the batch normalisation into 2 convolutions" in note
    assert network.classes == {"stem": "Stem", "stem.1": "BatchNorm2d"}
    plain = model([node("Conv", "x w b", "y")], weights, ["N", 3, 8, 8])
    assert formats.read(write(tmp_path, plain)).notes == ()
    unknown = model([node("Det", "x", "y")], {}, ["N", 3])
    unknown.producer_name = "pytorch"
    with pytest.raises(SpecError) as error:
        formats.read(write(tmp_path, unknown))
    assert "torch.export.save" in (error.value.diagnostics[-1].hint or "")


@pytest.mark.parametrize("changed", [None, (3, 5), (5, 3), (70, 70)])
def test_a_mask_of_many_tokens_is_read_to_its_last_element(changed: Any) -> None:
    """Of more elements than are read as numbers: all of them count."""
    mask = numpy.triu(numpy.full((80, 80), -1e9, "float32"), 1)
    if changed is not None:
        mask[changed] = -2e9
    weights = {**ATTENTION_WEIGHTS, "mask": mask}
    data = model(ATTENTION, weights, ["N", 80, 6], ["N", 80, 6]).SerializeToString()
    read = terms_of(read_model(memoryview(data)))
    if changed is None:
        assert "causal: true" in as_spec(network_of(read, "small"), "small", "small", []).text
        return
    with pytest.raises((SpecError, ModelError)):
        network_of(read, "small")


def test_a_view_of_nothing_is_refused() -> None:
    nodes = [helper.make_node("Reshape", [], ["a"]), node("Add", "x a", "y")]
    data = model(nodes, {}, ["N", 3, 8, 8]).SerializeToString()
    with pytest.raises(SpecError, match="Reshape without its"):
        network_of(terms_of(read_model(memoryview(data))), "small")
