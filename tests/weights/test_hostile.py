"""Files that are damaged, malicious, or of a kind that occurs in practice: each is read, or
refused in one clear error, in a process that cannot take this one with it."""

from __future__ import annotations

import json
import os
import random
import stat
import struct
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy
import pytest
from safetensors.numpy import load_file

from archc.api import Network
from archc.backends.runtime import sandbox
from archc.backends.torch import weights as torch_weights
from archc.backends.torch.pickled import archive_error
from archc.diagnostics import SpecError
from archc.files import OutputError
from archc.ir.arrays import arrays
from archc.weights import transfer
from tests.backends.networks import written

DENSE = "archc: 1\nname: net\ninput: {features: 3}\nlayers: [{dense: 2}, {dense: 2}]\n"


@pytest.fixture
def net(tmp_path: Path) -> Network:
    return written(DENSE, tmp_path)


def random_weights(net: Network, dtype: str = "float32") -> dict[str, Any]:
    random = numpy.random.default_rng(9)
    return {
        one.key: random.standard_normal(one.variable.shape).astype(dtype)
        for one in arrays(net.costs)
    }


def refusal(path: Path, net: Network) -> str:
    with pytest.raises(SpecError) as caught:
        transfer.load(str(path), net)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "ARC603"
    return diagnostic.message


# What is written


def test_the_same_arrays_give_the_same_bytes(net: Network, tmp_path: Path) -> None:
    written = []
    for name in ("a", "b", "c", "d"):
        path = tmp_path / f"{name}.safetensors"
        transfer.save_neutral(str(path), random_weights(net), net.costs)
        written.append(path.read_bytes())
    assert len(set(written)) == 1
    size = struct.unpack("<Q", written[0][:8])[0]
    assert size % 8 == 0  # so that the numbers are aligned


def test_numbers_of_several_types_are_aligned(net: Network, tmp_path: Path) -> None:
    weights = random_weights(net, "float16")
    weights["dense_2.bias"] = numpy.array([1 / 3, 2], "float64")
    path = tmp_path / "a.safetensors"
    transfer.save_neutral(str(path), weights, net.costs)
    assert load_file(path)["dense_2.bias"].tolist() == [1 / 3, 2]
    size = struct.unpack("<Q", path.read_bytes()[:8])[0]
    header = json.loads(path.read_bytes()[8 : 8 + size])
    assert header["dense_2.bias"]["data_offsets"][0] == 0
    loaded = transfer.load(str(path), net)
    assert {key: value.dtype.name for key, value in loaded.items()} == {
        key: value.dtype.name for key, value in weights.items()
    }


def test_files_are_readable_as_others_are(net: Network, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        transfer.save_neutral(str(tmp_path / "a.safetensors"), random_weights(net), net.costs)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.safetensors").stat().st_mode) == 0o644


def test_nothing_stays_where_writing_fails(
    net: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "a.pth").write_text("kept")
    monkeypatch.setattr(torch_weights, "run_isolated", lambda *_: "no space is left")
    with pytest.raises(OutputError, match="no space is left"):
        transfer.save(str(folder / "a.pth"), random_weights(net), net, "torch")
    assert os.listdir(folder) == ["a.pth"]
    assert (folder / "a.pth").read_text() == "kept"


# Formats


@pytest.mark.parametrize("size", [0x4B50, 0x0280], ids=["as a zip", "as a pickle"])
def test_a_header_s_length_is_not_taken_for_another_format(
    size: int, net: Network, tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    transfer.save_neutral(str(path), random_weights(net), net.costs)
    content = path.read_bytes()
    old = struct.unpack("<Q", content[:8])[0]
    header = content[8 : 8 + old].rstrip().ljust(size)
    assert len(header) == size
    path.write_bytes(struct.pack("<Q", size) + header + content[8 + old :])
    assert path.read_bytes()[:2] in (b"PK", b"\x80\x02")
    assert transfer.load(str(path), net).keys() == random_weights(net).keys()


def test_a_later_version_of_the_form_is_refused(net: Network, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    transfer.save_neutral(str(path), random_weights(net), net.costs)
    path.write_bytes(path.read_bytes().replace(b'"version":"1"', b'"version":"2"'))
    assert "its version is not 1" in refusal(path, net)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(net: Network, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "no file of weights" in refusal(tmp_path / "pipe", net)
    writer = os.open(tmp_path / "pipe", os.O_RDWR)  # who writes nothing
    try:
        assert "no file of weights" in refusal(tmp_path / "pipe", net)
    finally:
        os.close(writer)


def test_bfloat16_is_read_as_float32(net: Network, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    values = {key: torch.tensor(value).bfloat16() for key, value in random_weights(net).items()}
    stored = net.compiled("torch").variables
    state = {f"{stored[key].layer}.{stored[key].name}": value for key, value in values.items()}
    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "a.pth")
    for name in ("a.safetensors", "a.pth"):
        loaded = transfer.load(str(tmp_path / name), net)
        for key, value in values.items():
            assert loaded[key].dtype == numpy.float32
            assert numpy.array_equal(loaded[key], value.float().numpy())


def test_pytorch_s_older_files_are_read(net: Network, tmp_path: Path) -> None:
    """As torchvision's VGG files are to this day: a pickle and no zip archive, parameters in it."""
    import torch

    transfer.save(str(tmp_path / "a.safetensors"), random_weights(net), net, "torch")
    state = {
        key: torch.nn.Parameter(torch.tensor(value))
        for key, value in load_file(tmp_path / "a.safetensors").items()
    }
    torch.save(state, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    assert (tmp_path / "a.pth").read_bytes()[:1] == b"\x80"
    loaded = transfer.load(str(tmp_path / "a.pth"), net)
    assert all(numpy.array_equal(loaded[key], value) for key, value in random_weights(net).items())


def test_what_keras_2_has_of_a_whole_model_is_read(net: Network, tmp_path: Path) -> None:
    """Its weights are in a group; it splits a list of names that HDF5 does not take in one."""
    weights = random_weights(net)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        root = file.create_group("model_weights")
        root.attrs["layer_names0"] = [b"input"]
        root.attrs["layer_names1"] = [b"first", b"second"]
        root.create_group("input").attrs["weight_names"] = []
        for name, ours in (("first", "dense_1"), ("second", "dense_2")):
            group = root.create_group(name)
            group.attrs["weight_names"] = [f"{name}/kernel:0".encode(), f"{name}/bias:0".encode()]
            group[f"{name}/kernel:0"] = weights[f"{ours}.weight"].T
            group[f"{name}/bias:0"] = weights[f"{ours}.bias"]
    loaded = transfer.load(str(tmp_path / "a.h5"), net)
    assert all(numpy.array_equal(loaded[key], value) for key, value in weights.items())


def test_more_than_ten_layers_of_a_class_are_taken_in_their_order(tmp_path: Path) -> None:
    """Keras numbers the groups of a class; HDF5 lists them as text, `dense_10` before `dense_2`.
    Layers whose names are others are matched in the model's order."""
    layers = "layers: [" + ", ".join(["{dense: 2}"] * 12) + "]"
    net = written(f"archc: 1\nname: net\ninput: {{features: 2}}\n{layers}\n", tmp_path)
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        for number in range(12):
            group = file.create_group(f"layers/dense{f'_{number}' if number else ''}/vars")
            group.attrs["name"] = f"block{12 - number}_fc"
            group["0"] = numpy.full((2, 2), number, "float32")
            group["1"] = numpy.full(2, number, "float32")
    loaded = transfer.load(str(tmp_path / "a.weights.h5"), net)
    for number in range(12):
        assert (loaded[f"dense_{number + 1}.weight"] == number).all()
        assert (loaded[f"dense_{number + 1}.bias"] == number).all()


# HDF5 that is none of Keras'


def _whole(file: Any, layer: str = "dense") -> Any:
    group = file.create_group(f"layers/{layer}/vars")
    group["0"] = numpy.zeros((3, 2), "float32")
    group["1"] = numpy.zeros(2, "float32")
    return group


def _listing(file: Any, names: Any) -> None:
    file.attrs["layer_names"] = names
    file.create_group("a").attrs["weight_names"] = ["b"]
    file.create_group("a/b")


def _twice(file: Any) -> None:
    for layer in ("dense", "dense_1"):
        _whole(file, layer).attrs["name"] = "one"


def _circle(file: Any) -> None:
    group = file.create_group("layers")
    group["again"] = group


HOSTILE = {
    "a type": (lambda file: file.__setitem__("t", numpy.dtype("f4")), "no array of numbers"),
    "no numbers": (lambda file: file.__setitem__("x", h5py.Empty("f4")), "no array of numbers"),
    "records": (
        lambda file: file.__setitem__("x", numpy.zeros(2, [("a", "f4")])),
        "no array of numbers",
    ),
    "layers are an array": (lambda file: file.__setitem__("layers", numpy.zeros(3)), "no `layers`"),
    "names of variables": (
        lambda file: _whole(file).__setitem__("x", numpy.zeros(3)),
        "have no numbers",
    ),
    "one name for two layers": (_twice, "are both called `one`"),
    "a circle": (_circle, "nest too deep"),
    "a list that is a number": (lambda file: _listing(file, 3), "no list `layer_names`"),
    "a list that is text": (lambda file: _listing(file, "a"), "no list `layer_names`"),
    "a layer that is not there": (lambda file: _listing(file, ["x"]), "no layer `x`"),
    "a layer twice": (lambda file: _listing(file, ["a", "a"]), "a layer twice"),
    "a group for an array": (lambda file: _listing(file, ["a"]), "no array `b` in `/a`"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hdf5_that_keras_does_not_write_is_refused(name: str, net: Network, tmp_path: Path) -> None:
    make, message = HOSTILE[name]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        make(file)
    assert message in refusal(tmp_path / "a.h5", net)


def test_a_process_that_dies_or_goes_on_for_ever_is_told(
    net: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As HDF5's library does on some damaged files."""
    (tmp_path / "apart").mkdir()
    for name in ("archc", "archc/backends", "archc/backends/runtime", "archc/backends/keras"):
        folder = tmp_path / f"apart/{name}"
        folder.mkdir()
        (folder / "__init__.py").touch()
    for name in ("backends/runtime/sandbox.py", "version.py"):
        own = (Path(sandbox.__file__).parents[2] / name).read_text()
        (tmp_path / "apart/archc" / name).write_text(own)
    monkeypatch.setattr(sandbox, "ROOT", str(tmp_path / "apart"))
    monkeypatch.chdir(tmp_path)
    reader = tmp_path / "apart/archc/backends/keras/hdf5.py"
    with h5py.File(tmp_path / "a.h5", "w") as file:
        _whole(file)
    reader.write_text("import os\nos.abort()\n")
    assert "killed by signal" in refusal(tmp_path / "a.h5", net)
    reader.write_text("raise SystemExit(3)\n")
    assert "exit code 3" in refusal(tmp_path / "a.h5", net)
    reader.write_text(
        "from archc.backends.runtime import sandbox\n"
        "sandbox.SECONDS = 1\nsandbox.limit(0)\nwhile True: pass\n"
    )
    assert "takes too long" in refusal(tmp_path / "a.h5", net)


def test_damaged_files_are_refused_or_read(net: Network, tmp_path: Path) -> None:
    """Bytes changed at random, by a fixed seed."""
    transfer.save_neutral(str(tmp_path / "a.safetensors"), random_weights(net), net.costs)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        _whole(file)
        _whole(file, "dense_1")
    chance = random.Random(1)
    refused = 0
    codes: set[str] = set()
    for name, times in (("a.safetensors", 300), ("a.h5", 15)):
        content = (tmp_path / name).read_bytes()
        for _ in range(times):
            changed = bytearray(content)
            for _ in range(chance.choice((1, 2, 16))):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            (tmp_path / "x").write_bytes(changed)
            try:
                transfer.load(str(tmp_path / "x"), net)
            except SpecError as error:
                refused += 1
                codes |= {one.code for one in error.diagnostics}
    assert refused > 100
    assert codes == {"ARC603", "ARC604"}


def test_damaged_archives_are_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("archive/data.pkl", b"x" * 50)
    assert archive_error(str(tmp_path / "a.pth")) is None
    content = (tmp_path / "a.pth").read_bytes()
    chance = random.Random(2)
    errors = []
    for _ in range(500):
        changed = bytearray(content)
        changed[chance.randrange(len(changed))] = chance.randrange(256)
        (tmp_path / "x").write_bytes(changed)
        errors.append(archive_error(str(tmp_path / "x")))
    assert "it is no sound archive" in errors


def test_a_keras_archive_is_called_so(net: Network, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("model.weights.h5", b"")
    assert "a `.keras` archive" in refusal(tmp_path / "a.keras", net)
