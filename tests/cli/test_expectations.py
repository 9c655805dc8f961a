"""`archc validate --update-expect`, and bounds under `expect`."""

from __future__ import annotations

from pathlib import Path

import pytest

from archc import cli

Capture = pytest.CaptureFixture[str]
SPEC = """\
archc: 1
name: tiny   # a comment
input: {channels: 1, height: 8, width: 8}
layers:
  - conv: {filters: 4, kernel_size: 3}
    name: first
  - flatten
  - dense: 10
expect:
  params: PARAMS   # as published
  macs:    MACS
  output:
    features: OUT   # classes
  layers: {first: {params: FIRST, output: {channels: 4, height: 6, width: 6}}}   # inline
"""
# 4 kernels of 3 x 3 and 4 biases; 4 x 6 x 6 inputs and a bias for each of 10 units.
RIGHT = {"PARAMS": 1490, "MACS": 2736, "OUT": 10, "FIRST": 40}
WRONG = {"PARAMS": 1, "MACS": 1234567, "OUT": 11, "FIRST": 41}


def text(figures: dict[str, int], template: str = SPEC) -> str:
    for name, figure in figures.items():
        template = template.replace(name, str(figure))
    return template


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "tiny.yaml"


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_figures_alone_are_written(path: Path, capsys: Capture, ends: str, mark: str) -> None:
    path.write_bytes((mark + text(WRONG).replace("\n", ends)).encode())
    assert cli.main(["validate", "tiny.yaml"]) == 1
    assert cli.main(["validate", "--update-expect", "tiny.yaml"]) == 0
    assert path.read_bytes() == (mark + text(RIGHT).replace("\n", ends)).encode()
    messages = capsys.readouterr().err.splitlines()
    assert messages[-5:] == [
        "tiny.yaml:10: 1 \u2192 1490",
        "tiny.yaml:11: 1234567 \u2192 2736",
        "tiny.yaml:13: 11 \u2192 10",
        "tiny.yaml:14: 41 \u2192 40",
        "tiny.yaml: valid, 1,490 parameters, 2,736 MACs",
    ]
    before = path.stat()
    assert cli.main(["validate", "--update-expect", "tiny.yaml"]) == 0
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_what_is_no_figure_stays_and_is_told(path: Path, capsys: Capture) -> None:
    template = SPEC.replace("  params: PARAMS", "  params: {max: 1000}")
    template = template.replace("features: OUT", "features: $(5 + 4)")
    path.write_text(text(WRONG, template))
    assert cli.main(["validate", "--update-expect", "tiny.yaml"]) == 1
    assert path.read_text() == text(RIGHT, template)
    output = capsys.readouterr().out
    assert "ARC503 params is 1,490, above the most allowed, 1,000 (+490)" in output
    assert "ARC501 output is features 10, expected features 9" in output


def test_a_parent_is_not_written(path: Path) -> None:
    path.write_text(text(RIGHT))
    child = path.with_name("child.yaml")
    child.write_text("archc: 1\nname: child\nextends: tiny.yaml\nexpect: {params: 5}\n")
    assert cli.main(["validate", "--update-expect", "child.yaml"]) == 0
    assert child.read_text().endswith("expect: {params: 1490}\n")
    child.write_text(child.read_text() + "layers: [flatten, dense: 10]\n")
    assert cli.main(["validate", "--update-expect", "child.yaml"]) == 1
    assert "expect: {params: 650}\n" in child.read_text()
    assert path.read_text() == text(RIGHT)


@pytest.mark.parametrize("content", ["not a spec", text(WRONG).replace("dense: 10", "dense: ten")])
def test_an_invalid_spec_stays(path: Path, content: str) -> None:
    path.write_text(content)
    assert cli.main(["validate", "--update-expect", "tiny.yaml"]) == 1
    assert path.read_text() == content


def test_links_and_standard_input_are_not_written(path: Path, capsys: Capture) -> None:
    path.write_text(text(WRONG))
    link = path.with_name("link.yaml")
    link.symlink_to(path)
    assert cli.main(["validate", "--update-expect", "link.yaml"]) == 2
    assert path.read_text() == text(WRONG)
    assert cli.main(["validate", "--update-expect", "-"]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        ("{max: 1490}", None),
        ("{min: 1490}", None),
        ("{min: 1, max: 2000}", None),
        ("{max: 1489}", "params is 1,490, above the most allowed, 1,489 (+1)"),
        ("{min: 1491}", "params is 1,490, below the least allowed, 1,491 (-1)"),
        ("{}", "ARC2"),
        ("{least: 5}", "ARC2"),
        ("{max: -1}", "ARC2"),
        ("[1490]", "`params` must be a whole number"),
    ],
)
def test_bounds(path: Path, capsys: Capture, bounds: str, told: str | None) -> None:
    path.write_text(text(RIGHT, SPEC.replace("  params: PARAMS", f"  params: {bounds}")))
    assert cli.main(["validate", "tiny.yaml"]) == (0 if told is None else 1)
    output = capsys.readouterr().out
    assert output == "" if told is None else told in output


def test_bounds_of_a_step(path: Path, capsys: Capture) -> None:
    path.write_text(text(RIGHT, SPEC.replace("{params: FIRST,", "{params: {max: 39},")))
    assert cli.main(["validate", "tiny.yaml"]) == 1
    assert "params of first is 40, above the most allowed, 39 (+1)" in capsys.readouterr().out
