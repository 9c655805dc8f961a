"""`archc list`: specs and their figures."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from archc import cli
from archc.api import load

SPECS = Path(__file__).parents[2] / "specs"


def small(name: str, title: str, units: int) -> str:
    head = f"archc: 1\nname: {name}\ntitle: {title}\n"
    return head + "input: {features: 4}\n" + f"layers: [dense: {units}]\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with three specs, one of them in a subfolder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "specs" / "more").mkdir(parents=True)
    for path, name, units in (
        ("specs/b.yaml", "small", 2),
        ("specs/a.yaml", "large", 30),
        ("specs/more/c.yaml", "medium", 10),
    ):
        (tmp_path / path).write_text(small(name, f"The {name} one", units))
    return tmp_path


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert cli.main(["list", *arguments, "--format", "json"]) == 0
    specs: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["specs"]
    return specs


def test_all_specs_below_the_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list"]) == 0
    assert (
        capsys.readouterr().out
        == """\
spec               params  MACs  input  title
-----------------  ------  ----  -----  --------------
a                     150   120  4      The large one
specs/more/c.yaml      50    40  4      The medium one
b                      10     8  4      The small one
"""
    )


def catalogued(name: str, family: str, year: int, task: str) -> str:
    text = small(name, f"The {name}", 2)
    return f"{text}family: {family}\nyear: {year}\ntask: {task}\n"


@pytest.fixture
def catalog(folder: Path) -> Path:
    for path in folder.glob("specs/*.yaml"):
        path.unlink()
    (folder / "specs/more/c.yaml").unlink()
    for number, family, year, task in (
        (10, "VGG", 2015, "image classification"),
        (9, "ResNet", 2016, "image classification"),
        (8, "VGG", 2014, "segmentation"),
    ):
        text = catalogued(f"net{number}", family, year, task)
        (folder / f"specs/net{number}.yaml").write_text(text)
    return folder


def test_a_table_for_each_task(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list"]) == 0
    assert (
        capsys.readouterr().out
        == """\
image classification
spec   family  year  params  MACs  input  title
-----  ------  ----  ------  ----  -----  ---------
net9   ResNet  2016      10     8  4      The net9
net10  VGG     2015      10     8  4      The net10

segmentation
spec   family  year  params  MACs  input  title
-----  ------  ----  ------  ----  -----  ---------
net8   VGG     2014      10     8  4      The net8
"""
    )


def test_inputs_of_one_size_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", "siamese", "whisper_tiny", "efficientnet_b0"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert rows["siamese"].endswith(" 2 of 1\u00d7105\u00d7105")
    assert rows["whisper_tiny"].endswith(" 80\u00d73000, 448")
    assert " EfficientNet " in rows["efficientnet_b0"]
    assert max(map(len, rows.values())) <= 80


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--family", "vgg"], ["net8", "net10"]),
        (["--family", "VGG", "--task", "Segmentation"], ["net8"]),
        (["--year", "2016"], ["net9"]),
        (["--sort", "year"], ["net8", "net10", "net9"]),
        (["--sort", "family"], ["net9", "net8", "net10"]),
        (["net?"], ["net8", "net9"]),
    ],
)
def test_filters_and_orders(
    catalog: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], names: list[str]
) -> None:
    specs = listed(capsys, *arguments)
    assert [spec["name"] for spec in specs] == names
    assert specs[0].keys() >= {"family", "year", "task", "inputs"}


def test_a_filter_without_a_match_is_an_error(
    catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["list", "--family", "resnot"]) == 2
    message = capsys.readouterr().err
    assert 'did you mean "ResNet"?; --installed' in message
    assert cli.main(["list", "--year", "1066"]) == 2
    assert "known: 2014, 2015, 2016" in capsys.readouterr().err


def test_the_installed_specs_fit_80_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["list", "*net50*", "lraspp*", "r?d_18"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("resnet50 ") and " 25.6 M  4.09 G" in line for line in lines)


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("name", ["large", "medium", "small"]),
        ("params", ["large", "medium", "small"]),
        ("macs", ["large", "medium", "small"]),
    ],
)
def test_sorting(
    folder: Path, capsys: pytest.CaptureFixture[str], key: str, names: list[str]
) -> None:
    # The orders by parameters and by MACs differ from that by name.
    (folder / "specs" / "b.yaml").write_text(small("zero", "z", 99))
    names = ["zero", "large", "medium"] if key != "name" else ["large", "medium", "zero"]
    assert [spec["name"] for spec in listed(capsys, "--sort", key)] == names


def test_globs_folders_and_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def paths(*arguments: str) -> set[str]:
        return {spec["path"] for spec in listed(capsys, *arguments)}

    assert paths("specs/*.yaml") == {"specs/a.yaml", "specs/b.yaml"}
    assert paths("specs/**/c.yaml") == {"specs/more/c.yaml"}
    assert paths("specs/more", "specs/a.yaml", "./specs/a.yaml") == {
        "specs/more/c.yaml",
        "specs/a.yaml",
    }


def test_figures_are_those_of_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(SPECS / f"{name}.yaml") for name in ("alexnet", "resnet18", "vgg11_bn")]
    specs = listed(capsys, *paths)
    assert [spec["path"] for spec in specs] == paths
    for spec in specs:
        report = load(spec["path"], {}).report()
        assert spec == {
            "spec": spec["spec"],
            "path": spec["path"],
            "name": report["name"],
            "title": report["title"],
            "family": report["family"],
            "year": report["year"],
            "task": report["task"],
            "params": report["totals"]["params"],
            "macs": report["totals"]["macs"],
            "layers": len(report["layers"]),
            "inputs": [list(axes.values()) for axes in report["inputs"].values()],
            "outputs": [list(axes.values()) for axes in report["outputs"].values()],
            "errors": 0,
        }


def test_a_invalid_spec_is_listed_with_its_errors(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "specs" / "0.yaml").write_text("archc: 1\nname: invalid\nlayer: []\nlayers: [rel]\n")
    (folder / "specs" / "1.yaml").write_bytes(b"\xff\x00")
    assert cli.main(["list", "--sort", "params"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == [
        "specs/0.yaml: 3 errors, see `archc validate`",
        "specs/1.yaml: 1 error, see `archc validate`",
    ]
    assert cli.main(["list", "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["specs"][3] == {"path": "specs/0.yaml", "errors": 3}


def test_no_folder_and_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["list", "nothing*.yaml"]) == 2
    assert "nothing*.yaml: no such file" in capsys.readouterr().err
    assert cli.main(["list", "resnet5"]) == 2
    assert 'did you mean "resnet' in capsys.readouterr().err
    assert cli.main(["list", "--installed", "resnet50"]) == 2
    (tmp_path / "empty [1]").mkdir()
    assert cli.main(["list", "empty [1]"]) == 2
    assert "there are no specs in empty [1]" in capsys.readouterr().err
    assert cli.main(["list", ""]) == 2
    assert "'': no such file" in capsys.readouterr().err


def test_titles_give_way_on_a_narrow_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    title = "A title that is far too long for a terminal of eighty columns, and longer still"
    (folder / "specs" / "a.yaml").write_text(small("large", title, 30))
    monkeypatch.setattr(cli.streams, "terminal_width", lambda: 80)
    assert cli.main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "A title that is far too long" in lines[2]
    assert lines[2].endswith("\u2026")


def test_a_title_does_not_widen_every_line_without_end(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    title = f'"of two\\nlines {"x" * 9000}"'
    (folder / "specs" / "a.yaml").write_text(small("large", title, 30))
    assert cli.main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) < 200
    assert "of two lines xxx" in lines[2]


def test_control_characters_of_a_path_are_printed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.rename(folder / "specs/a.yaml", folder / "specs/a\x1b[31m.yaml")
    assert cli.main(["list"]) == 0
    assert "\x1b" not in capsys.readouterr().out
