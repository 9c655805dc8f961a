"""Blocks from the modules of a file: what its author made a class of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archc.importers.network import Layer, Network
from archc.importers.spec import as_spec
from archc.importers.structure.items import decompose
from archc.importers.structure.modules import ranges_of_classes, snake_case
from archc.ops.activation import Tanh
from archc.ops.axes import Axes, feature_map
from archc.ops.base import Op
from archc.ops.convolution import Conv
from archc.ops.merge import Concat
from archc.ops.normalization import BatchNorm
from archc.ops.pooling import MaxPool

MAP = feature_map(4, (8, 8))


def network(classes: dict[str, str], *scopes: tuple[str, ...]) -> Network:
    """Five layers in each scope, two of them convolutions; in that called `other` a pool."""
    layers = []
    position = 0
    for scope in scopes:
        ops: list[Op] = [Conv(filters=4, kernel_size=3, padding=1), BatchNorm(), Tanh()]
        ops += [Conv(filters=4, kernel_size=1), BatchNorm()]
        if scope == ("other",):
            ops = [MaxPool(kernel_size=3, stride=1, padding=1)]
        for op in ops:
            output: Axes = op.infer((MAP,))
            value = f"value_{position}"
            layers.append(Layer(op, (position,), output, value, value, scope))
            position += 1
    return Network("", {"x": MAP}, tuple(layers), (position,), classes=classes)


def text(classes: dict[str, str], *scopes: tuple[str, ...]) -> str:
    return as_spec(network(classes, *scopes), "small", "small.pt2", []).text


SCOPES = (("a",), ("other",), ("b",), ("c",))


def test_a_class_that_is_used_several_times_is_a_block() -> None:
    own = text({"a": "ConvUnit", "b": "ConvUnit", "c": "ConvUnit"}, *SCOPES)
    assert "  conv_unit:\n    layers:\n      - conv: {filters: 4" in own
    assert own.count("block: conv_unit") == 2  # once, and twice by a repetition


def nested(classes: dict[str, str], *scopes: tuple[str, ...]) -> Network:
    """A unit, a pool and a unit, and a unit on what the first two units give."""
    own = network(classes, *scopes)
    layers = list(own.layers[:11])
    concat = Concat().infer((MAP, MAP))
    layers.append(Layer(Concat(), (5, 11), concat, "concat", "concat"))
    layers += [replace(one, inputs=(one.inputs[0] + 1,)) for one in own.layers[11:]]
    return replace(own, layers=tuple(layers), outputs=(len(layers),))


def test_modules_in_branches_of_merges_are_the_same_block() -> None:
    own = nested(dict.fromkeys("abc", "ConvUnit"), ("a",), ("other",), ("b",), ("c",))
    written = as_spec(own, "small", "small.pt2", []).text
    assert written.count("block: conv_unit") == 3
    assert "  - concat:\n      - []\n      - - max_pool:" in written


def test_a_module_with_layers_in_a_branch_and_outside_is_no_place_of_a_block() -> None:
    own = nested({"a": "ConvUnit", "c": "ConvUnit"}, ("a",), ("other",), ("b",), ("c",))
    assert [len(ranges) for _, ranges in ranges_of_classes(own, decompose(own))] == [2]
    pool = replace(own.layers[5], scope=("c",))
    own = replace(own, layers=(*own.layers[:5], pool, *own.layers[6:]))
    assert list(ranges_of_classes(own, decompose(own))) == []


def test_without_classes_there_is_none() -> None:
    assert "blocks" not in text({}, *SCOPES)


def test_a_container_is_no_block() -> None:
    assert "blocks" not in text(dict.fromkeys("abc", "Sequential"), *SCOPES)


def test_modules_that_interleave_are_no_places_of_a_block() -> None:
    own = network({"a": "ConvUnit", "b": "ConvUnit"}, ("a",), ("b",), ("a",), ("b",))
    assert list(ranges_of_classes(own, decompose(own))) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CNBlock", "cn_block"),
        ("MBConv", "mb_conv"),
        ("_DenseLayer", "dense_layer"),
        ("BasicConv2d", "basic_conv2d"),
        ("InvertedResidual", "inverted_residual"),
    ],
)
def test_names_of_classes_are_written_as_those_of_blocks(name: str, expected: str) -> None:
    assert snake_case(name) == expected
