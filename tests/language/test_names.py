"""Invalid names in a spec are those that would shadow something in emitted source."""

from __future__ import annotations

import builtins
import keyword
import subprocess
import sys

import pytest

from archc.backends import keras, torch
from archc.language import names


def test_builtins_are_pythons() -> None:
    public = {name for name in dir(builtins) if names.name_error(name) is None}
    assert public <= names.BUILTINS


# Each framework is imported in a child process: the tests need not load both, and other libraries
# set attributes of its classes.
_ASK = {
    "torch": "from torch import nn; names = set(dir(nn.Module())) | set(dir(nn.Sequential()))",
    "keras": "import keras; names = set(dir(keras.Model())) | set(dir(keras.layers.Layer()))",
}


@pytest.mark.parametrize("framework", sorted(_ASK))
def test_attributes_of_the_frameworks_are_rejected(framework: str) -> None:
    script = f"{_ASK[framework]}\nprint('\\n'.join(sorted(names)))"
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    missing = [name for name in answer.stdout.split() if names.attribute_error(name) is None]
    assert missing == []
    if framework == "torch":
        public = [name for name in answer.stdout.split() if not name.startswith("_")]
        assert [name for name in public if names.step_error(name) is None] == []


@pytest.mark.parametrize(
    "name",
    ["", "Conv", "conv1\n", "1conv", "_conv", "conv-1", "a" * 65, "c\u00f6nv", "\ufb01t", "conv 1"],
)
def test_malformed_names_are_rejected(name: str) -> None:
    assert names.name_error(name) is not None


@pytest.mark.parametrize("name", ["block1-0", "Conv2d_1a_3x3", "Mixed", "a-_", "a" * 64])
def test_keys_are_names_of_steps_alone(name: str) -> None:
    assert names.step_error(name) is None
    assert names.variable_name(name).isidentifier()
    others = names.name_error, names.param_error, names.attribute_error
    assert (name.islower() and "-" not in name) or all(error(name) for error in others)


@pytest.mark.parametrize(
    "name",
    ["", "-a", "1a", "_a", "a.b", "a/b", "a b", "a\n", 'a"b', "a{b}", "a'", "a\\", "c\u00f6nv"],
)
def test_malformed_keys_are_rejected(name: str) -> None:
    assert names.step_error(name) is not None


@pytest.mark.parametrize(
    "name", ["None", "True", "Class", "Self", "To", "state-dict", "T_destination", "Print"]
)
def test_keys_that_would_shadow_something_are_rejected(name: str) -> None:
    assert names.step_error(name) is not None


@pytest.mark.parametrize("name", [*keyword.kwlist, *keyword.softkwlist, "type"])
def test_keywords_are_rejected(name: str) -> None:
    assert names.name_error(name) is not None


@pytest.mark.parametrize("name", ["conv1", "features", "classifier", "layer1", "downsample", "fc"])
def test_usual_names_are_valid(name: str) -> None:
    assert names.attribute_error(name) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [("lenet5", "Lenet5"), ("dense_block", "DenseBlock"), ("fire", "Fire"), ("c3", "C3")],
)
def test_class_names_are_in_camel_case(name: str, expected: str) -> None:
    assert names.camel_case(name) == expected
    assert names.class_error(expected) is None


@pytest.mark.parametrize("name", ["None", "lenet", "LeNet_5", "Le Net", "A" * 65, ""])
def test_bad_class_names_are_rejected(name: str) -> None:
    assert names.class_error(name) is not None


def test_functions_that_emitted_source_defines_are_no_parameters() -> None:
    functions = {name for name in keras.HELPERS if names.name_error(name) is None}
    assert functions == names.FUNCTIONS
    assert all(names.param_error(name) is not None for name in functions)
    assert names.attribute_error("scaled_tanh") is None


def test_classes_that_emitted_source_uses_are_rejected() -> None:
    used = {*torch.KNOWN, *torch.OWN_NAMES}
    assert {name for name in used if name[0].isupper()} == names.CLASSES
    assert all(names.class_error(name) is not None for name in names.CLASSES)


def test_class_names_are_unique() -> None:
    used = {"Stem"}
    assert [names.new_class("stem", used), names.new_class("stem", used)] == ["Stem2", "Stem3"]
