"""The wheel: the specs are installed with the package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which archc was installed from its wheel, which is built without a network."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    target = folder / "site"
    with ZipFile(wheel) as archive:  # of pure Python: what pip does with it
        archive.extractall(target)
    return target


def run(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = f"import sys; sys.path.insert(0, {str(installed)!r}); import archc.cli, os; "
    script += f"assert archc.__file__.startswith({str(installed)!r}); sys.exit(archc.cli.main())"
    return subprocess.run(
        [sys.executable, "-I", "-c", script, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )


def test_it_has_the_specs_of_the_repository(installed: Path) -> None:
    own = {path.name: path.read_bytes() for path in (ROOT / "specs").glob("*.yaml")}
    packed = {path.name: path.read_bytes() for path in (installed / "archc/specs").iterdir()}
    assert packed == own


def test_its_commands_find_them_from_any_folder(installed: Path, tmp_path: Path) -> None:
    report = run(installed, tmp_path, "report", "resnet34")
    assert "21,797,672" in report.stdout, report.stderr
    assert run(installed, tmp_path, "list", "resnet34").stdout.count("resnet34") == 1
    assert run(installed, tmp_path, "new", "mine", "--like", "vgg16").returncode == 0
    assert (
        run(installed, tmp_path, "build", "resnet34", "mine", "--backend", "torch").returncode == 0
    )
    names = {path.name for path in (tmp_path / "generated/torch").iterdir()}
    assert names == {"mine.py", "resnet34.py"}
    wrong = run(installed, tmp_path, "report", "resnet35")
    assert wrong.returncode == 2
    assert "did you mean" in wrong.stderr


def test_installers_may_use_hard_links(installed: Path, tmp_path: Path) -> None:
    for path in (installed / "archc/specs").iterdir():
        os.link(path, tmp_path / path.name)
    other = tmp_path / "other"
    other.mkdir()
    assert run(installed, other, "validate", "resnet34").returncode == 0
