"""Keras models: imported from their configuration, emitted again, and the same network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from archc.diagnostics import SpecError
from archc.importers import formats

ROOT = Path(__file__).parents[3]


@pytest.mark.keras
def test_the_emitted_network_computes_what_the_model_computes(tmp_path: Path) -> None:
    pytest.importorskip("keras")
    done = subprocess.run(
        [sys.executable, "-m", "tests.importers.keras.saved", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert set(results) == {"mixed", "mobilenetv2"}
    for result in results.values():
        assert result["difference"] < 1e-5 < result["spread"]


def config(*own: dict[str, Any], shape: Any = (None, 8, 8, 3)) -> dict[str, Any]:
    """A sequential model of layers as class and configuration."""
    first = {"class_name": "InputLayer", "config": {"name": "x", "batch_shape": shape}}
    return {"class_name": "Sequential", "config": {"name": "small", "layers": [first, *own]}}


def layer(kind: str, **fields: Any) -> dict[str, Any]:
    return {
        "class_name": kind,
        "module": "keras.layers",
        "config": {"name": kind.lower(), **fields},
    }


def error_of(tmp_path: Path, content: Any) -> str:
    path = tmp_path / "model"
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    path.write_bytes(data)
    with pytest.raises(SpecError) as error:
        formats.read(str(path))
    return str(error.value)


NORM = layer("BatchNormalization", axis=-1, momentum=0.9, epsilon=1e-3, center=True, scale=False)

REFUSED = {
    "the layer RandomFlip: once": layer("RandomFlip"),
    "BatchNormalization without scale": NORM,
    "MaxPooling2D with padding full": layer(
        "MaxPooling2D", pool_size=[2, 2], strides=[2, 2], padding="full"
    ),
    "ReLU with max_value 4": layer("ReLU", max_value=4),
    "the own layer Swirl": {**layer("Swirl"), "module": "mine"},
    "Dropout with shaken True": layer("Dropout", rate=0.5, shaken=True),
    "a layer has a configuration that Keras does not write": layer("Dense"),
    "data_format channels_first": layer("Flatten", data_format="channels_first"),
}


@pytest.mark.parametrize("expected", REFUSED)
def test_what_has_no_op_is_refused_by_its_name(expected: str, tmp_path: Path) -> None:
    assert expected in error_of(tmp_path, config(REFUSED[expected]))


def test_all_that_is_refused_is_listed_at_once(tmp_path: Path) -> None:
    message = error_of(tmp_path, config(NORM, layer("Lambda"), NORM))
    assert "BatchNormalization without scale: once" in message
    assert "the layer Lambda: once (`lambda`)" in message


def test_hostile_configurations_have_one_error(tmp_path: Path) -> None:
    deep = b'{"class_name": "Sequential", "config": ' + b"[" * 100_000
    assert "nests too deep" in error_of(tmp_path, deep)
    nested = config(layer("Flatten"))
    for _ in range(20):
        nested = config(nested)
    assert "nest more than 16 deep" in error_of(tmp_path, nested)
    assert "sizes" not in error_of(tmp_path, config(shape=[None, None, None, 3]))
    assert "do not print" in error_of(tmp_path, config(layer("Flatten", name="a\x1b[31m")))
    assert "it is no model" in error_of(tmp_path, {"class_name": "os.system", "config": {}})


def test_hostile_archives_have_one_error(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * (65 << 20))
    assert path.stat().st_size < 1 << 20
    assert "more than 64 MiB" in error_of(tmp_path, path.read_bytes())
    assert "no sound archive" in error_of(tmp_path, path.read_bytes()[:-20])
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../config.json", b"{}")
    assert "without a config.json" in error_of(tmp_path, path.read_bytes())


def test_a_reference_in_a_circle_is_refused(tmp_path: Path) -> None:
    def tensor(name: str) -> dict[str, Any]:
        return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}}

    def call(name: str, *taken: str) -> dict[str, Any]:
        nodes = [{"args": [[tensor(one) for one in taken]], "kwargs": {}}]
        return {**layer("Add", name=name), "name": name, "inbound_nodes": nodes}

    first = config()["config"]["layers"][0]
    own = [{**first, "name": "x", "inbound_nodes": []}, call("a", "x", "b"), call("b", "a", "x")]
    model = {
        "class_name": "Functional",
        "config": {
            "name": "m",
            "layers": own,
            "input_layers": [["x", 0, 0]],
            "output_layers": [["b", 0, 0]],
        },
    }
    assert "`a` uses what nothing before it computes, or a cycle" in error_of(tmp_path, model)
