"""Archives that are cut, lie about sizes, nest, loop or point elsewhere: one clear error for each,
in bounded memory and time."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")


from torch import nn

from archc.diagnostics import SpecError
from archc.importers import formats
from archc.importers.export import save_weights
from archc.importers.spec import as_spec
from archc.importers.torch_export import network_of
from archc.importers.torch_export.archive import ArchiveError, program_of
from tests.importers.torch_export.programs import edited, saved

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(784, 5))
    return saved(tmp_path_factory.mktemp("sound"), model)


def message_of(path: Path) -> str:
    """The only error of a file."""
    with pytest.raises(SpecError) as error:
        formats.read(str(path))
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code in ("ARC801", "ARC802")
    assert diagnostic.message.isprintable()
    return diagnostic.message


def error_of(path: Path) -> str:
    """The error of a file, by the functions that its process calls."""
    with pytest.raises((ArchiveError, SpecError)) as error:
        network_of(program_of(str(path)), str(path))
    if isinstance(error.value, SpecError):
        (diagnostic,) = error.value.diagnostics
        assert diagnostic.message.isprintable()
        return diagnostic.message
    assert str(error.value).isprintable()
    return str(error.value)


def graph(program: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = program["graph_module"]["graph"]
    return found


def rewritten(sound: Path, tmp_path: Path, changes: dict[str, bytes | None]) -> Path:
    """The archive with some members replaced, or left out."""
    path = tmp_path / "rewritten.pt2"
    with (
        zipfile.ZipFile(sound) as archive,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as result,
    ):
        for name in archive.namelist():
            _, _, own = name.partition("/")
            data = changes.get(own, archive.read(name))
            if data is not None:
                result.writestr(name, data)
    return path


def test_a_cut_archive_has_one_error(sound: Path, tmp_path: Path) -> None:
    data = sound.read_bytes()
    path = tmp_path / "cut.pt2"
    for size in (200, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        assert "it is no sound archive" in error_of(path)
    assert "it is no sound archive" in message_of(path)


def test_an_archive_of_something_else_is_named(sound: Path, tmp_path: Path) -> None:
    path = rewritten(sound, tmp_path, {"archive_format": b"aoti"})
    assert "it is no archive of torch.export" in error_of(path)
    path = rewritten(sound, tmp_path, {"archive_format": None})
    assert "an archive of no format that is read" in error_of(path)
    path = rewritten(sound, tmp_path, {"models/model.json": None})
    assert "it holds 0 models, not one" in error_of(path)


def test_a_member_that_expands_without_end_is_not_expanded(sound: Path, tmp_path: Path) -> None:
    path = rewritten(sound, tmp_path, {"models/model.json": b" " * (65 << 20)})
    assert path.stat().st_size < 1 << 20
    assert "more than 67,108,864 bytes" in message_of(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "no JSON, or nests too deep"),
        ('{"graph_module": ', "no JSON, or nests too deep"),
        ("[]", "has no `schema_version`"),
        ('{"schema_version": {"major": 9}}', "its schema has the version 9, not 8"),
        ('{"schema_version": {"major": 8}}', "has no `graph_module`"),
    ],
)
def test_json_that_is_no_program_is_refused(
    text: str, message: str, sound: Path, tmp_path: Path
) -> None:
    assert message in error_of(rewritten(sound, tmp_path, {"models/model.json": text.encode()}))


def shape(name: str, sizes: list[Any]) -> Callable[[dict[str, Any]], None]:
    def edit(program: dict[str, Any]) -> None:
        graph(program)["tensor_values"][name]["sizes"] = sizes

    return edit


def argument(place: int, name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def edit(program: dict[str, Any]) -> None:
        inputs = graph(program)["nodes"][place]["inputs"]
        kept = [one for one in inputs if one["name"] != name]
        inputs[:] = [{"name": name, "arg": value, "kind": 1}, *kept]

    return edit


def twice(program: dict[str, Any]) -> None:
    nodes = graph(program)["nodes"]
    nodes.insert(2, nodes[1])


def of_nothing(program: dict[str, Any]) -> None:
    graph(program)["nodes"][1]["inputs"] = []


INT = {"as_int": 1}
EDITS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a cycle": (argument(1, "self", {"as_tensor": {"name": "linear"}}), "or in a cycle"),
    "a value twice": (twice, "the value `relu` is computed twice"),
    "no argument": (of_nothing, "relu of arrays alone"),
    "ranks": (shape("relu", [INT] * 1000), "more than 16 axes"),
    "negative": (shape("relu", [{"as_int": -4}]), "an impossible size"),
    "huge": (shape("input", [{"as_int": 1 << 62}]), "an impossible size"),
    "lying": (
        shape("conv2d", [{"as_int": 2}, {"as_int": 1 << 39}, INT, INT]),
        "`conv2d` in `0` gives",
    ),
    "kernel": (
        shape("p_0_weight", [{"as_int": 4}, {"as_int": 0}, {"as_int": 3}, {"as_int": 3}]),
        "has arrays of",
    ),
    "stride": (argument(0, "stride", {"as_ints": [0, 0]}), "conv2d with stride [0, 0]"),
    "groups": (argument(0, "groups", {"as_int": 0}), "groups"),
    "padding": (argument(0, "padding", {"as_ints": [-1, -1]}), "conv2d with padding [-1, -1]"),
    "type": (argument(0, "stride", {"as_string": "two"}), "conv2d with stride two"),
    "weights": (
        argument(0, "weight", {"as_tensor": {"name": "input"}}),
        "a weight that is computed",
    ),
    "module": (lambda program: program["graph_module"].clear(), "has no `graph`"),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_graph_that_lies_is_refused(name: str, sound: Path, tmp_path: Path) -> None:
    edit, message = EDITS[name]
    own = tmp_path / "own.pt2"
    own.write_bytes(sound.read_bytes())
    assert message in error_of(edited(own, edit))


@pytest.mark.parametrize("name", ["a\x1b[31mb", "a\nb", "a\u202eb", "a\0b", "a" * 600, ""])
def test_names_that_do_not_print_are_refused(name: str, sound: Path, tmp_path: Path) -> None:
    def edit(program: dict[str, Any]) -> None:
        node = graph(program)["nodes"][1]
        node["outputs"][0]["as_tensor"]["name"] = name

    own = tmp_path / "own.pt2"
    own.write_bytes(sound.read_bytes())
    message = error_of(edited(own, edit))
    assert "characters that do not print" in message or "a name is malformed" in message


def weights_error(path: Path, tmp_path: Path) -> str:
    own = as_spec(formats.read(str(path)), "model", str(path), [])
    target = tmp_path / "weights.safetensors"
    with pytest.raises(SpecError) as error:
        save_weights(own, str(path), str(target))
    assert not target.exists()
    (diagnostic,) = error.value.diagnostics
    return diagnostic.message


def test_weights_that_reach_beyond_their_bytes_are_refused(sound: Path, tmp_path: Path) -> None:
    path = rewritten(sound, tmp_path, {"data/weights/weight_0": b"\0" * 428})
    assert "reaches beyond its bytes" in weights_error(path, tmp_path)


def test_weights_elsewhere_are_not_read(sound: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"\0" * 4096)

    def edit(config: dict[str, Any]) -> None:
        config["config"]["0.weight"]["path_name"] = f"../../../..{secret}"

    own = tmp_path / "own.pt2"
    own.write_bytes(sound.read_bytes())
    path = edited(own, edit, "model_weights_config.json")
    assert "it is an archive without data/weights/" in weights_error(path, tmp_path)


def test_pickled_weights_are_not_read(sound: Path, tmp_path: Path) -> None:
    def edit(config: dict[str, Any]) -> None:
        config["config"]["0.weight"]["use_pickle"] = True

    own = tmp_path / "own.pt2"
    own.write_bytes(sound.read_bytes())
    path = edited(own, edit, "model_weights_config.json")
    assert "`0.weight` is pickled, and not read" in weights_error(path, tmp_path)


def test_the_sound_archive_is_read_without_its_pickle(sound: Path, tmp_path: Path) -> None:
    path = rewritten(sound, tmp_path, {"data/sample_inputs/model.pt": b"\x80\x02cos\nabort\n)R."})
    assert json.dumps(program_of(str(path))) == json.dumps(program_of(str(sound)))
    assert [layer.op.name for layer in formats.read(str(path)).layers] == [
        "conv",
        "flatten",
        "dense",
    ]
