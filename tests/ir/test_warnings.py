"""Warnings: each where it is sure, none where it may be meant, in all forms of output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archc import cli
from archc.ir.warnings import warnings
from archc.language.reader import decode
from archc.spec import read_source, read_spec

ROOT = Path(__file__).parents[2]
Capture = pytest.CaptureFixture[str]
MAP = "input: {channels: 6, height: 2, width: 2}\n"


def told(text: str) -> list[tuple[str, int]]:
    """The codes and lines of the warnings of a spec without its two first lines."""
    source = decode(f"archc: 1\nname: net\n{text}".encode(), "spec.yaml")
    spec = read_source(source, "/nowhere", "/nowhere/spec.yaml")
    return [(one.code, one.span.line) for one in warnings(spec.merged, spec.checked())]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "specs").rglob("*.yaml")), ids=lambda path: path.stem
)
def test_the_shipped_specs_have_none(path: Path) -> None:
    spec = read_spec(str(path))
    assert warnings(spec.merged, spec.build()) == ()


def test_unused_parameters() -> None:
    text = MAP + "params: {classes: 10, depth: 2}\nlayers:\n  - flatten\n  - dense: LAST\n"
    assert told(text.replace("LAST", "$(5 * depth)")) == [("ARC901", 4)]
    assert told(text.replace("LAST", "$(depth * classes)")) == []
    expected = "10\nexpect: {output: {features: $(classes + 0 * depth)}}"
    assert told(text.replace("LAST", expected)) == []


def test_unused_parameters_of_blocks() -> None:
    block = "blocks:\n  unit:\n    params: {width: 4, act: relu}\n    layers: BODY\n"
    text = MAP + block + "layers:\n  - block: unit\n"
    conv = "[conv: {filters: $width, kernel_size: 1, padding: same}]"
    assert told(text.replace("BODY", conv)) == [("ARC901", 6)]
    assert told(text.replace("BODY", f"{conv[:-1]}, activation: $act]")) == []


def test_what_is_handed_on_is_used() -> None:
    assert (
        told(
            MAP + "blocks:\n  inner:\n    params: {width: 4}\n"
            "    layers: [conv: {filters: $width, kernel_size: 1}]\n"
            "  outer:\n    params: {width: 4}\n    layers: [{block: inner, with: same}]\n"
            "layers:\n  - block: outer\n"
        )
        == []
    )


def test_unused_blocks() -> None:
    blocks = (
        "blocks:\n  one: {layers: [{block: two}]}\n  two: {layers: [relu]}\n"
        "  three: {layers: [{block: four}]}\n  four: {layers: [tanh]}\n"
    )
    assert told(MAP + blocks + "layers:\n  - block: one\n") == [("ARC902", 7), ("ARC902", 8)]
    assert told(MAP + blocks + "layers: [block: one, block: three]\n") == []


def test_a_child_is_not_told_what_its_parent_has(tmp_path: Path) -> None:
    """VGG with other layers need not use all parameters of the VGG that it extends."""
    parent = "archc: 1\nname: parent\ninput: {features: 3}\nparams: {width: 4}\n"
    (tmp_path / "parent.yaml").write_text(f"{parent}layers: [dense: $width]\n")
    child = "archc: 1\nname: child\nextends: parent.yaml\nlayers: [relu]\n"
    (tmp_path / "child.yaml").write_text(child)
    spec = read_spec(str(tmp_path / "child.yaml"))
    assert warnings(spec.merged, spec.checked()) == ()
    (tmp_path / "child.yaml").write_text(child + "params: {width: 5}\n")
    spec = read_spec(str(tmp_path / "child.yaml"))
    assert [one.code for one in warnings(spec.merged, spec.checked())] == ["ARC901"]


CONV = "  - conv: {filters: 4, kernel_size: 1, activation: relu}\n"


@pytest.mark.parametrize(
    ("steps", "lines"),
    [
        (f"{CONV}  - relu\n", [6]),
        ("  - tanh\n  - tanh\n", [6]),
        (f"{CONV}  - tanh\n", []),
        (f"{CONV}  - dropout: 0.5\n  - relu\n", []),
        ("  - leaky_relu: {slope: 0.1}\n  - leaky_relu: {slope: 0.2}\n", []),
        (f"  - repeat: 3\n    layers:\n    {CONV}      - relu\n", [8]),
    ],
)
def test_an_activation_twice_in_a_row(steps: str, lines: list[int]) -> None:
    assert told(f"{MAP}layers:\n{steps}") == [("ARC903", line) for line in lines]


def test_steps_that_are_never_there() -> None:
    text = MAP + "params: {on: false}\nlayers:\n  - relu\n  - tanh:\n    when: WHEN\n"
    assert told(text.replace("WHEN", "$on")) == []
    assert told(text.replace("params: {on: false}\n", "").replace("WHEN", "false")) == [
        ("ARC904", 7)
    ]
    assert told(MAP + "layers:\n  - relu\n  - repeat: 0\n    layers: [tanh]\n") == [("ARC904", 6)]


@pytest.mark.parametrize(
    ("optimizer", "wrong"),
    [
        ("{adam: {learning_rate: 1.0}}", True),
        ("{adam: {learning_rate: 0.1}}", False),
        ("{adamw: {learning_rate: 0.6}}", True),
        ("{sgd: {learning_rate: 29.0}}", False),  # LARS; You, Gitman, Ginsburg 2017
        ("{sgd: {learning_rate: 100.0}}", True),
        ("{rmsprop: {learning_rate: 0.256}}", False),  # Tan and Le 2019
    ],
)
def test_learning_rates(optimizer: str, wrong: bool) -> None:
    text = f"{MAP}layers: [flatten, dense: 2]\ntraining:\n  epochs: 1\n  batch_size: 8\n"
    assert told(f"{text}  optimizer: {optimizer}\n") == [("ARC905", 8)] * wrong


@pytest.fixture
def twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The path of a spec with a warning."""
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    steps = "layers:\n  - dense: {units: 8, activation: relu}\n  - relu\n"
    text = f"archc: 1\nname: twice\ninput: {{features: 6}}\n{steps}"
    (tmp_path / "twice.yaml").write_text(text)
    return "twice.yaml"


def test_warnings_leave_a_spec_valid(twice: str, capsys: Capture) -> None:
    assert cli.main(["validate", twice]) == 0
    output, messages = capsys.readouterr()
    assert output == (
        "twice.yaml:6:5: ARC903 warning: `relu_1` is relu of what is relu already\n"
        "  6 |   - relu\n"
        "          ^^^^\n"
        "  hint: remove one of the two\n"
    )
    # 6 x 8 weights and 8 biases.
    assert messages == "twice.yaml: valid, 56 parameters, 48 MACs\n"
    assert cli.main(["validate", "--strict", twice]) == 1


@pytest.mark.parametrize("strict", [False, True])
def test_warnings_for_programs(twice: str, capsys: Capture, strict: bool) -> None:
    options = ["--strict"] * strict
    outputs = {}
    for form in ("concise", "json", "github", "sarif"):
        assert cli.main(["validate", twice, "--format", form, *options]) == int(strict)
        outputs[form] = capsys.readouterr().out
    assert outputs["concise"].startswith("twice.yaml:6:5: ARC903 warning: ")
    document = json.loads(outputs["json"])
    assert document["valid"] is True
    assert [one["severity"] for one in document["findings"]] == ["warning"]
    assert outputs["github"].startswith("::warning file=twice.yaml,line=6,")
    (result,) = json.loads(outputs["sarif"])["runs"][0]["results"]
    assert (result["level"], result["ruleId"]) == ("warning", "ARC903")


def test_an_invalid_spec_has_errors_alone(twice: str, capsys: Capture) -> None:
    path = Path(twice)
    path.write_text(path.read_text(encoding="utf-8").replace("units: 8", "units: 0"))
    assert cli.main(["validate", twice, "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["valid"] is False
    assert [one["severity"] for one in document["findings"]] == ["error"]


def test_colours_tell_warnings_from_errors(
    twice: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    cli.main(["validate", twice])
    assert "\x1b[33mARC903 warning:\x1b[0m" in capsys.readouterr().out
