"""A network's name hides no module that its emitted file, or a neighbour of it, imports."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from archc import SpecError, cli, load
from archc.language.module_names import STANDARD_LIBRARY, framework_modules, network_error
from archc.language.names import PATTERN

SPECS = Path(__file__).parents[2] / "specs"
TEXT = "archc: 1\nname: {name}\ninput: {{features: 3}}\nlayers: [relu]\n"


def test_modules_of_this_python_are_refused() -> None:
    valid = {name for name in sys.stdlib_module_names if re.fullmatch(PATTERN, name)}
    assert valid <= STANDARD_LIBRARY


@pytest.mark.parametrize("name", ["distutils", "imp", "annotationlib", "compression", "winreg"])
def test_those_of_other_versions_and_systems_are_too(name: str) -> None:
    assert network_error(name) is not None


@pytest.mark.parametrize(
    "name",
    [
        "torch",
        "random",
        "math",
        "typing",
        "numpy",
        "keras",
        "sys",
        "os",
        "json",
        "tensorflow",
        "jax",
        "h5py",
        "torchvision",
    ],
)
def test_a_network_of_that_name_is_refused_with_a_hint(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(TEXT.format(name=name))
    with pytest.raises(SpecError) as error:
        load(path)
    (diagnostic,) = error.value.diagnostics
    assert (diagnostic.code, diagnostic.span.line, diagnostic.span.column) == ("ARC205", 2, 7)
    assert "which the emitted file would hide" in diagnostic.message
    assert diagnostic.hint == f"for example `{name}_1`"


@pytest.mark.parametrize("name", ["tiny", "lenet5", "vgg", "net", "torch_1", "randoms", "network"])
def test_other_names_are_taken(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(TEXT.format(name=name))
    assert load(path).costs.graph.about.name == name


def test_steps_and_parameters_may_be_called_like_modules(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(
        "archc: 1\nname: net\ninput: {features: 3}\nparams: {array: 2}\n"
        "layers:\n  - {dense: $array, name: calendar}\n"
    )
    assert load(path).costs.totals.params == 8


def test_a_new_spec_is_not_called_like_one(tmp_path: Path) -> None:
    assert cli.main(["new", "random", "-o", str(tmp_path)]) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_what_a_framework_needs_is_refused(framework: str) -> None:
    needed = {framework, *_requirements(framework)}
    modules = {
        module
        for module, packages in metadata.packages_distributions().items()
        if needed.intersection(map(_normal, packages)) and re.fullmatch(PATTERN, module)
    }
    assert framework in modules
    assert {name for name in modules if network_error(name) is None} == set()


def _requirements(package: str) -> set[str]:
    stated = metadata.requires(package) or []
    names = (re.split(r"[^A-Za-z0-9._-]", one)[0] for one in stated if "extra ==" not in one)
    return {_normal(name) for name in names}


def _normal(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def test_they_are_known_without_an_import_of_a_backend() -> None:
    assert {"torch", "keras", "tensorflow", "numpy"} <= framework_modules()
    script = (
        "import sys\nfrom archc.language.module_names import framework_modules\n"
        "assert 'torch' in framework_modules()\n"
        "print([name for name in sys.modules if name.startswith('archc.backends')])\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "[]\n"
