"""Limits and names of an expansion: exactly how many, and exactly which step a name means."""

from __future__ import annotations

from pathlib import Path

import pytest

from archc.api import load
from archc.diagnostics import SpecError
from archc.ir.graph import Graph


def graph_of(tmp_path: Path, spec: str) -> Graph:
    path = tmp_path / "net.yaml"
    path.write_text(f"archc: 1\nname: net\ninput: {{features: 4}}\n{spec}")
    return load(str(path), {}).costs.graph


def codes_of(tmp_path: Path, spec: str) -> list[str]:
    with pytest.raises(SpecError) as error:
        graph_of(tmp_path, spec)
    return [diagnostic.code for diagnostic in error.value.diagnostics]


def inputs_of(graph: Graph, path: str) -> list[str]:
    (node,) = (node for node in graph.nodes if node.path == path)
    return [graph.nodes[index].path for index in node.inputs]


# Repetitions


@pytest.mark.parametrize(("count", "layers"), [("0", 0), ("1", 1), ("3", 3), ("$(5 // 2)", 2)])
def test_repeat_takes_whole_numbers_from_0(tmp_path: Path, count: str, layers: int) -> None:
    graph = graph_of(
        tmp_path,
        f"layers:\n  - repeat: {count}\n    layers: [relu]\n  - dense: 1\n",
    )
    assert [node.op.name for node in graph.nodes[1:]] == ["relu"] * layers + ["dense"]


@pytest.mark.parametrize("count", ["-1", "true", "false", "2.5", "[2]", "'2'", "null"])
@pytest.mark.parametrize(("written", "code"), [("{}", "ARC203"), ("$({})", "ARC206")])
def test_repeat_takes_nothing_else(tmp_path: Path, count: str, written: str, code: str) -> None:
    """Neither as it stands, which the schema checks, nor as the value of an expression."""
    value = written.format(count)
    spec = f"layers:\n  - repeat: {value}\n    layers: [relu]\n  - dense: 1\n"
    assert codes_of(tmp_path, spec) == [code]


def test_a_step_with_steps_in_it_is_left_out_as_a_whole(tmp_path: Path) -> None:
    for step in ("repeat: 2", "for: {width: [4, 4]}", "section: part"):
        written = f"layers:\n  - {step}\n    when: SHOWN\n    layers: [relu]\n  - dense: 1\n"
        assert len(graph_of(tmp_path, written.replace("SHOWN", "$(1 < 2)")).nodes) > 2, step
        assert len(graph_of(tmp_path, written.replace("SHOWN", "$(2 < 1)")).nodes) == 2, step


@pytest.mark.parametrize("name", ["", ", name: bend"])
def test_an_activation_that_is_none_counts_as_one(tmp_path: Path, name: str) -> None:
    """So that the names of later steps, and of their weights, do not depend on it."""
    spec = (
        "params: {kind: KIND}\n"
        f"layers: [{{activation: $kind{name}}}, activation: tanh, activation: tanh]\n"
    )
    paths = {
        kind: [node.path for node in graph_of(tmp_path, spec.replace("KIND", kind)).nodes]
        for kind in ("none", "relu")
    }
    assert paths["none"][1:] == paths["relu"][2:]


# Limits


def nested(depth: int) -> str:
    """Blocks that stand in one another, so many deep."""
    inner = "".join(
        f"  b{number}:\n    layers: [{{block: b{number + 1}}}]\n" for number in range(1, depth)
    )
    return f"blocks:\n{inner}  b{depth}:\n    layers: [relu]\nlayers: [{{block: b1}}]\n"


def test_blocks_nest_64_deep(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, nested(64))
    assert graph.nodes[-1].path.count(".") == 64
    assert codes_of(tmp_path, nested(65)) == ["ARC405"]


def steps(last: int) -> str:
    """1 step, then two repetitions, themselves a step each, of 49,999 and `last` steps that are
    left out."""
    left_out = "layers: [{relu: {}, when: $(index < 0)}]"
    return (
        "layers:\n  - dense: 2\n"
        f"  - repeat: 49_999\n    {left_out}\n"
        f"  - repeat: {last}\n    {left_out}\n"
    ).replace("_", "")


def test_a_document_has_100_000_steps(tmp_path: Path) -> None:
    assert 1 + 1 + 49_999 + 1 + 49_998 == 100_000
    assert len(graph_of(tmp_path, steps(49_998)).nodes) == 2
    assert codes_of(tmp_path, steps(49_999)) == ["ARC405"]


# Names


def test_steps_that_are_left_out_keep_their_numbers(tmp_path: Path) -> None:
    """Weights of the others are found by the same names whatever is left out."""
    spec = """
params: {extra: %s}
layers:
  - {relu: {}, when: $extra}
  - dense: 3
  - {dense: 3, when: $extra}
  - section: head
    layers:
      - {dense: 3, when: $extra}
      - dense: 2
  - relu
"""
    every = ["relu_1", "dense_1", "dense_2", "head.dense_1", "head.dense_2", "relu_2"]
    assert [node.path for node in graph_of(tmp_path, spec % "true").nodes[1:]] == every
    kept = ["dense_1", "head.dense_2", "relu_2"]
    assert [node.path for node in graph_of(tmp_path, spec % "false").nodes[1:]] == kept


def test_an_exact_name_goes_before_the_latest_of_a_repetition(tmp_path: Path) -> None:
    spec = """
layers:
  - %s
  - repeat: 2
    layers:
      - {dense: 4, name: a}
  - {add: null, from: [a, a_1, a_2], name: total}
"""
    exact = graph_of(tmp_path, spec % "{dense: 4, name: a}")
    assert inputs_of(exact, "total") == ["a", "a_1", "a_2"]
    latest = graph_of(tmp_path, spec % "relu")
    assert inputs_of(latest, "total") == ["a_2", "a_1", "a_2"]


# Names of several steps


def test_a_pattern_names_steps_in_their_order(tmp_path: Path) -> None:
    """The order of the steps, not of the letters: the tenth comes after the ninth. What has no
    number, and what belongs to the name of another, is not among them."""
    graph = graph_of(
        tmp_path,
        "layers:\n  - relu:\n    name: skip_all\n  - relu:\n    name: skip\n"
        "  - repeat: 11\n    layers:\n      - dense: 4\n        name: skip\n"
        "  - relu:\n    name: skipped_1\n  - add:\n    from: [skipped_1, skip_*]\n    name: end\n",
    )
    assert inputs_of(graph, "end") == ["skipped_1", *(f"skip_{n}" for n in range(1, 12))]


def test_what_came_into_a_block_is_its_input_in_every_section(tmp_path: Path) -> None:
    graph = graph_of(
        tmp_path,
        "blocks:\n  unit:\n    layers:\n      - dense: 8\n      - section: inner\n        layers:\n"
        "          - dense: $(input.features)\n"
        "          - add:\n            from: [dense_1, input]\n"
        "layers:\n  - relu\n  - block: unit\n    name: unit\n",
    )
    assert inputs_of(graph, "unit.inner.add_1") == ["unit.inner.dense_1", "relu_1"]
