"""Golden tests of the output of `archc diff`.

After a deliberate change, `ARCHC_UPDATE=1 pytest tests/difference/test_outputs.py` rewrites the
golden files; then review their diff.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from archc import cli
from archc.cli import streams
from archc.reports.difference_markdown import MOST_ROWS, comment
from tests.difference.networks import compared

SPECS = Path(__file__).parents[2] / "specs"
GOLDENS = Path(__file__).parent / "goldens"
CASES: dict[str, tuple[list[str], int | None]] = {
    "vgg.txt": (["vgg16.yaml", "vgg19.yaml"], None),
    "vgg.md": (["vgg16.yaml", "vgg19.yaml", "--format", "markdown"], None),
    "vgg_back.txt": (["vgg19.yaml", "vgg16.yaml", "--all"], 100),
    "alexnet.txt": (["alexnet.yaml", "alexnet_torchvision.yaml"], None),
    "alexnet_80.txt": (["alexnet.yaml", "alexnet_torchvision.yaml"], 80),
    "alexnet.md": (["alexnet.yaml", "alexnet_torchvision.yaml", "--format", "markdown"], None),
    "alexnet.json": (["alexnet.yaml", "alexnet_torchvision.yaml", "--format", "json"], None),
    "lenet5.txt": (["lenet5.yaml", "lenet5_1998.yaml"], 80),
    "resnet.txt": (["resnet18.yaml", "resnet50.yaml"], 120),
    "resnet_blocks_80.txt": (["resnet18.yaml", "resnet34.yaml"], 80),
    "resnet_depth_60.txt": (["resnet18.yaml", "resnet34.yaml", "--depth", "1"], 60),
    "vgg_bn_80.txt": (["vgg16.yaml", "vgg16_bn.yaml"], 80),
    "vgg_bn.md": (["vgg16.yaml", "vgg16_bn.yaml", "--format", "markdown"], None),
    "same.md": (["vgg16.yaml", "vgg16.yaml", "--format", "markdown"], None),
}


@pytest.mark.parametrize("name", CASES)
def test_output(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, width = CASES[name]
    monkeypatch.chdir(SPECS)
    for variable in ("NO_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(streams, "terminal_width", lambda: width)
    assert cli.main(["diff", *arguments]) == 0
    output, complaints = capsys.readouterr()
    assert complaints == ""
    golden = GOLDENS / name
    if os.environ.get("ARCHC_UPDATE"):
        golden.write_text(output, encoding="utf-8")
    assert output == golden.read_text(encoding="utf-8")


def test_no_golden_file_is_left_over() -> None:
    assert sorted(path.name for path in GOLDENS.iterdir()) == sorted(CASES)


def test_a_comment_stays_below_what_a_forge_takes() -> None:
    steps = [
        {"conv": {"filters": 8 + index, "kernel_size": 1}, "name": f"{'n' * 40}{index}"}
        for index in range(400)
    ]
    result = compared("  - relu\n", "".join(f"  - {json.dumps(step)}\n" for step in steps))
    output = comment(result)
    assert len(output) < 65_536
    assert output.count("\n| added |") == MOST_ROWS - 1
    assert f"and {401 - MOST_ROWS} more rows" in output


def test_a_comment_holds_text_alone() -> None:
    steps = "  - conv: {filters: 3, kernel_size: 1, padding: SIZES}\n"
    output = comment(compared(steps.replace("SIZES", "1"), steps.replace("SIZES", "[1, 2]")))
    assert "| padding 1 \u2192 \\[1, 2\\], output " in output
