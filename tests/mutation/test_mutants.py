"""The mutants of a small tree: each is one change, the same ones every time."""

from __future__ import annotations

import ast
from contextlib import suppress
from pathlib import Path

from tests.mutation.mutants import room_of, sample
from tests.mutation.runs import ROOT, applied
from tests.mutation.selection import FAR, NEAR, far, near

COSTS = '''\
"""Costs."""

from __future__ import annotations

__all__ = ["area"]
LIMIT = 100


def area(width: int, height: int = 3) -> int | None:
    """An area."""
    if width > LIMIT:
        raise ValueError("that is too wide")
    return width * height
'''
NAMES = """\
def name(text: str) -> str:
    return text.lower() if text else "none"
"""


def tree(folder: Path, costs: str = COSTS) -> Path:
    for path, text in (("archc/ir/costs.py", costs), ("archc/names.py", NAMES)):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def test_a_mutant_is_one_change_of_one_line(tmp_path: Path) -> None:
    mutants = sample(tree(tmp_path), 5)
    assert len(mutants) == len({(one.path, one.line) for one in mutants}) == 5
    for mutant in mutants:
        original = (tmp_path / mutant.path).read_text().split("\n")
        changed = mutant.source.split("\n")
        assert len(changed) == len(original)
        assert [
            number
            for number, (old, new) in enumerate(zip(original, changed, strict=True), 1)
            if old != new
        ] == [mutant.line]
        assert mutant.before in original[mutant.line - 1]
        ast.parse(mutant.source)


def test_annotations_prose_and_docstrings_are_left_alone(tmp_path: Path) -> None:
    lines = {(one.path, one.line) for one in sample(tree(tmp_path), 100)}
    text = COSTS.split("\n")
    mutated = {text[line - 1].strip() for path, line in lines if path == "archc/ir/costs.py"}
    assert mutated == {
        "LIMIT = 100",
        "def area(width: int, height: int = 3) -> int | None:",
        "if width > LIMIT:",
        'raise ValueError("that is too wide")',
        "return width * height",
    }


def test_the_sample_is_the_same_where_other_code_moves(tmp_path: Path) -> None:
    before = sample(tree(tmp_path / "a"), 4)
    assert sample(tree(tmp_path / "b"), 4) == before
    moved = COSTS.replace("LIMIT = 100\n", "# A comment.\n\nLIMIT = 100\n")
    after = sample(tree(tmp_path / "c", moved), 4)
    assert [one.key for one in after] == [one.key for one in before]
    assert [one.line for one in after] != [one.line for one in before]


def test_rooms_have_their_share_by_lines(tmp_path: Path) -> None:
    for path, lines in (("archc/ir/costs.py", 120), ("archc/names.py", 30)):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("".join(f"x{n} = {n}\n" for n in range(lines)))
    rooms = [one.room for one in sample(tmp_path, 50)]
    assert (rooms.count("ir"), rooms.count("archc")) == (40, 10)


def test_a_mutant_goes_as_it_came(tmp_path: Path) -> None:
    mutant = sample(tree(tmp_path), 1)[0]
    path = tmp_path / mutant.path
    original = path.read_text()
    with suppress(KeyboardInterrupt), applied(tmp_path, mutant):
        assert path.read_text() == mutant.source != original
        raise KeyboardInterrupt
    assert path.read_text() == original


def test_every_room_has_tests_of_its_own() -> None:
    rooms = {room_of(path.relative_to(ROOT).as_posix()) for path in ROOT.glob("archc/**/*.py")}
    assert rooms == set(NEAR)
    for listed in (*NEAR.values(), FAR):
        assert [name for name in listed.split() if not (ROOT / "tests" / name).exists()] == []


def test_the_tests_of_a_module_come_first() -> None:
    tests = ROOT / "tests"
    first, *_ = near("archc/language/expressions/parser.py", tests)
    assert first == "tests/language/test_expressions.py"
    own, others = near("archc/ir/costs.py", tests), far("archc/ir/costs.py", tests)
    assert own[0] == "tests/ir/test_costs.py"
    assert set(own).isdisjoint(others)
    assert "tests/codegen/test_printer.py" in others
