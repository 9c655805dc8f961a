"""What the command line answers where a word is wrong or missing, and to short forms."""

from __future__ import annotations

from pathlib import Path

import pytest

from archc import __version__, cli
from archc.language.expressions.functions import FUNCTIONS
from archc.language.reference import terms

Capture = pytest.CaptureFixture[str]
SPEC = "archc: 1\nname: NAME\ninput: {features: 3}\nlayers: [dense: 4]\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with specs."""
    monkeypatch.chdir(tmp_path)
    specs = tmp_path / "specs"
    (specs / "deep").mkdir(parents=True)
    for name in ("tiny", "little"):
        (specs / f"{name}.yaml").write_text(SPEC.replace("NAME", name))
    (specs / "deep" / "small.yml").write_text(SPEC.replace("NAME", "small"))
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("reprot", 'did you mean "report"?'),
        ("validat", 'did you mean "validate"?'),
        ("compare", 'did you mean "diff"?'),
        ("summary", 'did you mean "report"?'),
        ("specs/tiny.yaml", "a command comes first: archc report specs/tiny.yaml"),
    ],
)
def test_a_command_written_nearly_so(capsys: Capture, typed: str, hint: str) -> None:
    assert cli.main([typed]) == 2
    output, complaints = capsys.readouterr()
    assert output == ""
    assert complaints.endswith(f"Error: no command {typed!r}; {hint}\n")


def test_a_command_like_none(capsys: Capture) -> None:
    assert cli.main(["frobnicate"]) == 2
    assert capsys.readouterr().err.endswith("Error: no command 'frobnicate'\n")


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("specs/tiny.yml", 'did you mean "specs/tiny.yaml"?'),
        ("specs/deep/small.yaml", 'did you mean "specs/deep/small.yml"?'),
        ("spec/tiny.yaml", 'did you mean "specs/tiny.yaml"?'),
        ("tiny.yaml", 'did you mean "specs/tiny.yaml"?'),
        ("specs/litle.yaml", 'did you mean "specs/little.yaml"?'),
        ("spec/lenet5.yaml", 'did you mean "lenet5"?'),
        ("lenet5.yml", 'did you mean "lenet5"?'),
        ("resnet_18", 'did you mean "resnet18"?'),
    ],
)
def test_a_file_written_nearly_so(capsys: Capture, typed: str, hint: str) -> None:
    assert cli.main(["report", typed]) == 2
    assert f"hint: {hint}" in capsys.readouterr().err


def test_a_folder_means_all_specs_in_it(capsys: Capture, folder: Path) -> None:
    assert cli.main(["validate", "specs/"]) == 0
    names = [line.split(":")[0] for line in capsys.readouterr().err.splitlines()]
    assert names == ["specs/deep/small.yml", "specs/little.yaml", "specs/tiny.yaml"]
    assert cli.main(["build", "specs", "--backend", "torch"]) == 0
    assert len(list((folder / "generated" / "torch").iterdir())) == 3


def test_a_folder_without_specs(capsys: Capture, folder: Path) -> None:
    (folder / "empty").mkdir()
    assert cli.main(["validate", "empty"]) == 2
    assert "there are no specs in empty" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["report"], ["weights"], ["weights", "convert"]])
def test_short_help(capsys: Capture, command: list[str]) -> None:
    assert cli.main([*command, "-h"]) == 0
    short = capsys.readouterr().out
    assert short.startswith("Usage: archc")
    assert cli.main([*command, "--help"]) == 0
    assert capsys.readouterr().out == short


def test_short_version(capsys: Capture) -> None:
    assert cli.main(["-V"]) == 0
    assert capsys.readouterr().out == f"archc, version {__version__}\n"


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("repeat", "repeat `layers` this many times in a row"),
        ("extends", "another spec that this one modifies"),
        ("round_to", "$(round_to(x, multiple))"),
        ("for", "a mapping of names to lists of equal length"),
    ],
)
def test_ops_knows_the_language(capsys: Capture, word: str, says: str) -> None:
    assert cli.main(["ops", word]) == 0
    output = capsys.readouterr().out
    assert output.startswith(f"{word}: ")
    assert says in " ".join(output.split())
    assert max(map(len, output.splitlines())) <= 80


def test_every_word_has_a_text() -> None:
    words = terms()
    assert set(FUNCTIONS) <= set(words)
    assert all(term.doc and term.form for term in words.values())


def test_a_word_written_nearly_so(capsys: Capture) -> None:
    assert cli.main(["ops", "repeet"]) == 2
    assert 'did you mean "repeat"?' in capsys.readouterr().err


@pytest.mark.parametrize(("columns", "dropped"), [(80, False), (40, True)])
def test_a_list_says_which_columns_it_lacks(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, columns: int, dropped: bool
) -> None:
    monkeypatch.setattr(cli.streams, "terminal_width", lambda: columns)
    assert cli.main(["list", "--installed"]) == 0
    output = capsys.readouterr().out
    assert ("(not in 40 columns: title)" in output) == dropped
    assert max(map(len, output.splitlines())) <= 80
