"""Packages from outside: their ops and backends are known everywhere, and what is wrong with them
is one error that names them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs/guides/plugins.md").read_text(encoding="utf-8")
PACKAGE = Path(__file__).parent / "plugins/offsets"
SOUND = """\
[archc.ops]
offsets = offsets.ops:OPS

[archc.lowerings]
torch = offsets.torch:EXTENSION
keras = offsets.keras:EXTENSION
onnx = offsets.onnx:EXTENSION

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


def guide_package(folder: Path) -> None:
    """The package whose files the guide shows, as `FILE` in the first line of each block."""
    for name, text in re.findall(r"```(?:toml|python)\n# (\S+)\n(.*?)```", GUIDE, re.DOTALL):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture(scope="module")
def extras(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the guide's package is installed."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    guide_package(source)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--target", str(folder), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


EXTRAS = """\
archc: 1
name: styled
input: {channels: 3, height: 8, width: 6}
layers:
  - conv: {filters: 4, kernel_size: 3}
  - instance_norm: {epsilon: 0.01}
  - relu
  - instance_norm
  - global_avg_pool
  - dense: 2
"""


def run_extras(extras: Path, folder: Path, *command: str, **variables: str) -> str:
    """What a program prints where the guide's package is installed."""
    (folder / "styled.yaml").write_text(EXTRAS)
    path = {"PYTHONPATH": f"{extras}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, **path, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_guide_s_op_is_known_everywhere(extras: Path, tmp_path: Path) -> None:
    def archc(*arguments: str, **variables: str) -> str:
        return run_extras(extras, tmp_path, "-m", "archc", *arguments, **variables)

    assert "added to the variance" in archc("ops", "instance_norm")
    assert "instance_norm" in archc("schema")
    line = {"_ARCHC_COMPLETE": "bash_complete", "COMP_WORDS": "archc ops inst", "COMP_CWORD": "2"}
    assert "instance_norm" in archc(**line)
    rows = json.loads(archc("report", "styled.yaml", "--format", "json"))["layers"]
    assert [row["params"] for row in rows if row["op"] == "instance_norm"] == [8, 8]
    (tmp_path / "wrong.yaml").write_text(EXTRAS.replace("epsilon", "epsilom"))
    done = subprocess.run(
        [sys.executable, "-m", "archc", "validate", "wrong.yaml"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{extras}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, 'did you mean "epsilon"?' in done.stdout) == (1, True)


def test_the_readme_s_backend_builds(extras: Path, tmp_path: Path) -> None:
    command = ("-m", "archc", "build", "styled.yaml", "--backend", "outline", "--stdout")
    lines = run_extras(extras, tmp_path, *command).splitlines()
    assert lines[1] == "instance_norm_1: instance_norm, channels 4 × height 6 × width 4"


@pytest.mark.torch
@pytest.mark.keras
def test_the_guide_s_op_is_the_same_on_every_backend(extras: Path, tmp_path: Path) -> None:
    def archc(*arguments: str) -> str:
        return run_extras(extras, tmp_path, "-m", "archc", *arguments)

    archc("build", "styled.yaml")
    assert (
        "nn.InstanceNorm2d(4, eps=0.01, affine=True)"
        in (tmp_path / "generated/torch/styled.py").read_text()
    )
    assert "agree" in archc("verify", "styled.yaml", "--backends", "all")
    save = (
        "import torch, sys; sys.path.insert(0, 'generated/torch'); from styled import build_model"
    )
    run_extras(
        extras, tmp_path, "-c", f"{save}; torch.save(build_model().state_dict(), 'styled.pth')"
    )
    archc("weights", "import", "styled.yaml", "styled.pth", "-o", "styled.safetensors")
    archc("weights", "convert", "styled.yaml", "styled.pth", "-o", "styled.weights.h5")
    archc("weights", "import", "styled.yaml", "styled.weights.h5", "-o", "again.safetensors")
    first, second = (
        numpy_arrays(tmp_path / name) for name in ("styled.safetensors", "again.safetensors")
    )
    assert first.keys() == second.keys()
    assert {key for key in first if key.startswith("instance_norm_1")} == {
        "instance_norm_1.weight",
        "instance_norm_1.bias",
    }
    assert all((first[key] == second[key]).all() for key in first)


def numpy_arrays(path: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return load_file(path)


def test_random_specs_draw_the_readme_s_op(extras: Path, tmp_path: Path) -> None:
    program = (
        "from random import Random\n"
        "from tests.differential.generator import spec_text\n"
        "print(sum('instance_norm' in spec_text(Random(seed)) for seed in range(150)))\n"
    )
    assert int(run_extras(extras, tmp_path, "-c", program)) > 0


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
def test_an_op_from_outside_is_one_network_on_every_backend(tmp_path: Path) -> None:
    installed(tmp_path, SOUND)
    assert "agree" in output(tmp_path, "verify", "shifted.yaml", "--backends", "all")


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
    assert (done.returncode, "has no weight files" in done.stderr) == (2, True)
    done = ran(tmp_path, "verify", "shifted.yaml", "--backends", "outline")
    assert (done.returncode, "--backends needs a list of torch, keras" in done.stderr) == (2, True)


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
