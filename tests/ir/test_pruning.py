"""What nothing uses and a network is written without: in the last turn of a loop, and views."""

from __future__ import annotations

from pathlib import Path

import pytest

from archc.api import load
from archc.diagnostics import SpecError
from archc.ir.costs import infer
from archc.ir.graph import Graph
from archc.reports.resolved import resolved

HEAD = "archc: 1\nname: net\ninput: {channels: 4, height: 16, width: 16}\n"
ENCODER = """blocks:
  encoder:
    params: {width: null}
    outputs: [skip]
    layers:
      - conv: {filters: $width, kernel_size: 3, padding: 1}
        name: skip
      - section: down
        layers:
          - conv: {filters: $width, kernel_size: 2, stride: 2}
          - batch_norm
"""
LOOP = """layers:
  - for: {width: [4, 8, 16]}
    layers:
      - block: encoder
        name: enc
        with: {width: $width}
  - upsample: 2
    from: enc_3.skip
  - concat:
    from: [in, enc_2.skip]
  - upsample: 2
  - concat:
    from: [in, enc_1.skip]
"""


def graph_of(tmp_path: Path, spec: str) -> Graph:
    path = tmp_path / "net.yaml"
    path.write_text(HEAD + spec)
    return load(str(path), {}).costs.graph


def paths(graph: Graph) -> list[str]:
    return [node.path for node in graph.layers]


def unused(tmp_path: Path, spec: str) -> list[str]:
    with pytest.raises(SpecError) as error:
        graph_of(tmp_path, spec)
    assert {one.code for one in error.value.diagnostics} == {"ARC406"}
    return [one.message for one in error.value.diagnostics]


def test_the_last_turn_of_a_loop_leaves_out_what_nothing_uses(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, ENCODER + LOOP)
    inside = [path for path in paths(graph) if path.startswith("enc_")]
    turns = [f"enc_{turn}.{step}" for turn in (1, 2) for step in ("skip", "down.conv_1")]
    assert inside[:3] == [*turns[:2], "enc_1.down.batch_norm_1"]
    assert inside[6:] == ["enc_3.skip"]
    assert [node.index for node in graph.nodes] == list(range(len(graph.nodes)))
    last = [*graph.root.blocks()][-1]
    assert graph.nodes[last.output].path == "enc_3.skip"
    assert [item.name for item in last.items] == ["skip"]


def test_it_is_the_network_that_a_condition_makes(tmp_path: Path) -> None:
    """The same costs and paths as where `when` leaves the steps out, and the same when resolved."""
    spec = ENCODER + LOOP
    graph = graph_of(tmp_path, spec)
    hand = spec.replace("{width: null}", "{width: null, final: null}")
    hand = hand.replace("- section: down", "- section: down\n        when: $(not final)")
    hand = hand.replace("{width: $width}", "{width: $width, final: $last}")
    other = graph_of(tmp_path, hand)
    assert "final" in hand
    assert [(one.path, one.op, one.inputs) for one in graph.nodes] == [
        (one.path, one.op, one.inputs) for one in other.nodes
    ]
    text = resolved(infer(graph))
    assert "enc_3" in text
    again = graph_of(tmp_path, text.split("width: 16}\n", 1)[1])
    assert paths(again) == paths(graph)


def test_a_skip_that_the_last_turn_alone_leaves_unused_is_none_of_its_outputs(
    tmp_path: Path,
) -> None:
    spec = ENCODER.replace("name: skip", "name: body\n      - relu:\n        name: skip")
    spec = spec.replace("- section: down", "- section: down\n        from: body")
    ends = (
        "layers:\n  - repeat: 2\n    layers:\n      - {block: encoder, name: enc, with: {width: 4}}"
    )
    graph = graph_of(
        tmp_path, f"{spec}{ends}\n  - upsample: 4\n  - concat:\n    from: [in, enc_1.skip]\n"
    )
    first, last = graph.root.blocks()
    assert list(first.outputs) == ["skip"]
    assert not last.outputs
    assert "enc_2.skip" not in paths(graph)


def test_a_loop_inside_of_a_block_with_outputs(tmp_path: Path) -> None:
    spec = """blocks:
  backbone:
    outputs: [skip_*]
    layers:
      - for: {width: [4, 8]}
        layers:
          - conv: {filters: $width, kernel_size: 3, padding: 1}
            name: skip
          - add: [[], [conv: {filters: $width, kernel_size: 1}]]
          - max_pool: 2
layers:
  - {block: backbone, name: body}
  - upsample: 2
    from: body.skip_2
  - concat:
    from: [in, body.skip_1]
"""
    graph = graph_of(tmp_path, spec)
    assert [path for path in paths(graph) if path.startswith("body.")][-1] == "body.skip_2"
    assert unused(tmp_path, spec.replace("[4, 8]", "[4, 8, 8]"))  # in the turn before the last


def test_elsewhere_it_is_an_error(tmp_path: Path) -> None:
    """Where nothing of the last turn is used, as where the names of turns are mixed up; and where
    no block with `outputs` is around."""
    mixed_up = LOOP.replace("- upsample: 2\n    from: enc_3.skip", "- relu:\n    from: enc_2.skip")
    assert "`enc_3.skip`" in unused(tmp_path, ENCODER + mixed_up)[0]
    loop = """layers:
  - repeat: 2
    layers:
      - conv: {filters: 4, kernel_size: 1}
        name: skip
      - avg_pool: 2
  - relu:
    from: skip_2
"""
    assert unused(tmp_path, loop) == ["no output uses the step `avg_pool_2`"]


def test_views_are_no_errors(tmp_path: Path) -> None:
    layers = "layers:\n  - conv: {filters: 2, kernel_size: 1}\n    name: a\n  - flatten\n"
    graph = graph_of(tmp_path, f"{layers}  - relu:\n    from: a\n")
    assert paths(graph) == ["a", "relu_1"]
    assert unused(tmp_path, f"{layers}  - dense: 2\n  - relu:\n    from: a\n")


SHARED = """layers:
  - for: {width: [4, 8]}
    layers:
      - {block: encoder, name: left, with: {width: $width}}
  - for: {width: [4, 8]}
    layers:
      - block: encoder
        name: right
        with: {width: $width}
        from: $("input" if first else "right_1")
        weights: left_$(index + 1)
  - concat:
    from: [left_2.skip, right_2.skip]
"""


def test_instances_that_share_variables_leave_out_the_same(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, ENCODER + SHARED)
    ends = [path for path in paths(graph) if path.startswith(("left_2", "right_2"))]
    assert ends == ["left_2.skip", "right_2.skip"]
    owner = {node.path: node.weights for node in graph.nodes}
    assert graph.nodes[owner["right_2.skip"]].path == "left_2.skip"
    one = SHARED.replace("[left_2.skip, right_2.skip]", "[left_2.skip, up]")
    one = one.replace("  - concat:", "  - upsample: 2\n    name: up\n  - concat:")
    for first, second in (("left", "right"), ("right", "left")):
        used = one.replace("name: up", f"name: up\n    from: {first}_2")
        used = used.replace("[left_2.skip, up]", f"[{second}_2.skip, up]")
        assert unused(tmp_path, ENCODER + used)


def test_a_step_whose_variables_another_one_uses_is_not_left_out(tmp_path: Path) -> None:
    spec = """blocks:
  encoder:
    outputs: [side]
    layers:
      - conv: {filters: 4, kernel_size: 1}
        name: side
      - conv: {filters: 4, kernel_size: 1}
        from: input
        weights: side
layers:
  - repeat: 2
    layers:
      - {block: encoder, name: enc}
  - concat:
    from: [in, enc_1.side]
"""
    assert unused(tmp_path, spec) == ["no output uses the step `enc_2.side`"]
    without = spec.replace("        weights: side\n", "")
    assert "enc_2.side" not in paths(graph_of(tmp_path, without))
