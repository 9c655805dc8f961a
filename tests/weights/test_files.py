"""Files of weights: what one writes the other reads, bit for bit; what is none is refused."""

from __future__ import annotations

import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy
import pytest
from safetensors.numpy import load_file, save_file

from archc.api import Network, load
from archc.backends.runtime import sandbox
from archc.cli import main
from archc.diagnostics import SpecError
from archc.ir.arrays import arrays
from archc.verify import FixedTensors, Settings, Workers, outputs
from archc.weights import transfer

ROOT = Path(__file__).parents[2]
EVERYTHING = """archc: 1
name: everything
input: {channels: 4, height: 9, width: 8}
blocks:
  unit:
    params: {width: null}
    layers:
      - conv: {filters: $width, kernel_size: 3, padding: same, bias: false}
      - batch_norm
      - prelu
layers:
  - conv: {filters: 4, kernel_size: 3, groups: 2, activation: prelu}
    name: grouped
  - repeat: 3
    layers:
      - block: unit
        with: {width: 6}
  - depthwise_conv: {kernel_size: 2, multiplier: 2}
  - conv_transpose: {filters: 6, kernel_size: 3, stride: 2}
  - layer_norm
  - group_norm: 3
  - scale: {bias: true}
  - section: head
    layers:
      - flatten
      - batch_norm: {affine: false}
      - dense: {units: 5, activation: prelu}
      - dense: {units: 4, bias: false}
"""
SEQUENCE = """archc: 1
name: sequence
input: {tokens: 6, dtype: int32}
layers:
  - embedding: {vocabulary: 11, features: 8}
  - position_embedding
  - class_token
  - rms_norm
  - attention: {heads: 2, dropout: 0.1}
  - attention: {heads: 4, key_heads: 2, head_size: 3, bias: false}
  - attention: {heads: 2, key_heads: 1, rotary: 10000, qk_norm: true, dropout: 0.1}
  - lstm: {units: 3, bidirectional: true, layers: 2, dropout: 0.1, return_sequences: true}
  - gru: {units: 3, return_sequences: true, layers: 2}
  - gru: {units: 2, bidirectional: true}
  - dense: 3
"""
PLAIN = """archc: 1
name: plain
input: {channels: 2, height: 5, width: 5}
layers:
  - conv: {filters: 2, kernel_size: 3, padding: same}
  - depthwise_conv: {kernel_size: 3, padding: same}
  - conv_transpose: {filters: 2, kernel_size: 3}
  - scale: {bias: true}
  - conv: {filters: 2, kernel_size: 3}
"""
STRAIGHT = """archc: 1
name: straight
input: {channels: 2, height: 6, width: 6}
layers:
  - conv: {filters: 3, kernel_size: 3}
  - batch_norm
  - relu
  - flatten
  - dense: 4
"""


def network(folder: Path, text: str = STRAIGHT) -> Network:
    (folder / "net.yaml").write_text(text)
    return load(str(folder / "net.yaml"), {})


def random_weights(net: Network) -> dict[str, Any]:
    random = numpy.random.default_rng(9)
    return {
        one.key: random.uniform(0.5, 1.5, one.variable.shape).astype("float32")
        for one in arrays(net.costs)
    }


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(
        a[key].dtype == b[key].dtype and numpy.array_equal(a[key], b[key]) for key in a
    )


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        *product(("pth", "safetensors"), (EVERYTHING, SEQUENCE, STRAIGHT, PLAIN)),
        ("weights.h5", EVERYTHING),  # TensorFlow takes seven seconds to start
        ("weights.h5", SEQUENCE),
    ],
)
def test_every_array_comes_back_bit_for_bit(
    text: str, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "none of them")  # nothing hangs on the user's setting
    net = network(tmp_path, text)
    weights = random_weights(net)
    path = str(tmp_path / f"out.{ending}")
    transfer.save(path, weights, net, "keras" if ending == "weights.h5" else "torch")
    assert same(transfer.load(path, net), weights)
    assert sorted(os.listdir(tmp_path)) == sorted(["net.yaml", f"out.{ending}"])


def test_the_neutral_form_tells_what_it_is(tmp_path: Path) -> None:
    net = network(tmp_path)
    weights = random_weights(net)
    path = tmp_path / "net.safetensors"
    transfer.save_neutral(str(path), weights, net.costs)
    assert sorted(load_file(path)) == sorted(
        ["batch_norm_1.bias", "batch_norm_1.running_mean", "batch_norm_1.running_var",
         "batch_norm_1.weight", "conv_1.bias", "conv_1.weight", "dense_1.bias", "dense_1.weight"]
    )  # fmt: skip
    size = struct.unpack("<Q", path.read_bytes()[:8])[0]
    metadata = json.loads(path.read_bytes()[8 : 8 + size])["__metadata__"]
    assert metadata["format"] == "archc-weights"
    assert metadata["name"] == "straight"
    assert metadata["sha256"] == net.costs.graph.about.digest
    assert same(transfer.load(str(path), net), weights)


def test_emitted_networks_load_what_is_written(tmp_path: Path, workers: Workers) -> None:
    """PyTorch strictly, Keras by `load_weights`; both then give what verification gives them."""
    import torch

    net = network(tmp_path, EVERYTHING)
    weights = random_weights(net)
    x = numpy.random.default_rng(2).standard_normal((2, 4, 9, 8)).astype("float32")
    (expected,) = outputs(
        net,
        "torch",
        FixedTensors(weights, {"input": x}),
        Settings(dtype="float32"),
        workers=workers,
    ).values()
    transfer.save(str(tmp_path / "a.pth"), weights, net, "torch")
    scope: dict[str, Any] = {"__name__": "emitted"}
    exec(net.emit("torch"), scope)
    model = scope["build_model"]().eval()
    model.load_state_dict(torch.load(tmp_path / "a.pth", weights_only=True), strict=True)
    with torch.no_grad():
        numpy.testing.assert_allclose(model(torch.from_numpy(x)).numpy(), expected, rtol=1e-5)
    transfer.save(str(tmp_path / "a.weights.h5"), weights, net, "keras")
    (tmp_path / "emitted.py").write_text(net.emit("keras"))
    numpy.save(tmp_path / "x.npy", numpy.moveaxis(x, 1, -1))
    script = (
        "import numpy, keras, emitted\n"
        "model = emitted.build_model()\n"
        "model.load_weights('a.weights.h5')\n"
        "y = model(numpy.load('x.npy'), training=False)\n"
        "numpy.save('y.npy', keras.ops.convert_to_numpy(y))\n"
        "model.save_weights('b.weights.h5')\n"
    )
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True)
    numpy.testing.assert_allclose(numpy.load(tmp_path / "y.npy"), expected, rtol=1e-4)
    assert same(transfer.load(str(tmp_path / "b.weights.h5"), net), weights)


def test_processes_find_what_this_one_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    assert sandbox.environment()["PYTHONPATH"].split(os.pathsep) == [str(ROOT), "elsewhere"]
    monkeypatch.delenv("PYTHONPATH")
    assert sandbox.environment({"A": "b"})["PYTHONPATH"] == str(ROOT)


# What does not fit


def refusal(path: Path, net: Network) -> list[str]:
    with pytest.raises(SpecError) as caught:
        transfer.load(str(path), net)
    return [f"{one.code} {one.message}" for one in caught.value.diagnostics]


def test_everything_that_does_not_fit_is_told_at_once(tmp_path: Path) -> None:
    net = network(tmp_path)
    weights = random_weights(net)
    path = tmp_path / "net.safetensors"
    del weights["conv_1.bias"]
    weights["dense_1.weight"] = numpy.zeros((4, 47), "float32")
    weights["dense_1.bias"] = weights["dense_1.bias"].astype("int32")
    weights["dense_2.bias"] = numpy.zeros(4, "float32")
    transfer.save_neutral(str(path), weights, net.costs)
    lines = refusal(path, net)
    assert [line.split()[0] for line in lines] == ["ARC604"] * 4
    for part in (
        "`dense_2.bias` belongs to no array",
        "`conv_1.bias` is missing",
        "shape (4, 47), expected (4, 48)",
        "has the type int32",
    ):
        assert sum(part in line for line in lines) == 1, (part, lines)


def test_a_file_of_another_network_reports_the_first_twenty(tmp_path: Path) -> None:
    net = network(tmp_path)
    save_file({f"x{i}.weight": numpy.zeros(1) for i in range(50)}, tmp_path / "o.safetensors")
    lines = refusal(tmp_path / "o.safetensors", net)
    assert len(lines) == 21
    assert any("38 more arrays" in line for line in lines)


class Evil:
    def __reduce__(self) -> Any:
        return os.mkdir, ("hacked",)


def _pickle(path: Path, value: object, compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(value))
        archive.writestr("archive/version", "3\n")


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = network(tmp_path)
    monkeypatch.chdir(tmp_path)
    _pickle(tmp_path / "evil.pth", {"conv_1.weight": Evil()})
    (line,) = refusal(tmp_path / "evil.pth", net)
    assert line.startswith("ARC603 cannot be read: it holds more than weights")
    (tmp_path / "old.pth").write_bytes(pickle.dumps(Evil()))
    (line,) = refusal(tmp_path / "old.pth", net)
    assert line.startswith("ARC603 cannot be read: it holds more than weights")
    assert not (tmp_path / "hacked").exists()


def test_a_compressed_pickle_is_refused(tmp_path: Path) -> None:
    net = network(tmp_path)
    _pickle(tmp_path / "bomb.pth", {"a": bytes(1 << 22)}, zipfile.ZIP_DEFLATED)
    assert refusal(tmp_path / "bomb.pth", net) == [
        "ARC603 cannot be read: it is compressed, which PyTorch's files are not"
    ]


@pytest.mark.parametrize("name", ["state_dict", "model"])
def test_a_state_dict_beside_what_a_training_script_saves_is_read(
    name: str, tmp_path: Path
) -> None:
    import torch

    net = network(tmp_path)
    weights = random_weights(net)
    transfer.save(str(tmp_path / "plain.pth"), weights, net, "torch")
    state = torch.load(tmp_path / "plain.pth", weights_only=True)
    torch.save({name: state, "epoch": 3, "input": (torch.ones(1),)}, tmp_path / "best.pt")
    assert same(transfer.load(str(tmp_path / "best.pt"), net), weights)


def test_a_pickle_of_something_else_is_refused(tmp_path: Path) -> None:
    import torch

    net = network(tmp_path)
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    (line,) = refusal(tmp_path / "list.pth", net)
    assert line == "ARC603 cannot be read: it holds no state dict: names with a tensor each"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        b"\x89HDF\r\n\x1a\n" + bytes(100),
        b"PK\x03\x04" + bytes(100),
        struct.pack("<Q", 1 << 60) + b"{}",
        struct.pack("<Q", 10) + b'{"a": 1}  ',
        struct.pack("<Q", 2) + b"{}",
        b"archc: 1\nname: x\n" * 10,
    ],
)
def test_what_is_no_file_of_weights_is_refused(content: bytes, tmp_path: Path) -> None:
    net = network(tmp_path)
    path = tmp_path / "file"
    path.write_bytes(content)
    lines = refusal(path, net)
    assert all(line.startswith(("ARC603 cannot be read", "ARC604")) for line in lines)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    net = network(tmp_path)
    weights = random_weights(net)
    for ending in ("safetensors", "pth"):
        path = tmp_path / f"net.{ending}"
        transfer.save(str(path), weights, net, "torch")
        path.write_bytes(path.read_bytes()[:-40])
        (line,) = refusal(path, net)
        reason = {"safetensors": "it is no valid safetensors file", "pth": "it is cut off"}[ending]
        assert line.startswith(f"ARC603 cannot be read: {reason}")


def test_the_begin_of_a_safetensors_file_is_no_onnx_file(tmp_path: Path) -> None:
    # The length of its header, 776, is in ONNX the version of the format.
    path = tmp_path / "net.safetensors"
    path.write_bytes(b"\x08\x03" + bytes(6) + b'{"0.weight": {"dtype": "F32"')
    (line,) = refusal(path, network(tmp_path))
    assert line.startswith("ARC603 cannot be read: it is no file of weights, or is truncated")


def _hdf5(path: Path, change: Any) -> None:
    with h5py.File(path, "w") as file:
        group = file.create_group("layers/conv2d/vars")
        group["0"] = numpy.zeros((3, 3, 2, 3), "float32")
        change(file, group)


def _virtual(file: Any, group: Any) -> None:
    """Data of a dataset that is put together from other files."""
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "secret", (4,))
    group.create_virtual_dataset("1", layout)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file, group: group.__setitem__("1", h5py.ExternalLink("/etc/passwd", "/")), "link"),
        (lambda file, group: group.__setitem__("1", h5py.SoftLink("/layers")), "link"),
        (lambda file, group: group.__setitem__("1", b"text"), "no array of numbers"),
        (
            lambda file, group: group.create_dataset(
                "1", (4,), "f4", external=[("/etc/hostname", 0, 16)]
            ),
            "in another file",
        ),
        (_virtual, "in another file"),
        (lambda file, group: file.__delitem__("layers"), "no `layers`"),
    ],
    ids=["external link", "soft link", "text", "external data", "virtual", "no layers"],
)
def test_hdf5_that_leads_elsewhere_is_refused(change: Any, message: str, tmp_path: Path) -> None:
    net = network(tmp_path)
    _hdf5(tmp_path / "net.weights.h5", change)
    (line,) = refusal(tmp_path / "net.weights.h5", net)
    assert line.startswith("ARC603")
    assert message in line


def test_a_huge_array_is_not_loaded(tmp_path: Path) -> None:
    """The file's header declares its shape: a terabyte of nothing, in a few kilobytes."""
    net = network(tmp_path)
    path = tmp_path / "net.weights.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("layers/conv2d")
        group.attrs["name"] = "conv2d"
        group.create_dataset("vars/0", (1 << 19, 1 << 19), "f4", chunks=(1, 64))
    (line,) = refusal(path, net)
    assert line == (
        "ARC603 cannot be read: its arrays would take 1,099,511,627,776 bytes, far more than the "
        "file has"
    )


def test_a_tensor_that_repeats_its_numbers_is_not_written_out(tmp_path: Path) -> None:
    import torch

    net = network(tmp_path)
    torch.save({"conv_1.weight": torch.zeros(1).expand(1 << 40)}, tmp_path / "net.pth")
    (line,) = refusal(tmp_path / "net.pth", net)
    assert "its arrays would take 4,398,046,511,104 bytes" in line


# The command


def test_the_commands(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    net = network(tmp_path)
    monkeypatch.chdir(tmp_path)
    transfer.save("net.pth", random_weights(net), net, "torch")

    def ran(*arguments: str) -> int:
        return main(["weights", *arguments])

    assert ran("import", "net.yaml", "net.pth", "-o", "net.safetensors") == 0
    assert capsys.readouterr().err == "wrote net.safetensors: 8 arrays\n"
    assert same(transfer.load("net.safetensors", net), random_weights(net))
    assert ran("import", "net.yaml", "net.pth", "-o", "net.safetensors") == 2
    assert "exists already" in capsys.readouterr().err
    assert ran("export", "net.yaml", "net.safetensors", "--backend", "torch", "-o", "b.pth") == 0
    assert ran("convert", "net.yaml", "b.pth", "-o", "c.safetensors") == 0
    assert same(transfer.load("c.safetensors", net), random_weights(net))
    capsys.readouterr()
    assert ran("export", "net.yaml", "net.safetensors", "--backend", "keras", "-o", "b.pth") == 2
    assert "end in .weights.h5" in capsys.readouterr().err
    assert ran("import", "net.yaml", "nothing.pth", "-o", "d.safetensors") == 2
    assert "ARC001 cannot be read: no such file" in capsys.readouterr().err
    assert ran("convert", "net.yaml", "net.pth", "-o", "d.bin") == 2
    assert "one of .safetensors, .pth, .pt, .weights.h5" in capsys.readouterr().err
    assert ran("import", "net.yaml", "net.pth", "-o", "no/where.safetensors") == 2
    assert not (tmp_path / "d.safetensors").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "must be a mapping"),
        ("conv_1: [3]\n", "must map to the name"),
        ("conv_1: true\n", "must map to the name"),
        ("conv_1: ''\n", "must map to the name"),
        ("a_{n}.b_{n}: c\n", "each `{n}` once"),
        ("a_{n-1}: c\n", "each `{n}` once"),
        ("a_{N}: c\n", "each `{n}` once"),
        ("a_{n: c\n", "each `{n}` once"),
        ("a_{n}: c_{m}\n", "names.yaml:1:8: ARC604 `a_{n}` has no `{m}`, which `c_{m}` uses"),
        ("a_1: c_{n}\n", "`a_1` has no `{n}`"),
        ("a_{n}: c_{N}\n", "has a placeholder that is none"),
        ("a_{n}: c_{n*2}\n", "has a placeholder that is none"),
        ("a_{n}: c_{n-}\n", "hint: write `{n}`, `{n-1}`, `{2*n}` or `{2*n-1}`"),
        ("a_{n}: c_}\n", "has a placeholder that is none"),
        ("a: b\na: c\n", "ARC007"),
    ],
)
def test_a_malformed_table_is_rejected(
    text: str, message: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    network(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "names.yaml").write_text(text)
    (tmp_path / "net.pth").write_bytes(b"")
    arguments = ["import", "net.yaml", "net.pth", "-o", "o.safetensors", "--names", "names.yaml"]
    assert main(["weights", *arguments]) == 1
    assert message in capsys.readouterr().err
