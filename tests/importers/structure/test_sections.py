"""Sections of imported networks: what the file calls its parts, by models, modules or names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from onnx import helper

from archc.importers import formats
from archc.importers.spec import Imported, as_spec
from tests.importers.keras.test_keras import config, layer
from tests.importers.structure.test_structure import add, conv, imported, weights


def keras_text(tmp_path: Path, *own: dict[str, Any]) -> str:
    path = tmp_path / "model.json"
    path.write_text(json.dumps(config(*own)), encoding="utf-8")
    return as_spec(formats.read(str(path)), "small", str(path), []).text


def convolution(name: str, filters: int) -> dict[str, Any]:
    fields: dict[str, Any] = {"filters": filters, "kernel_size": [3, 3], "padding": "same"}
    return layer("Conv2D", **fields, strides=[1, 1], dilation_rate=[1, 1], name=name)


def norm(name: str) -> dict[str, Any]:
    return layer("LayerNormalization", axis=-1, epsilon=0.001, name=name)


def named(node: Any, name: str) -> Any:
    node.name = name
    return node


def sections(text: str) -> list[str]:
    return [line.split(": ")[1] for line in text.split("\n") if line.startswith("  - section:")]


def chain(tmp_path: Path, **names: str) -> Imported:
    """A network of one operation after the other, each with the name of its node."""
    nodes, source = [], "x"
    for number, (op, name) in enumerate(names.items()):
        target = "y" if number == len(names) - 1 else f"v{number}"
        nodes.append(helper.make_node(op, [source], [target], name=name))
        source = target
    return imported(tmp_path, nodes, {})


def test_modules_of_pytorch_s_exporter_are_sections(tmp_path: Path) -> None:
    own = chain(
        tmp_path,
        Relu="/features/features.0/Relu",
        Elu="/features/features.1/Elu",
        Selu="/neck/Selu",
        Tanh="/head/first/Tanh",
        Sigmoid="/head/second/Sigmoid",
    )
    assert sections(own.text) == ["features", "head"]
    assert [node.path for node in own.loaded.costs.graph.layers] == [
        "features.relu_1",
        "features.elu_1",
        "selu_1",
        "head.tanh_1",
        "head.sigmoid_1",
    ]


def test_a_module_around_all_of_them_is_none(tmp_path: Path) -> None:
    own = chain(tmp_path, Relu="/m/left/0", Elu="/m/left/1", Selu="/m/right/0", Tanh="/m/right/1")
    assert sections(own.text) == ["left", "right"]


def test_what_is_named_from_elsewhere_is_in_no_section(tmp_path: Path) -> None:
    nodes = [
        named(conv("x", "a"), "/left/0/Conv"),
        named(conv("a", "b"), "/left/1/Conv"),
        named(conv("b", "c"), "/right/0/Conv"),
        named(conv("c", "d"), "/right/1/Conv"),
        add("e", "a", "c"),
        add("y", "e", "d"),
    ]
    text = imported(tmp_path, nodes, weights("a", "b", "c", "d")).text
    assert "from: [" in text
    assert sections(text) == []


def test_models_in_a_keras_model_are_sections(tmp_path: Path) -> None:
    first, second = (
        {**config(convolution("a", 4), norm("b")), "name": name} for name in ("stem", "body")
    )
    for model, channels in ((first, 3), (second, 4)):
        model["config"]["name"] = model["name"]
        model["config"]["layers"][0]["config"]["batch_shape"] = [None, 8, 8, channels]
    assert sections(keras_text(tmp_path, first, second)) == ["stem", "body"]


def test_names_of_keras_tell_the_parts_where_that_is_little_longer(tmp_path: Path) -> None:
    kinds = ["relu", "silu", "gelu", "tanh", "selu", "softplus", "softsign", "elu", "sigmoid"]

    def part(number: int, *order: str) -> list[dict[str, Any]]:
        return [
            layer("Activation", activation=kind, name=f"net_block{number}a_{place}")
            for place, kind in enumerate(order)
        ]

    unlike = [*part(1, *kinds), *part(2, *reversed(kinds)), *part(3, *kinds[3:], *kinds[:3])]
    assert sections(keras_text(tmp_path, *unlike)) == ["block1", "block2", "block3"]
    # Equal parts, written once, would be written out for the sake of their names.
    equal = [*part(1, *kinds), *part(2, *kinds), *part(3, *kinds)]
    assert sections(keras_text(tmp_path, *equal)) == []
