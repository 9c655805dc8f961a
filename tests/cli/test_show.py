"""`archc show`: the output is a valid spec of the same network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from archc import cli, ops
from archc.diagnostics import SourceText, SpecError
from archc.diagnostics.characters import has_command
from archc.ir.costs import Costs
from archc.ir.graph import Graph, Node, Region
from archc.language.reader import parse
from archc.ops.activation import LeakyRelu
from archc.ops.fields import fields_of
from archc.reports.resolved import UnwritableError, resolved
from archc.spec import read_source, read_spec
from tests.backends.networks import STRUCTURES
from tests.backends.ops import cases

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "specs").glob("*.yaml"), *(ROOT / "tests/regressions").glob("*.yaml")])
IMAGE = "archc: 1\nname: net\ninput: {channels: 4, height: 8, width: 8}\n"


def built(text: str) -> Costs:
    """The costed graph of a spec's text."""
    return read_source(SourceText("spec.yaml", text), ".", "spec.yaml").checked()


def contents(graph: Graph) -> list[object]:
    """Everything that is equal for the same network with the same names."""
    facts: list[object] = [graph.about.name, graph.about.class_name, graph.about.title]
    facts += [graph.about.references, graph.inputs, graph.outputs]
    items: list[Node | Region] = [graph.root]
    for item in items:
        if isinstance(item, Region):
            facts.append((item.path, item.input, item.output))
            items += item.items
        else:
            facts.append((item.path, item.op, item.inputs, item.output))
    return facts


def assert_plain(text: str) -> None:
    """Everything is expanded, except for the identity step that represents a skipped `from`, and
    for blocks whose steps name their input, which have no parameters."""
    document: Any = parse(SourceText("shown", text)).plain()
    assert not document.keys() & {"extends", "params"}
    waiting = list(document["layers"])
    for block in document.get("blocks", {}).values():
        assert "layers" in block.keys() <= {"class", "inputs", "layers", "outputs"}
        names = ["input", *block.get("inputs", ())]
        assert any(f'"{name}"' in json.dumps(block["layers"]) for name in names)
        waiting += block["layers"]
    for step in waiting:
        if isinstance(step, str):
            continue
        assert not step.keys() & {"for", "when", "with"}
        if "repeat" in step:
            assert step["repeat"] == 0
        waiting += step.get("layers", [])
        for value in step.values():
            if isinstance(value, list) and value and isinstance(value[0], list):
                waiting += [inner for branch in value for inner in branch if not _is_number(inner)]
    assert "$" not in json.dumps([document["layers"], document.get("blocks")])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_shipped_specs_stay_the_same_network(path: Path) -> None:
    costs = read_spec(str(path)).checked()
    text = resolved(costs)
    assert contents(built(text).graph) == contents(costs.graph)
    assert built(text).totals == costs.totals
    assert_plain(text)


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_structure_stays_the_same_network(name: str) -> None:
    costs = built(STRUCTURES[name])
    text = resolved(costs)
    assert contents(built(text).graph) == contents(costs.graph)
    assert_plain(text)


EMPTY: tuple[Any, ...] = (0, 0.0, False, "", None, [], {}, [0], [0, 0], [[0, 0], [0, 0]], "none")
EMPTY += ({"leaky_relu": 0}, {"leaky_relu": None}, {"elu": {"alpha": 0.0}}, {"constant": 0})


@pytest.mark.parametrize("name", sorted(set(ops.OPS) - ops.MERGES))
def test_fields_that_are_zero_or_empty_are_kept(name: str) -> None:
    shown = 0
    for batch in cases.batches()[name][:2]:
        fields = batch.cases[0].fields
        for field in fields_of(ops.OPS[name]):
            for value in EMPTY:
                shown += _is_shown(batch, {name: {**fields, field.name: value}})
        for value in EMPTY:  # in place of the main field, or of all fields
            shown += _is_shown(batch, {name: value})
    assert shown or name not in ("conv", "crop", "dropout", "elu", "leaky_relu", "pad", "select")


def _is_shown(batch: cases.Batch, step: dict[str, Any]) -> bool:
    """Whether a step on the inputs of a batch is valid; the resolved spec then has it too."""
    (axes,) = batch.inputs
    layers = [*batch.cases[0].after, step]
    body = {"archc": 1, "name": "net", "input": axes.as_dict(), "layers": layers}
    try:
        costs = built(json.dumps(body))
    except SpecError:
        return False
    assert contents(built(resolved(costs)).graph) == contents(costs.graph), step
    return True


@pytest.mark.parametrize("slope", ["", " null", " {}", " {slope: 0.01}", " 0.01"])
def test_an_op_without_a_value_has_its_defaults(slope: str) -> None:
    layers = f"layers:\n  - leaky_relu:{slope}\n  - {{leaky_relu: null, name: named}}\n"
    first, second = built(IMAGE + layers).graph.layers
    assert first.op == second.op == LeakyRelu(slope=0.01)
    assert "\n  - leaky_relu\n" in resolved(built(IMAGE + layers))


ODD = {
    "a number that a step left out keeps": """
layers:
  - conv: {filters: 4, kernel_size: 1}
    when: false
  - conv: {filters: 4, kernel_size: 1}
  - conv: {filters: 4, kernel_size: 1}
""",
    "a step left out after its from": """
layers:
  - relu
  - tanh
  - relu:
    from: relu_1
    when: false
  - add:
    from: [relu_1, tanh_1]
""",
    "a branch that ends elsewhere": """
layers:
  - relu
  - add:
      - - tanh:
          name: aside
        - sigmoid:
          from: relu_1
          when: false
      - - gelu
  - add:
    from: [add_1, aside]
""",
    "an instance that does nothing": """
blocks:
  maybe:
    params: {there: null}
    layers:
      - relu:
        when: $there
layers:
  - {block: maybe, with: {there: false}}
  - relu
  - {block: maybe, with: {there: true}}
""",
    "what comes in under a name that hides it": """
layers:
  - relu
  - section: inner
    layers:
      - add:
          - - relu
          - []
      - tanh
""",
    "names with the position of repetitions": """
layers:
  - repeat: 2
    layers:
      - relu
      - repeat: 2
        layers:
          - tanh:
            name: inner
          - add:
              - []
              - - gelu:
                  from: inner
            name: total
""",
    "a block named like an op": """
blocks:
  relu:
    layers: [tanh]
layers:
  - block: relu
  - relu
  - block: relu
""",
    "merges within merges": """
layers:
  - concat:
      - - add:
          - []
          - - concat:
                - - conv: {filters: 2, kernel_size: 1}
                - - conv: {filters: 2, kernel_size: 1}
                  - relu
        - relu
      - - max_pool: {kernel_size: 3, stride: 1, padding: 1}
      - []
    from: input
""",
    "branches that take an earlier step": """
layers:
  - relu
  - tanh
  - add:
      - []
      - - gelu
    from: relu_1
  - add:
    from: [add_1, tanh_1]
""",
    "a step that another one hides": """
layers:
  - section: outer
    layers:
      - relu
      - section: inner
        layers:
          - relu
          - add:
              - []
              - - tanh:
                  from: outer.relu_1
""",
    "a section by its name": """
layers:
  - section: a
    layers: [relu, tanh]
  - gelu
  - add:
    from: [a, a.relu_1, gelu_1]
""",
}


@pytest.mark.parametrize("name", ODD)
def test_odd_networks_stay_the_same(name: str) -> None:
    costs = built(IMAGE + ODD[name])
    text = resolved(costs)
    assert contents(built(text).graph) == contents(costs.graph)
    assert_plain(text)


LONG = "d" * 64

UNWRITABLE = {
    "a name with its position": (2, LONG),
    "a text above 1 MiB": (15000, LONG[:57]),
}


@pytest.mark.parametrize("name", UNWRITABLE)
def test_what_no_spec_can_say_is_rejected(name: str, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "spec.yaml"
    count, step = UNWRITABLE[name]
    layers = [{"repeat": count, "layers": [{"relu": None, "name": step}]}]
    document = {"archc": 1, "name": "net", "input": {"features": 4}, "layers": layers}
    path.write_text(json.dumps(document))
    with pytest.raises(UnwritableError):
        resolved(built(path.read_text()))
    assert cli.main(["show", str(path), "--resolved"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert "cannot be written as one spec" in output.err


def test_the_text_that_people_read(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("""archc: 1
name: net
title: "A: net"
input: {channels: 4, height: 8, width: 8}
params: {widths: [8, 16]}
blocks:
  unit:
    params: {width: null, dropped: 0}
    layers:
      - conv: {filters: $width, kernel_size: 3, padding: same}
      - dropout: $dropped
        when: $(dropped > 0)
      - relu
layers:
  - for: {w: $widths}
    layers:
      - {block: unit, with: {width: $w}}
  - global_avg_pool
expect: {params: 1464}
""")
    assert cli.main(["show", str(path), "--resolved"]) == 0
    assert (
        capsys.readouterr().out
        == """# spec.yaml, resolved
archc: 1
name: net
title: "A: net"
input: {channels: 4, height: 8, width: 8}
layers:
  # block unit with width: 8, dropped: 0
  - section: unit_1
    layers:
      - conv: {filters: 8, kernel_size: 3, padding: same}
      - relu
  # block unit with width: 16, dropped: 0
  - section: unit_2
    layers:
      - conv: {filters: 16, kernel_size: 3, padding: same}
      - relu
  - global_avg_pool
expect: {params: 1464}
"""
    )
    assert cli.main(["show", str(path), "--resolved", "--set", "widths=[8]"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("# spec.yaml, resolved with widths=[8]\n")
    assert "unit_2" not in output
    assert "expect" not in output


def test_without_resolved_a_spec_is_printed_as_written(tmp_path: Path, capsys: Any) -> None:
    parent = "archc: 1\nname: a # here\ninput: {features: 2}\nparams: {n: 3}\nlayers: [dense: $n]\n"
    (tmp_path / "a.yaml").write_text(parent)
    (tmp_path / "b.yaml").write_text("archc: 1\nname: b\nextends: a.yaml\nparams: {n: 5}")
    assert cli.main(["show", str(tmp_path / "a.yaml")]) == 0
    assert capsys.readouterr().out == parent
    assert cli.main(["show", str(tmp_path / "b.yaml")]) == 0
    output = capsys.readouterr().out
    assert parse(SourceText("shown", output)).plain() == {
        "archc": 1,
        "name": "b",
        "input": {"features": 2},
        "params": {"n": 5},
        "layers": [{"dense": "$n"}],
    }
    assert cli.main(["show", str(tmp_path / "a.yaml"), "--set", "n=4"]) == 2


def test_several_inputs() -> None:
    costs = built("""archc: 1
name: net
inputs: {a: {features: 4}, b: {features: 4}}
layers:
  - relu:
    from: b
  - add:
    from: [a, relu_1]
  - section: tail
    from: a
    layers: [tanh]
outputs: [tail, add_1]
""")
    assert contents(built(resolved(costs)).graph) == contents(costs.graph)


def test_token_ids() -> None:
    text = "archc: 1\nname: net\ninput: {tokens: 4, dtype: int32}\n"
    costs = built(text + "layers: [{relu: , when: false}]\n")
    assert contents(built(resolved(costs)).graph) == contents(costs.graph)


NAMES = st.sampled_from(["a", "b", "relu_1", "add_1", "tail", None])
PLAIN = st.sampled_from(["relu", "tanh", "gelu"])


def with_keys(step: dict[str, object], name: str | None, when: object) -> dict[str, object]:
    if name is not None:
        step["name"] = name
    if when is not None:
        step["when"] = when
    return step


WHEN = st.sampled_from([None, None, None, True, False, "$flag"])
OPS = st.builds(lambda op, name, when: with_keys({op: None}, name, when), PLAIN, NAMES, WHEN)
REFERRED = st.sampled_from(["input", "a", "b", "relu_1", "tail", "tail.relu_1", "add_1", "a.b"])
TAKING = st.builds(
    lambda op, source, when: with_keys({op: None, "from": source}, None, when),
    PLAIN,
    REFERRED,
    WHEN,
)


def composed(steps: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    body = st.lists(steps, min_size=1, max_size=3)
    branches = st.lists(st.lists(steps, max_size=2), min_size=2, max_size=3)
    sections = st.sampled_from(["a", "tail", "stage"])
    return (
        st.builds(lambda inner, name: with_keys({"add": inner}, name, None), branches, NAMES)
        | st.builds(lambda name, inner: {"section": name, "layers": inner}, sections, body)
        | st.builds(
            lambda count, inner: {"repeat": count, "layers": inner}, st.integers(0, 3), body
        )
        | st.builds(
            lambda flag, name, when: with_keys(
                {"block": "unit", "with": {"flag": flag}}, name, when
            ),
            st.booleans(),
            NAMES,
            WHEN,
        )
        | st.builds(lambda inner: {"add": inner, "from": "a"}, branches)
    )


STEPS = st.recursive(PLAIN | OPS | TAKING, lambda inner: inner | composed(inner), max_leaves=12)
DOCUMENTS = st.fixed_dictionaries(
    {
        "archc": st.just(1),
        "name": st.just("net"),
        "input": st.just({"channels": 2, "height": 4, "width": 4}),
        "params": st.fixed_dictionaries({"flag": st.booleans()}),
        "blocks": st.fixed_dictionaries(
            {
                "unit": st.fixed_dictionaries(
                    {
                        "params": st.just({"flag": None}),
                        "layers": st.lists(
                            PLAIN
                            | OPS
                            | composed(PLAIN | OPS).filter(lambda step: "block" not in step),
                            min_size=1,
                            max_size=3,
                        ),
                    }
                )
            }
        ),
        "layers": st.lists(STEPS, min_size=1, max_size=6),
    }
)


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
    deadline=None,
)
@given(DOCUMENTS)
def test_random_specs_stay_the_same_network(document: dict[str, object]) -> None:
    try:
        costs = built(json.dumps(document))
    except SpecError:
        assume(False)
    text = resolved(costs)
    assert contents(built(text).graph) == contents(costs.graph)
    assert_plain(text)


def test_no_line_of_what_is_shown_is_a_command_to_a_ci_runner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such a spec is written anew; the values are what they were."""
    text = "  ::error file=a::b\n  ##[add-mask]c " + "word ::x:: " * 20
    spec = f"{IMAGE}# ##[error]\ndescription: |\n{text}\nlayers: [relu]\n"
    (tmp_path / "net.yaml").write_text(spec)
    for options in ([], ["--resolved"]):
        assert cli.main(["show", str(tmp_path / "net.yaml"), *options]) == 0
        out = capsys.readouterr().out
        assert not any(has_command(line) for line in out.split("\n"))
    (tmp_path / "net.yaml").write_text(IMAGE + "# a comment\nlayers: [relu]\n")
    cli.main(["show", str(tmp_path / "net.yaml")])
    assert "# a comment" in capsys.readouterr().out
