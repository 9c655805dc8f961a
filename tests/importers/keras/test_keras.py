"""Keras models: imported from their configuration, emitted again, and the same network."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy
import pytest

from archc.diagnostics import SpecError
from archc.importers import formats
from archc.importers.export import save_weights
from archc.importers.keras import masks
from archc.importers.spec import Imported, as_spec
from archc.weights import transfer

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
    for one in results.values():
        assert one["difference"] < 1e-5 < one["spread"]
        assert one["problem"] is None
    assert results["mixed"]["compared"] > 20
    assert results["sequences"]["compared"] > 10
    kinds = json.loads((tmp_path / "masked.json").read_text(encoding="utf-8"))
    assert set(kinds["reading"]) == masks.READING
    assert set(kinds["passing"]) == masks.PASSING


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


REFUSED = {
    "the layer UnitNormalization: once": layer("UnitNormalization"),
    "BatchNormalization along the axis 1": layer("BatchNormalization", axis=1),
    "MaxPooling2D with padding full": layer(
        "MaxPooling2D", pool_size=[2, 2], strides=[2, 2], padding="full"
    ),
    "ReLU with max_value 4": layer("ReLU", max_value=4),
    "the own layer Swirl": {**layer("Swirl"), "module": "mine"},
    "Dropout with shaken True": layer("Dropout", rate=0.5, shaken=True),
    "a layer has a configuration that Keras does not write": layer("BatchNormalization"),
    "Embedding with mask_zero, whose mask the loss reads": layer(
        "Embedding", input_dim=9, output_dim=4, mask_zero=True
    ),
    "Rescaling with offset 1": layer("Rescaling", scale=2.0, offset=1.0),
    "the layer Normalization": layer("Normalization", mean=1.0, variance=2.0),
    "LSTM with activation relu": layer("LSTM", units=4, activation="relu"),
    "GRU with reset_after False": layer("GRU", units=4, reset_after=False),
    "Bidirectional of SimpleRNN": layer("Bidirectional", layer=layer("SimpleRNN")),
    "Bidirectional of GRU and another layer": layer(
        "Bidirectional",
        layer=layer("GRU", units=4),
        backward_layer=layer("GRU", units=5, go_backwards=True),
    ),
    "data_format channels_first": layer("Flatten", data_format="channels_first"),
}


@pytest.mark.parametrize("expected", REFUSED)
def test_what_has_no_op_is_refused_by_its_name(expected: str, tmp_path: Path) -> None:
    is_image = not expected.startswith(("Embedding", "Rescaling", "the layer Normalization"))
    shape = (None, 8, 8, 3) if is_image else (None, 9)
    assert expected in error_of(tmp_path, config(REFUSED[expected], shape=shape))


MASKED = layer("Embedding", input_dim=9, output_dim=4, mask_zero=True)
HANDED_ON = [layer("Dense", units=4), layer("Dropout", rate=0.1)]


@pytest.mark.parametrize("reader", ["LSTM", "GlobalAveragePooling1D", "Softmax"])
def test_a_mask_that_changes_values_is_refused(reader: str, tmp_path: Path) -> None:
    model = config(MASKED, *HANDED_ON, layer(reader, units=4), shape=(None, 7))
    assert f"mask_zero, whose mask {reader} reads: once" in error_of(tmp_path, model)


def test_a_mask_that_nothing_reads_and_a_number_before_a_vector_are_no_loss(tmp_path: Path) -> None:
    first = {"mean": [1.0], "variance": [2.0]}
    models = {
        "masked": config(MASKED, *HANDED_ON, layer("Flatten"), HANDED_ON[0], shape=(None, 7)),
        "vector": config(layer("Rescaling", scale=0.5, offset=0.0), HANDED_ON[0], shape=(None, 9)),
        "image": config(layer("Normalization", **first), HANDED_ON[0]),
    }
    kinds = {}
    for name, model in models.items():
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(model), encoding="utf-8")
        network = formats.read(str(path))
        kinds[name] = [one.op.name for one in network.layers], len(network.notes)
    assert kinds == {
        "masked": (["embedding", "dense", "dropout", "flatten", "dense"], 0),
        "vector": (["scale", "dense"], 0),
        "image": (["conv"], 1),
    }


def test_all_that_is_refused_is_listed_at_once(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    content = config(REFUSED["ReLU with max_value 4"], layer("Lambda"))
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(SpecError) as error:
        formats.read(str(path))
    first, second = error.value.diagnostics
    assert "ReLU with max_value 4" in first.message
    assert "the layer Lambda: once (`lambda`)" in second.message
    assert "holds code, which is never run" in (second.hint or "")


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
    sound = json.dumps(config(layer("Flatten"))).encode()
    assert "no JSON" in error_of(tmp_path, sound[:-1])
    assert "has 1000 axes" in error_of(tmp_path, config(layer("Flatten"), shape=[None] + [1] * 999))
    assert "axes of [461168" in error_of(tmp_path, config(shape=[None, 1 << 62, 8, 3]))


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "8", None, 1 << 70, [8]])
def test_what_counts_is_a_number_above_zero(value: Any, tmp_path: Path) -> None:
    assert "Dense with units" in error_of(tmp_path, config(layer("Dense", units=value)))


def test_fields_that_no_op_takes_are_errors_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text(json.dumps(config(layer("Dropout", rate=7))), encoding="utf-8")
    with pytest.raises(SpecError, match="`rate` of dropout must be") as error:
        as_spec(formats.read(str(path)), "small", str(path), [])
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "ARC801"
    assert diagnostic.span.source.name == str(path)


MALFORMED = {
    "no configuration that Keras writes": [{"args": [], "kwargs": "x"}],
    "a reference is malformed": [{"args": [{"class_name": "__keras_tensor__"}]}],
    "`f` is malformed": [{"args": "x"}],
    "`f` has no calls": None,
}


@pytest.mark.parametrize("expected", MALFORMED)
def test_calls_that_keras_does_not_write_are_refused(expected: str, tmp_path: Path) -> None:
    first = config()["config"]["layers"][0]
    own = {**layer("Flatten", name="f"), "name": "f", "inbound_nodes": MALFORMED[expected]}
    fields = {
        "name": "m",
        "layers": [first, own],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["f", 0, 0]],
    }
    assert expected in error_of(tmp_path, {"class_name": "Functional", "config": fields})


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


def test_a_flattened_map_whose_order_is_observed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "flat.json"
    path.write_text(json.dumps(config(layer("Flatten"))), encoding="utf-8")  # 8 x 8 x 3
    with pytest.raises(SpecError, match="`flatten_1` has its elements in another order"):
        as_spec(formats.read(str(path)), "flat", str(path), [])


def archive(path: Path, weights: bytes) -> Imported:
    """The spec of an archive of one layer, normalisation, whose weights are some bytes."""
    own = layer("LayerNormalization", axis=-1, epsilon=0.001)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        file.writestr("config.json", json.dumps(config(own)))
        file.writestr("model.weights.h5", weights)
    return as_spec(formats.read(str(path)), "one", str(path), [])


def hdf5(layers: dict[str, dict[str, Any]], **names: str) -> bytes:
    """A file of weights as Keras writes it, of arrays by layer and number."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for key, arrays in layers.items():
            group = file.create_group(f"layers/{key}/vars")
            group.attrs["name"] = names.get(key, "layernormalization")
            for number, array in arrays.items():
                group[number] = array
    return buffer.getvalue()


ROW = numpy.arange(3, dtype="float32")
SOUND = hdf5({"layer_normalization": {"0": ROW, "1": ROW + 5}})


def test_weights_are_read_without_keras(tmp_path: Path) -> None:
    target = tmp_path / "one.safetensors"
    imported = archive(tmp_path / "one.keras", SOUND)
    save_weights(imported, str(tmp_path / "one.keras"), str(target))
    arrays = transfer.load(str(target), imported.loaded)
    assert arrays["layer_norm_1.weight"].tolist() == [0, 1, 2]
    assert arrays["layer_norm_1.bias"].tolist() == [5, 6, 7]


def elsewhere() -> bytes:
    """A file whose array lies in another file."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        group = file.create_group("layers/layer_normalization/vars")
        group.create_dataset("0", (3,), "f4", external=[("/etc/passwd", 0, 12)])
    return buffer.getvalue()


def terabyte() -> bytes:
    """A small file that claims a large array."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        group = file.create_group("layers/layer_normalization/vars")
        group.create_dataset("0", (1 << 38,), "f4", chunks=(1 << 20,))
    return buffer.getvalue()


DAMAGED = {
    "no sound HDF5 file": SOUND[:-300],
    "it has no `layers`": hdf5({}),
    "not those of its layer `layernormalization`": hdf5(
        {"layer_normalization": {"0": ROW, "1": ROW}}, layer_normalization="other"
    ),
    "cannot reshape": hdf5({"layer_normalization": {"0": ROW, "1": ROW[:2]}}),
    "lies in another file": elsewhere(),
    "would take 1,099,511,627,776 bytes": terabyte(),
}


@pytest.mark.parametrize("expected", DAMAGED)
def test_weights_that_are_damaged_are_refused(expected: str, tmp_path: Path) -> None:
    path, target = tmp_path / "one.keras", tmp_path / "one.safetensors"
    imported = archive(path, DAMAGED[expected])
    with pytest.raises(SpecError, match=re.escape(expected)) as error:
        save_weights(imported, str(path), str(target))
    assert [one.code for one in error.value.diagnostics] == ["ARC801"]
    assert [one.name for one in tmp_path.iterdir()] == ["one.keras"]


def test_files_without_weights_are_refused(tmp_path: Path) -> None:
    path, target = tmp_path / "one.keras", tmp_path / "one.safetensors"
    imported = archive(path, SOUND)
    content = path.read_bytes()
    with zipfile.ZipFile(path) as file:
        own = file.read("config.json")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", own)
    for data, expected in (
        (own, "it has no weights"),
        (path.read_bytes(), "an archive without a model.weights.h5"),
        (content.replace(SOUND[:8], b"12345678"), "no sound archive"),
    ):
        path.write_bytes(data)
        with pytest.raises(SpecError, match=expected):
            save_weights(imported, str(path), str(target))
