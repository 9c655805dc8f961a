"""How a training script is put together from the network's module, the recipe and the parts."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from archc import training
from archc.api import Network, load
from archc.diagnostics import SpecError
from archc.training.script import apart, emit
from tests.training.test_recipe import HEAD, WHOLE

RULES = (
    "--select=ALL",
    # What docstrings look like; a header longer than a line; imports of what may be missing, where
    # they are needed, and of what annotations alone name; an exception that is no error.
    "--ignore=D,CPY,COM812,E501,INP001,N818,PLC0415,PLR0913,S101,TC",
)


def network(folder: Path, text: str) -> Network:
    path = folder / "small.yaml"
    path.write_text(text, encoding="utf-8")
    return load(str(path), {})


def script(backend: str, folder: Path, text: str) -> str:
    made = network(folder, text)
    return emit(backend, made)


def names(source: str) -> list[str]:
    """What is defined at the top level, in order."""
    return [name for chunk in apart(source).chunks for name in chunk.names]


def test_a_file_is_taken_apart() -> None:
    """Comments stay with what they stand above, and decorators with what they decorate."""
    found = apart(
        '"""What it is."""\n\nimport os\nimport numpy as np\nfrom a.b import c, d\n'
        "from archc.training.script.parts import f\n\n# Rows at once.\nROWS: int = 4\n\n\n"
        "# Why it is so.\n@c\ndef g(x):\n    return np.sum(x) + ROWS\n"
    )
    assert sorted(found.imports) == ["c", "d", "np", "os"]
    first, second = found.chunks
    assert (first.text, first.names) == ("# Rows at once.\nROWS: int = 4", ("ROWS",))
    assert second.text.startswith("# Why it is so.\n@c\ndef g(x):")
    assert {"c", "np", "ROWS"} <= second.used


def test_a_spec_without_a_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as refused:
        script("torch", tmp_path, HEAD)
    assert [one.code for one in refused.value.diagnostics] == ["ARC704"]


@pytest.mark.parametrize("backend", training.trainable())
def test_a_network_called_like_a_part_is_refused(backend: str, tmp_path: Path) -> None:
    plain = script(backend, tmp_path, HEAD + "training: {epochs: 1}\n")
    taken = next(name for name in names(plain) if name == "ImageData")
    text = HEAD.replace(
        "layers:\n",
        "blocks:\n  image_data:\n    layers:\n      - conv: {filters: 3, kernel_size: 1}\n"
        "      - batch_norm\nlayers:\n  - block: image_data\n",
    )
    if backend == "torch":
        with pytest.raises(SpecError) as refused:
            script(backend, tmp_path, text + "training: {epochs: 1}\n")
        (fault,) = refused.value.diagnostics
        assert fault.code == "ARC703"
        assert taken in fault.message
    else:  # Keras has functions for blocks
        assert "image_data" in names(script(backend, tmp_path, text + "training: {epochs: 1}\n"))


@pytest.mark.parametrize("backend", training.trainable())
def test_a_network_called_like_what_python_has_is_refused(backend: str, tmp_path: Path) -> None:
    """A class `ValueError` would be what the script catches."""
    named = HEAD.replace("name: small\n", "name: small\nclass: ValueError\n")
    if backend == "torch":
        with pytest.raises(SpecError) as refused:
            script(backend, tmp_path, named + "training: {epochs: 1}\n")
        (fault,) = refused.value.diagnostics
        assert (fault.code, "`ValueError`" in fault.message) == ("ARC703", True)
    else:  # Keras has no class for it
        script(backend, tmp_path, named + "training: {epochs: 1}\n")


@pytest.mark.parametrize("backend", training.trainable())
def test_only_what_the_recipe_needs_is_there(backend: str, tmp_path: Path) -> None:
    """Nothing is defined that nobody uses, and nothing used that is not defined."""
    short = names(script(backend, tmp_path, HEAD + "training: {epochs: 1}\n"))
    long = names(script(backend, tmp_path, HEAD + WHOLE))
    assert len(long) > len(short)
    for text in (HEAD + WHOLE, HEAD + "training: {epochs: 1}\n"):
        source = script(backend, tmp_path, text)
        made = apart(source)
        used = {name for chunk in made.chunks for name in chunk.used}
        assert {name for chunk in made.chunks for name in chunk.names} <= used
        assert set(made.imports) <= used | {"annotations"}


@pytest.mark.parametrize("backend", training.trainable())
@pytest.mark.parametrize("text", [WHOLE, "training: {epochs: 1}\n"], ids=["whole", "short"])
def test_scripts_are_clean(text: str, backend: str, tmp_path: Path) -> None:
    """At ruff's defaults for the layout, under all its rules but those on docstrings' style."""
    source = script(backend, tmp_path, HEAD + text)
    assert source.isascii()
    assert max(map(len, source.splitlines()[1:])) <= 88
    assert "archc." not in source
    assert not any(
        isinstance(node, ast.Import | ast.ImportFrom) and "archc" in ast.unparse(node)
        for node in ast.walk(ast.parse(source))
    )
    (tmp_path / "small_train.py").write_text(source, encoding="utf-8")
    for command in (["check", *RULES], ["check"], ["format", "--diff"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", "--no-cache", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("backend", training.trainable())
def test_a_script_is_the_same_each_time(backend: str, tmp_path: Path) -> None:
    first = script(backend, tmp_path, HEAD + WHOLE)
    assert first == script(backend, tmp_path, HEAD + WHOLE)
    assert first.startswith("# Generated by archc from small.yaml.\n")


@pytest.mark.parametrize("backend", training.trainable())
def test_hostile_text_is_inert(backend: str, tmp_path: Path) -> None:
    """A title is text of the docstring, whatever it holds."""
    title = '"""\\nimport os\\nos.system("x")\\n""" {x} \\\\'
    text = HEAD.replace(
        "name: small\n",
        f'name: small\ntitle: "{title}"\n'.replace('"""', '\\"\\"\\"').replace(
            '("x")', '(\\"x\\")'
        ),
    )
    source = script(backend, tmp_path, text + "training: {epochs: 1}\n")
    assert "os.system" in source
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)]
    assert not any(node.attr == "system" for node in calls)
