"""The text of imported networks that are no plain sequence: what is named, what becomes a block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from onnx import TensorProto, helper

from archc.importers import formats
from archc.importers.spec import Imported, as_spec
from tests.importers.models import model, write


def imported(
    tmp_path: Path, nodes: list[Any], weights: dict[str, Any], own: Any = None
) -> Imported:
    content = own or model(nodes, weights, ["N", 4, 8, 8], ["N", 4, 8, 8])
    path = write(tmp_path, content)
    return as_spec(formats.read(path), "small", path, [])


def conv(source: str, name: str, **fields: Any) -> Any:
    """A convolution that keeps the shape."""
    return helper.make_node("Conv", [source, f"{name}_w"], [name], pads=[1] * 4, **fields)


def weights(*names: str) -> dict[str, tuple[int, ...]]:
    return {f"{name}_w": (4, 4, 3, 3) for name in names}


def add(name: str, *sources: str) -> Any:
    return helper.make_node("Add", list(sources), [name])


def test_skips_that_cross_are_named_by_the_file(tmp_path: Path) -> None:
    nodes = [
        conv("x", "stem"),
        conv("stem", "left"),
        conv("left", "right"),
        add("inner", "stem", "right"),
        conv("inner", "last"),
        add("y", "left", "last"),
    ]
    text = imported(tmp_path, nodes, weights("stem", "left", "right", "last")).text
    assert "name: left" in text
    assert "from: [left, last]" in text
    assert text.count("conv:") == 4


def test_named_steps_are_no_part_of_a_repetition(tmp_path: Path) -> None:
    nodes = [conv("x", "a"), conv("a", "b"), conv("b", "c"), conv("c", "d"), add("e", "b", "d")]
    nodes += [conv("e", "f"), add("y", "c", "f")]
    own = imported(tmp_path, nodes, weights("a", "b", "c", "d", "f"))
    assert len(own.loaded.costs.graph.layers) == 7


def test_branches_of_branches(tmp_path: Path) -> None:
    nodes = [conv("x", "a"), conv("a", "b"), add("c", "a", "b"), conv("c", "d"), add("y", "x", "d")]
    text = imported(tmp_path, nodes, weights("a", "b", "d")).text
    assert "from" not in text
    assert text.count("- add:") == 2


def test_several_outputs_are_named(tmp_path: Path) -> None:
    own = model(
        [conv("x", "first"), conv("first", "y")],
        weights("first", "y"),
        ["N", 4, 8, 8],
        ["N", 4, 8, 8],
    )
    extra = helper.make_tensor_value_info("first", TensorProto.FLOAT, ["N", 4, 8, 8])
    own.graph.output.append(extra)
    text = imported(tmp_path, [], {}, own).text
    assert "name: first" in text
    assert "outputs: [" in text


def test_equal_steps_in_a_row_are_a_repetition(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(9)]
    nodes = [conv(source, name) for source, name in zip(["x", *names], [*names, "y"], strict=True)]
    text = imported(tmp_path, nodes, weights(*names, "y")).text
    assert "- repeat: 9\n" in text or "- repeat: 10\n" in text


def test_blocks_with_a_branch_that_some_lack_have_a_condition(tmp_path: Path) -> None:
    nodes, shapes, source = [], {}, "x"
    for number, (before, width) in enumerate([(4, 4), (4, 4), (4, 8), (8, 8), (8, 16), (16, 16)]):
        end = "y" if number == 5 else f"r{number}"
        shortcut = source
        nodes += [
            conv(source, f"a{number}"),
            helper.make_node("Relu", [f"a{number}"], [f"b{number}"]),
        ]
        nodes.append(conv(f"b{number}", f"d{number}"))
        shapes[f"a{number}_w"] = (width, before, 3, 3)
        shapes[f"d{number}_w"] = (width, width, 3, 3)
        if before != width:
            shortcut = f"s{number}"
            nodes.append(helper.make_node("Conv", [source, f"{shortcut}_w"], [shortcut]))
            shapes[f"{shortcut}_w"] = (width, before, 1, 1)
        nodes += [
            add(f"e{number}", f"d{number}", shortcut),
            helper.make_node("Relu", [f"e{number}"], [end]),
        ]
        source = end
    own = model(nodes, shapes, ["N", 16, 8, 8], ["N", 4, 8, 8])
    text = imported(tmp_path, [], {}, own).text
    assert "when: $(in.channels != width)" in text
    assert "for: {width: [4, 8, 16]}" in text
    assert text.count("- block:") == 1
