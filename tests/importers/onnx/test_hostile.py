"""Files that are cut, lie about sizes, point elsewhere or never end: one clear error for each, and
nothing is read outside the file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy
import onnx
import pytest
from onnx import TensorProto, helper

from archc.diagnostics import SpecError
from archc.importers import formats
from archc.importers.onnx import network_of
from archc.importers.onnx.model import read_model
from archc.importers.onnx.terms import ModelError, terms_of
from archc.importers.spec import as_spec
from archc.onnx_format.protobuf import FormatError
from tests.importers.models import light, model, write

CONV = helper.make_node("Conv", ["x", "w"], ["y"])


def conv() -> onnx.ModelProto:
    """A model of one convolution."""
    return model([CONV], {"w": (4, 3, 3, 3)}, ["N", 4, 6, 6])


def error_of(path: str) -> str:
    """The only error of a file."""
    with pytest.raises(SpecError) as error:
        formats.read(path)
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code in ("ARC801", "ARC802")
    return diagnostic.message


def test_the_sound_model_is_read(tmp_path: Path) -> None:
    (layer,) = formats.read(write(tmp_path, conv())).layers
    assert layer.output.sizes == (4, 6, 6)


def test_a_file_that_is_cut_anywhere_is_refused_or_lacks_its_graph() -> None:
    data = light("squeezenet").read_bytes()
    for size in range(0, len(data), 97):
        with pytest.raises(FormatError):
            read_model(memoryview(data)[:size])


def test_a_cut_file_has_one_error(tmp_path: Path) -> None:
    data = light("squeezenet").read_bytes()
    assert "cut off or damaged" in error_of(write(tmp_path, data[:-1]))


def test_a_length_beyond_the_file_is_not_believed(tmp_path: Path) -> None:
    # Field 7, the graph, of 2^62 bytes.
    data = b"\x08\x0a" + b"\x3a" + b"\xff" * 8 + b"\x3f" + b"\0" * 16
    assert "bytes beyond the end" in error_of(write(tmp_path, data))


def test_a_number_without_end_is_refused(tmp_path: Path) -> None:
    assert "more than 64 bits" in error_of(write(tmp_path, b"\x08" + b"\xff" * 30))


def test_an_array_that_claims_two_gibibytes_is_refused(tmp_path: Path) -> None:
    own = conv()
    own.graph.initializer[0].dims[:] = [1 << 29, 1, 1, 1]
    assert "claims 2,147,483,648 bytes, the file has 432" in error_of(write(tmp_path, own))


def test_a_fill_of_terabytes_takes_no_memory(tmp_path: Path) -> None:
    shape = numpy.array([1 << 20, 1 << 19, 3, 3], "int64")
    nodes = [helper.make_node("ConstantOfShape", ["s"], ["w"]), CONV]
    message = error_of(write(tmp_path, model(nodes, {"s": shape}, ["N", 4, 6, 6])))
    assert "3 channels in 1 groups" in message


def test_arrays_of_other_files_are_never_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    os.mkfifo(secret)  # whoever opened it would wait for ever
    own = conv()
    tensor = own.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for path in ("secret", "../secret", "/etc/passwd"):
        del tensor.external_data[:]
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", path
        assert len(formats.read(write(tmp_path, own)).layers) == 1


def test_a_cycle_is_named(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])]
    message = error_of(write(tmp_path, model(nodes, {}, ["N", 3, 8, 8])))
    assert "`a` uses `b`, which nothing before it computes" in message


def test_ranks_beyond_all_use_are_refused(tmp_path: Path) -> None:
    own = conv()
    own.graph.initializer[0].dims[:] = [1] * 1000
    assert "more than 8 axes" in error_of(write(tmp_path, own))


def test_negative_sizes_are_refused(tmp_path: Path) -> None:
    own = conv()
    own.graph.initializer[0].dims[:] = [-4, -3, 3, 3]
    assert "an axis has -4 elements" in error_of(write(tmp_path, own))


@pytest.mark.parametrize("name", ["a\x1b[31mb", "a\nb", "a\u202eb", "a\0b"])
def test_names_with_control_characters_are_refused(name: str, tmp_path: Path) -> None:
    own = conv()
    own.graph.node[0].name = name
    message = error_of(write(tmp_path, own))
    assert "characters that do not print" in message
    assert message.isprintable()


def test_functions_that_call_themselves_end(tmp_path: Path) -> None:
    body = [helper.make_node("Own", ["a"], ["b"], domain="mine")]
    imports = [helper.make_opsetid("mine", 1)]
    function = helper.make_function("mine", "Own", ["a"], ["b"], body, imports)
    own = model(
        [helper.make_node("Own", ["x"], ["y"], domain="mine")],
        {},
        ["N", 3, 8, 8],
        functions=[function],
        imports=imports,
    )
    assert "more than 32 deep" in error_of(write(tmp_path, own))


def test_functions_that_double_end(tmp_path: Path) -> None:
    imports = [helper.make_opsetid("mine", 1), helper.make_opsetid("", 17)]
    functions = []
    for number in range(30):
        inner = f"F{number + 1}" if number < 29 else "Relu"
        domain = "mine" if number < 29 else ""
        body = [
            helper.make_node(inner, ["a"], ["c"], domain=domain),
            helper.make_node(inner, ["c"], ["b"], domain=domain),
        ]
        functions.append(helper.make_function("mine", f"F{number}", ["a"], ["b"], body, imports))
    own = model(
        [helper.make_node("F0", ["x"], ["y"], domain="mine")],
        {},
        ["N", 3, 8, 8],
        functions=functions,
        imports=imports[:1],
    )
    assert "open to more than 200,000 operations" in error_of(write(tmp_path, own))


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"import os\nos.system('true')\n", b"\x08" * 15, os.urandom(64)):
        assert error_of(write(tmp_path, content, "model.py"))


def test_a_missing_file_is_no_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as error:
        formats.read(str(tmp_path / "none.onnx"))
    assert error.value.diagnostics[0].code == "ARC001"


def test_weights_that_are_shared_are_not_doubled(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[1] * 4),
        helper.make_node("Conv", ["a", "w"], ["y"], pads=[1] * 4, name="again"),
    ]
    own = model(nodes, {"w": (3, 3, 3, 3)}, ["N", 3, 8, 8])
    path = write(tmp_path, own)
    imported = as_spec(formats.read(path), "small", path, [])
    assert imported.loaded.costs.totals.params == 3 * 3 * 3 * 3
    nodes[1].attribute.append(helper.make_attribute("dilations", [2, 2]))
    message = error_of(write(tmp_path, model(nodes, {"w": (3, 3, 3, 3)}, ["N", 3, 6, 6])))
    assert message == "weights that several operations share: once (`again`)"


@pytest.mark.parametrize("doubled", [False, True])
def test_arrays_of_very_many_steps_end(doubled: bool, tmp_path: Path) -> None:
    steps = [helper.make_node("Add", ["w", "w"], ["a0"])]
    for place in range(2000):
        other = f"a{place}" if doubled else "w"
        steps.append(helper.make_node("Add", [f"a{place}", other], [f"a{place + 1}"]))
    steps += [
        helper.make_node("Concat", ["a2000", "a2000"], ["both"], axis=0),
        helper.make_node("PRelu", ["x", "both"], ["y"]),
    ]
    own = model(steps, {"w": (3,)}, ["N", 6], ["N", 6])
    message = error_of(write(tmp_path, own))
    assert message.startswith("an array that is computed in more than 300 steps: once")


def test_everything_unsupported_is_listed_at_once(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Mish", ["x"], ["a"], name="first"),
        helper.make_node("Conv", ["a", "w"], ["b"]),
        helper.make_node("Mish", ["b"], ["c"], name="second"),
        helper.make_node("Softmax", ["c"], ["y"], axis=2, name="wrong"),
    ]
    own = model(nodes, {"w": (4, 3, 3, 3)}, ["N", 4, 6, 6], opset=18)
    with pytest.raises(SpecError) as error:
        formats.read(write(tmp_path, own))
    messages = [one.message for one in error.value.diagnostics]
    assert "the operation Mish: 2 times (`first`, `second`)" in messages
    assert "Softmax of [1, 4, 6, 6] along the axis 2: once (`wrong`)" in messages
    assert all(one.code == "ARC802" for one in error.value.diagnostics)


@pytest.mark.parametrize("inputs", [["", "x"], ["x"], ["x", ""]])
@pytest.mark.parametrize("op", ["Add", "Div", "Mul", "Slice", "Gather"])
def test_operations_without_their_inputs_are_refused(op: str, inputs: list[str]) -> None:
    nodes = [
        helper.make_node(op, inputs, ["a"]),
        helper.make_node("Relu", ["x"], ["b"]),
        helper.make_node("Sum", ["a", "b"], ["y"]),
    ]
    data = model(nodes, {}, ["N", 3, 8], ("N", 3, 8)).SerializeToString()
    with pytest.raises((SpecError, ModelError)):
        network_of(terms_of(read_model(memoryview(data))), "small")
