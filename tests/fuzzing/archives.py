"""Damaged files of weights and of data: sound ones, changed in their bytes or in what they hold."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np

from tests.fuzzing import mutation

FILES = Path(__file__).parent / "corpus" / "files"
NETWORK = FILES / "network.yaml"
"""The network whose weights the files hold."""
WEIGHTS = {
    "safetensors": ("neutral.safetensors", "torch.safetensors"),
    "hdf5": ("keras.weights.h5",),
    "pickle": ("torch.pth", "legacy.pth"),
}
DATE = (1980, 1, 1, 0, 0, 0)
RECORD: dict[str, Any] = {
    "name": "network",
    "classes": ["a", "b"],
    "recipe": {"metric": "accuracy", "epochs": 3},
    "statistics": {"mean": [0.1], "deviation": [0.3]},
}
EPOCHS = [
    {"epoch": 1, "loss": 0.5, "accuracy": 0.9, "validation_loss": 0.6},
    {"epoch": 2, "loss": 0.4, "accuracy": 0.95, "validation_loss": 0.5},
]
WORDS = mutation.Vocabulary(
    ("__metadata__", "dtype", "shape", "data_offsets", "format", "name", "epoch", "loss", "x"),
    ("F32", "F64", "BF16", "U8", "BOOL", "F8_E4M3", "archc-weights", "1", "pt", "loss"),
)


def damaged_file(random: Random, kind: str) -> bytes:
    """A file of a kind of `inputs.FILE_KINDS`; one in some tens is sound."""
    make = _MAKERS[kind]
    data = make(random)
    if random.random() < 0.45:
        return mutation.mutated_bytes(random, data, [*_sound(kind), b"\x00" * 40])
    return data


@cache
def _sound(kind: str) -> tuple[bytes, ...]:
    names = WEIGHTS.get(kind)
    return tuple((FILES / name).read_bytes() for name in names) if names else (b"PK\x03\x04",)


def _values(random: Random, document: Any) -> Any:
    return mutation.mutated_values(random, document, [document], WORDS, lambda steps: None)


def _safetensors(random: Random) -> bytes:
    data = random.choice(_sound("safetensors"))
    size = struct.unpack("<Q", data[:8])[0]
    header = _values(random, json.loads(data[8 : 8 + size]))
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    claimed = random.choice((len(text), len(text), len(text), len(text) - 1, 1 << 40))
    return struct.pack("<Q", claimed) + text + data[8 + size :]


def _hdf5(random: Random) -> bytes:
    """A file of Keras with something in it changed: what is a group, a link, an attribute."""
    buffer = io.BytesIO(_sound("hdf5")[0])
    with h5py.File(buffer, "r+") as file:
        for _ in range(random.randint(1, 3)):
            places: list[str] = ["/"]
            file.visit(places.append)
            with suppress(KeyError, OSError, RuntimeError, ValueError):  # not every change is taken
                _change_hdf5(random, file, random.choice(places))
    return buffer.getvalue()


def _change_hdf5(random: Random, file: Any, place: str) -> None:
    name = random.choice(("x", "0", "7", "layers", "vars", "a/b", "é", "vars/1"))
    group = file[place] if isinstance(file[place], h5py.Group) else file[place].parent
    if group.get(name, getlink=True) is not None:
        del group[name]
    kind = random.randrange(8)
    if kind == 0 and place != "/":
        del file[place]
    elif kind == 1:
        group[name] = h5py.SoftLink(random.choice(("/layers", "/nowhere", "/", ".")))
    elif kind == 2:
        group[name] = h5py.ExternalLink("/etc/passwd", "/")
    elif kind == 3:
        group[name] = np.zeros(random.choice(((), (0,), (2, 3), (1, 1, 1, 1))), _dtype(random))
    elif kind == 4:
        chosen = random.choice(("name", "layer_names", "weight_names", "layer_names0"))
        texts = [b"a", b"layers", b"\xff"]
        group.attrs[chosen] = random.choice((1, "dense", b"\xff", texts, [], np.zeros((2, 2))))
    elif kind == 5:
        group[name] = h5py.Empty(_dtype(random))
    elif kind == 6:
        group.create_dataset(
            name, (4, 4), _dtype(random), chunks=(2, 2), compression=random.choice((None, "gzip"))
        )
    else:
        layout = h5py.VirtualLayout((2,), "f4")
        layout[:] = h5py.VirtualSource("/etc/passwd", "x", (2,))
        group.create_virtual_dataset(name, layout)


def _dtype(random: Random) -> str:
    return random.choice(("f4", ">f8", "f2", "i8", "u1", "c8", "S3", "bool", "f4,i2"))


def _pickle(random: Random) -> bytes:
    """A state dict whose pickle is damaged inside of a sound archive."""
    data = random.choice(_sound("pickle"))
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return data
    members = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    name = random.choice([one for one in members if one.endswith("data.pkl")] * 3 + [*members])
    kind = random.randrange(5)
    if kind == 0:
        del members[name]
    elif kind == 1:
        objects = ([], {"a": 1}, {"state_dict": {}}, {"state_dict": {1: 2}}, "x", None, {})
        members[name] = pickle.dumps(random.choice(objects), protocol=2)
    else:
        others = [b"cbuiltins\nexec\n", b"\x80\x02}q\x00.", members[name]]
        members[name] = mutation.mutated_bytes(random, members[name], others)
    compression = random.choice((zipfile.ZIP_STORED,) * 5 + (zipfile.ZIP_DEFLATED,))
    if random.random() < 0.05:
        members["model.weights.h5"] = b""
    return _zipped(members, compression)


def _zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, DATE), content, compression)
    return buffer.getvalue()


def _npz(random: Random) -> bytes:
    """Images with labels, or the validation of a run."""
    arrays = {
        "images": np.zeros((3, 4, 4, 1), "u1"),
        "labels": np.arange(3),
        "indices": np.arange(3),
        "predicted": np.array([0, 1, 1]),
        "probabilities": np.full((3, 3), 0.5, "f4"),
        "worst": np.array([1, 0, 2]),
    }
    members = {}
    for name, array in arrays.items():
        if random.random() < 0.1:
            shape = random.choice(((), (0,), (3,), (3, 4, 4, 1), (2, 3)))
            array = np.zeros(shape, _dtype(random))
        stream = io.BytesIO()
        np.lib.format.write_array(stream, array, allow_pickle=False)
        content = stream.getvalue()
        if random.random() < 0.15:
            head = mutation.mutated_bytes(random, content[:128], [b"'shape': (9,), 'descr': '|O'"])
            content = head + content[128:]
        if random.random() > 0.03:
            members[random.choice((name,) * 9 + ("x",)) + ".npy"] = content
    return _zipped(members, random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))


def _csv(random: Random) -> bytes:
    header = ["label", *(f"pixel{index}" for index in range(16))]
    rows = [header, *([str(random.randrange(256)) for _ in header] for _ in range(3))]
    for row in rows[1:]:
        row[0] = str(random.randrange(10))
    row = random.choice(rows)
    odd = ("", "-1", "256", "1e3", "é", '"', '"1"', "nan", " 7", "0x10", "1" * 400, "=1+1", "٣")
    for _ in range(random.randrange(3)):
        row[random.randrange(len(row))] = random.choice(odd)
    if random.random() < 0.2:
        row.append("7")
    end = random.choice(("\n", "\n", "\r\n", "\r"))
    return (random.choice(("", "", "\ufeff")) + end.join(map(",".join, rows)) + end).encode()


def _idx(random: Random) -> bytes:
    sizes = [random.choice((2, 2, 2, 0, 3, 1 << 31)), *random.choice(((4, 4), (4, 4), (4, 5)))]
    data = struct.pack(">BBBB3I", 0, 0, random.choice((8, 8, 8, 9)), 3, *sizes) + bytes(32)
    return gzip.compress(data, mtime=0) if random.random() < 0.5 else data


def _record(random: Random) -> bytes:
    """`run.json` and `metrics.jsonl` of a run, one after the other."""
    record, epochs = RECORD, EPOCHS
    if random.random() < 0.5:
        record = _values(random, record)
    else:
        epochs = _values(random, epochs)
    return b"\n".join(json.dumps(one).encode() for one in (record, *epochs)) + b"\n"


_MAKERS: dict[str, Callable[[Random], bytes]] = {
    "safetensors": _safetensors,
    "hdf5": _hdf5,
    "pickle": _pickle,
    "npz": _npz,
    "csv": _csv,
    "idx": _idx,
    "record": _record,
}
