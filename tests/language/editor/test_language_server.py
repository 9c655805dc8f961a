"""Specs in an editor: yaml-language-server with the schema that a spec names."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from archc.ops import OPS
from archc.ops.fields import fields_of
from tests.language.editor.client import Editor

ROOT = Path(__file__).parents[3]
SPECS = sorted((ROOT / "specs").glob("*.yaml"))
ERRORS = ROOT / "tests" / "diagnostics" / "errors"
MODELINE = "# yaml-language-server: $schema=../archc/language/schema/archc-1.json\n"
NUMBERS = count()

# The expected diagnostics of some invalid specs, at the same locations as archc's: line and column
# from 1, and a word that the message must contain.
INVALID_SPECS = {
    "top_unknown_keys": [(3, 1, "tittle"), (5, 1, "layer"), (9, 1, "optimizer")],
    "top_version": [(1, 8, "1")],
    "field_missing": [
        (5, 5, "filters"),
        (5, 5, "kernel_size"),
        (6, 5, "kernel_size"),
        (7, 5, "units"),
        (8, 16, "integer"),
    ],
    "field_rate": [(6, 14, "maximum"), (7, 21, "minimum"), (8, 16, "number")],
    "field_boolean": [(6, 46, "boolean"), (7, 26, "boolean")],
    "field_choice": [(6, 29, "reflect"), (7, 32, "nearest"), (8, 25, "string"), (8, 25, "tanh")],
    "input_misspelt_axis": [(3, 34, "widht")],
    "outputs_kind": [(4, 10, "array")],
    "section_misspelt_layers": [(6, 5, "layer"), (9, 5, "form")],
}


@pytest.fixture
def write() -> Path:
    """The path of a spec that is in the editor alone; another one each time, because the server
    clears a file's diagnostics some time after it is closed."""
    return ROOT / "specs" / f"never_written_{next(NUMBERS)}.yaml"


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.stem)
def test_no_error_is_printed_in_a_shipped_spec(editor: Editor, spec: Path) -> None:
    assert editor.open(spec) == []


@pytest.mark.parametrize("name", INVALID_SPECS)
def test_errors_are_printed_where_they_are(editor: Editor, write: Path, name: str) -> None:
    # The modeline shifts every line by one, as counting from 0 shifts it back.
    diagnostics = editor.open(
        write, MODELINE + (ERRORS / f"{name}.yaml").read_text(encoding="utf-8")
    )
    locations = [
        (start["line"], start["character"] + 1, item["message"])
        for item in diagnostics
        for start in [item["range"]["start"]]
    ]
    expected = INVALID_SPECS[name]
    assert len(locations) == len(expected)
    for line, column, word in expected:
        assert any(
            location[:2] == (line, column) and word in location[2] for location in locations
        ), locations


@pytest.fixture
def drafted(editor: Editor, write: Path) -> tuple[Path, int]:
    """A spec whose last line is about to be written, and the number of that line."""
    text = (
        MODELINE
        + """archc: 1
name: draft
input: {channels: 3, height: 8, width: 8}
layers:
  - conv: {filters: 3, kernel_size: 3, st}
  - max_pool: 2
  - conv:
      filters: 8
      """
    )
    editor.open(write, text)
    return write, text.count("\n")


def test_every_op_is_completed_with_its_documentation(editor: Editor, write: Path) -> None:
    editor.open(write, f"{MODELINE}archc: 1\nname: draft\nlayers:\n  - ")
    offered = editor.completions(write, 4, 4)
    assert offered.keys() >= OPS.keys()
    assert offered.keys() >= {"section", "repeat", "for", "block", "name", "from", "when"}
    assert "each filter slides over the feature map" in offered["conv"]["documentation"]
    assert "kernel_size" in offered["conv"]["insertText"]


def test_top_level_keys_are_completed(editor: Editor, write: Path) -> None:
    editor.open(write, f"{MODELINE}archc: 1\n")
    assert editor.completions(write, 2, 0).keys() >= {
        "name",
        "extends",
        "input",
        "blocks",
        "expect",
    }


def test_fields_of_an_op_are_completed(editor: Editor, drafted: tuple[Path, int]) -> None:
    path, line = drafted
    names = {field.name for field in fields_of(OPS["conv"])}
    offered = editor.completions(path, line, 6).keys()
    assert offered >= names - {"filters"}
    assert "filters" not in offered  # it is there already
    assert not offered & {"units", "rate", "slope"}


def test_fields_are_completed_in_flow_style(editor: Editor, drafted: tuple[Path, int]) -> None:
    path, _ = drafted
    column = len("  - conv: {filters: 3, kernel_size: 3, st")
    assert "stride" in editor.completions(path, 5, column)


@pytest.mark.parametrize(
    ("line", "word", "expected"),
    [
        (5, "conv", "each filter slides over the feature map"),
        (5, "filters", "output channels"),
        (6, "max_pool", "The largest element of each window"),
        (3, "channels", "channels of a feature map"),
        (2, "name", "names the emitted module"),
    ],
)
def test_hovering_reports_what_a_key_means(
    editor: Editor, drafted: tuple[Path, int], line: int, word: str, expected: str
) -> None:
    path, _ = drafted
    lines = ["", "archc: 1", "name: draft", "input: {channels: 3, height: 8, width: 8}", "layers:"]
    lines += ["  - conv: {filters: 3, kernel_size: 3, st}", "  - max_pool: 2"]
    assert expected in editor.hover(path, line, lines[line].index(word) + 1)
