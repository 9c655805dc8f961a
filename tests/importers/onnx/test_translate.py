"""Operations of ONNX as ops of archc, alone and as patterns: what they become, and, where
onnxruntime is installed, that they compute the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from onnx import helper

from archc.diagnostics import SpecError
from archc.importers import formats
from archc.importers.agreement import compare
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

CASES: dict[str, tuple[list[Any], dict[str, Any], list[Any], list[Any], str]] = {
    "gelu": (GELU, GELU_WEIGHTS, ["N", 3, 8, 8], ["N", 3, 8, 8], "- gelu"),
    "hard_swish": (SWISH, SWISH_WEIGHTS, ["N", 3, 8, 8], ["N", 3, 8, 8], "- hard_swish"),
    "shuffle": (SHUFFLE, SHUFFLE_WEIGHTS, ["N", 6, 8, 8], ["N", 6, 8, 8], "- channel_shuffle: 3"),
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
}


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers() as pool:
        yield pool


@pytest.mark.torch
@pytest.mark.parametrize("case", CASES)
def test_becomes_the_op_and_computes_the_same(case: str, tmp_path: Path, workers: Workers) -> None:
    nodes, weights, shape, output, expected = CASES[case]
    opset = 11 if case == "split" else 17
    path = write(tmp_path, model(nodes, weights, output, shape, opset))
    imported = as_spec(formats.read(path), "small", path, [])
    assert expected in imported.text
    pytest.importorskip("onnxruntime")
    agreement = compare(imported, path, workers)
    assert (agreement.reason, agreement.disagreement) == (None, None)
    assert agreement.compared == len(imported.network.layers)


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
