"""The classes and functions that an emitted file brings with it: clean files, each in use, which
a framework saves, loads, and trains through."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from archc import backends
from archc.backends import attention
from archc.backends.torch import recurrence_class
from tests.backends.networks import BACKENDS
from tests.backends.ops.cases import network
from tests.backends.ops.models import KerasModel, TorchModel

ROOT = Path(backends.__file__).parent
NETWORKS: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(
    Path(__file__).with_name("helpers.yaml").read_text(encoding="utf-8")
)


def helpers(backend: str) -> list[Path]:
    return sorted((ROOT / backend / "helpers").glob("*.py"))


def definitions(source: str) -> list[str]:
    """The names of the classes and functions at the top of a file."""
    kinds = (ast.ClassDef, ast.FunctionDef)
    return [node.name for node in ast.parse(source).body if isinstance(node, kinds)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_helper_is_emitted_where_a_network_needs_it(backend: str) -> None:
    pasted = [name for path in helpers(backend) for name in definitions(path.read_text("utf-8"))]
    built = {
        "torch": (*attention.NAMES, *recurrence_class.NAMES),
        "keras": attention.NAMES,
    }
    known = [*pasted, *built.get(backend, ())]
    assert sorted(NETWORKS.get(backend, {})) == sorted(known)
    for name in known:
        emitted = network(NETWORKS[backend][name]).emit(backend)
        assert name in definitions(emitted), name
        assert set(known) & set(definitions(emitted)) == {name}


@pytest.mark.parametrize(
    "command", [["check", "--select=E,W,F,I,UP,B,N,RUF,SIM"], ["format", "--check"]]
)
def test_helpers_are_clean(command: list[str]) -> None:
    """By ruff's own width, as emitted files are."""
    files = [str(path) for backend in BACKENDS for path in helpers(backend)]
    assert files
    verb, *options = command
    result = subprocess.run(
        [sys.executable, "-m", "ruff", verb, "--isolated", "--no-cache", *options, *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("backend", BACKENDS)
def test_helpers_import_their_framework_alone(backend: str) -> None:
    for path in helpers(backend):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules = [one.name for one in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [str(node.module)]
            else:
                continue
            roots = {module.partition(".")[0] for module in modules}
            assert roots <= {backend, *sys.stdlib_module_names}, path.name


@pytest.mark.torch
def test_codes_move_with_the_module_and_are_not_saved() -> None:
    model = TorchModel(network(NETWORKS["torch"]["RadialBasis"])).model
    assert not model.state_dict()
    assert [one.dtype.is_floating_point for one in model.double().buffers()] == [True]
    assert next(model.buffers()).element_size() == 8


def drawn(random: np.random.Generator, model: Any, batch: int) -> Any:
    """A batch for a Keras model: normal values, or the ids 0 and 1."""
    shape = (batch, *model.input_shape[1:])
    if model.inputs[0].dtype == "int32":
        return random.integers(2, size=shape).astype("int32")
    return random.normal(size=shape).astype("float32")


@pytest.mark.keras
@pytest.mark.parametrize("name", NETWORKS["keras"])
def test_keras_saves_and_loads(name: str, tmp_path: Path) -> None:
    import keras

    model = KerasModel(network(NETWORKS["keras"][name])).model
    random = np.random.default_rng(5)
    model.set_weights([random.normal(size=one.shape) for one in model.weights])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = drawn(random, model, 2)
    first, second = (keras.ops.convert_to_numpy(one(x)) for one in (model, loaded))
    np.testing.assert_array_equal(first, second)


@pytest.mark.keras
def test_keras_trains_through_all_helpers_at_once() -> None:
    """A compiled step moves every weight, also those before the helper, and each stays finite."""
    import keras

    inputs, outputs = [], []
    for name, body in NETWORKS["keras"].items():
        helper = KerasModel(network({"name": f"helper_{name.lower()}", **body})).model
        inputs.append(keras.Input(helper.input_shape[1:], dtype=helper.inputs[0].dtype))
        before = inputs[-1]
        if inputs[-1].dtype == "float32":
            before = keras.layers.Dense(helper.input_shape[-1])(before)
        outputs.append(keras.layers.Dense(1)(keras.layers.Flatten()(helper(before))))
    model = keras.Model(inputs, keras.layers.Add()(outputs))
    model.compile(optimizer=keras.optimizers.SGD(1e-3), loss="mse")
    random = np.random.default_rng(2)
    values = [drawn(random, keras.Model(one, one), 4) for one in inputs]
    old = [keras.ops.convert_to_numpy(one) for one in model.trainable_weights]
    model.fit(values, np.ones((4, 1), "float32"), verbose=0)
    new = [keras.ops.convert_to_numpy(one) for one in model.trainable_weights]
    for before, after in zip(old, new, strict=True):
        assert np.isfinite(after).all()
        assert (before != after).any()


@pytest.mark.keras
@pytest.mark.slow
@pytest.mark.parametrize("framework", ["jax", "torch"])
def test_keras_helpers_work_on_other_frameworks(framework: str) -> None:
    pytest.importorskip(framework)
    chosen = "keras_saves_and_loads or keras_trains_through"
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", __file__, "-k", chosen],
        env={**os.environ, "KERAS_BACKEND": framework},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-4000:]
