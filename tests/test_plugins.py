"""Packages from outside: their ops and backends are known everywhere, and what is wrong with them
is one error that names them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = Path(__file__).parent / "plugins/offsets"
SOUND = """\
[archc.ops]
offsets = offsets.ops:OPS

[archc.lowerings]
torch = offsets.torch:EXTENSION
keras = offsets.keras:EXTENSION

[archc.backends]
outline = offsets.outline:BACKEND
"""
SPEC = """\
archc: 1
name: shifted
input: {channels: 2, height: 4, width: 3}
layers:
  - offset: 0.5
  - relu
  - flatten
  - offset
  - dense: 3
"""


def installed(folder: Path, entry_points: str, name: str = "offsets") -> None:
    """The package in a folder, with what an installer writes beside it."""
    shutil.copytree(PACKAGE, folder / "offsets", dirs_exist_ok=True)
    information = folder / f"{name}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(entry_points)


def ran(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "shifted.yaml").write_text(SPEC)
    return subprocess.run(
        [sys.executable, "-m", "archc", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )


def output(folder: Path, *arguments: str) -> str:
    done = ran(folder, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_op_from_outside_is_known_to_the_language_and_the_reports(tmp_path: Path) -> None:
    installed(tmp_path, SOUND)
    assert "offset" in output(tmp_path, "ops")
    assert "initial value of every channel" in output(tmp_path, "ops", "offset")
    step = json.loads(output(tmp_path, "schema"))["definitions"]["step"]
    assert "offset" in json.dumps(step)
    rows = json.loads(output(tmp_path, "report", "shifted.yaml", "--format", "json"))["layers"]
    assert [row["params"] for row in rows if row["op"] == "offset"] == [2, 24]
    output(tmp_path, "report", "shifted.yaml", "--format", "html")
    (tmp_path / "shifted.yaml").write_text(SPEC)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(SPEC.replace("offset: 0.5", "offset: {start: 1}"))
    done = ran(tmp_path, "validate", "wrong.yaml")
    assert done.returncode == 1
    assert "offset has no key `start`" in done.stderr + done.stdout


@pytest.mark.torch
@pytest.mark.keras
def test_an_op_from_outside_is_one_network_on_both_backends(tmp_path: Path) -> None:
    installed(tmp_path, SOUND)
    assert "agree" in output(tmp_path, "verify", "shifted.yaml")


def test_a_backend_from_outside_builds(tmp_path: Path) -> None:
    installed(tmp_path, SOUND)
    text = output(tmp_path, "build", "shifted.yaml", "--backend", "outline", "--stdout")
    assert text.startswith("offset_1: offset -> ")
    output(tmp_path, "build", "shifted.yaml")
    built = {path.name for path in tmp_path.glob("generated/*/*")}
    assert {"shifted.py", "shifted.txt", "shifted.json"} <= built
    done = ran(
        tmp_path, "weights", "export", "shifted.yaml", "x", "--backend", "outline", "-o", "y"
    )
    assert (done.returncode, "has no files of weights" in done.stderr) == (2, True)
    done = ran(tmp_path, "verify", "shifted.yaml", "--backends", "outline")
    assert (done.returncode, "--backends takes some of torch, keras" in done.stderr) == (2, True)


FAULTS = {
    "missing module": (
        SOUND.replace("offsets.ops:", "offsets.nowhere:"),
        "the package offsets cannot be loaded: ModuleNotFoundError",
    ),
    "no op": (SOUND.replace("ops:OPS", "ops:record"), "of the package offsets is no tuple of ops"),
    "no extension": (
        SOUND.replace("torch:EXTENSION", "torch:lower_offset"),
        "of the package offsets is no `Extension`",
    ),
    "backend that is taken": (
        SOUND.replace("outline =", "torch ="),
        "the package offsets gives a backend `torch`, a name that archc has already",
    ),
    "backend of another name": (
        SOUND.replace("outline =", "drawing ="),
        "of the package offsets is called `outline` itself, not `drawing`",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_wrong_with_a_package_is_one_error_that_names_it(name: str, tmp_path: Path) -> None:
    entry_points, message = FAULTS[name]
    installed(tmp_path, entry_points)
    done = ran(tmp_path, "build", "shifted.yaml")
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_two_packages_of_one_op_are_an_error(tmp_path: Path) -> None:
    installed(tmp_path, SOUND)
    installed(tmp_path, "[archc.ops]\nothers = offsets.ops:OPS\n", "others")
    done = ran(tmp_path, "ops")
    message = "the package others gives an op `offset`, a name that the package offsets has already"
    assert (done.returncode, done.stderr) == (2, f"archc: {message}\n")


def test_an_op_that_a_backend_lacks_is_refused_at_its_line(tmp_path: Path) -> None:
    installed(tmp_path, SOUND.replace("keras = offsets.keras:EXTENSION\n", ""))
    done = ran(tmp_path, "build", "shifted.yaml")
    assert done.returncode == 1
    assert "shifted.yaml:5:" in done.stderr
    assert "the keras backend cannot compute `offset_1`: no package lowers `offset`" in done.stderr
    output(tmp_path, "build", "shifted.yaml", "--backend", "torch", "--stdout")
