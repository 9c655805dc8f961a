"""ONNX's bytes, held against those of protobuf's own library in the `onnx` package."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archc.onnx_format.messages import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
)
from archc.onnx_format.protobuf import FormatError, encode, fields_of
from archc.onnx_format.reader import DEEPEST, decode

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
FILES = [
    *sorted((DATA / "light").glob("*.onnx")),
    *sorted((DATA / "node").glob("test_*attention*/model.onnx"))[:20],
    *sorted((DATA / "node").glob("test_*[dn]_expanded/model.onnx"))[:20],
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_files_of_others_are_read_and_written_whole(path: Path) -> None:
    data = path.read_bytes()
    written = encode(decode(ModelProto, data))
    assert onnx.load_from_string(written) == onnx.load_from_string(data)


def test_the_light_models_are_among_the_files() -> None:
    assert len([path for path in FILES if path.parent.name == "light"]) == 9


@pytest.mark.parametrize(
    "message",
    [AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto],
    ids=lambda one: one.__name__,
)
def test_numbers_and_names_of_fields_are_onnx_s_own(message: type) -> None:
    own = {field.name: field.number for field in getattr(onnx, message.__name__).DESCRIPTOR.fields}
    declared = {field.name: field.tag.number for field in fields_of(message)}
    assert declared.items() <= own.items()


@given(
    st.builds(
        TensorProto,
        dims=st.lists(st.integers(-(2**63), 2**63 - 1)).map(tuple),
        data_type=st.none() | st.integers(0, 28),
        float_data=st.lists(st.floats(width=32, allow_nan=False)).map(tuple),
        int64_data=st.lists(st.integers(-(2**63), 2**63 - 1)).map(tuple),
        double_data=st.lists(st.floats(allow_nan=False)).map(tuple),
        string_data=st.lists(st.binary()).map(tuple),
        name=st.none() | st.text(st.characters(codec="utf-8")),
        raw_data=st.none() | st.binary(),
    )
)
def test_tensors_are_the_bytes_of_protobuf(tensor: TensorProto) -> None:
    data = encode(tensor)
    theirs = onnx.TensorProto.FromString(data)
    assert theirs.SerializeToString(deterministic=True) == data
    assert decode(TensorProto, data) == tensor


def test_a_number_that_is_too_large_is_an_error() -> None:
    with pytest.raises(OverflowError):
        encode(TensorProto(dims=(2**64,)))
    with pytest.raises(OverflowError):
        encode(AttributeProto(f=1e39))


def test_unknown_fields_are_skipped() -> None:
    metadata = onnx.ModelProto(ir_version=14)
    metadata.training_info.add()  # which no message here declares
    assert decode(ModelProto, metadata.SerializeToString()) == ModelProto(ir_version=14)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x08", "a number reaches beyond the end"),
        (b"\x08\x80", "a number reaches beyond the end"),
        (b"\x08" + b"\xff" * 10, "more than 64 bits"),
        (b"\x12\x05abc", "reaches 2 bytes beyond the end"),
        (b"\x12\xff\xff\xff\xff\x0fabc", "bytes beyond the end"),
        (b"\x12\x02\xff\xfe", "no text of UTF-8"),
        (b"\x0a\x01a", "`ir_version` has the wire type 2, expected 0"),
        (b"\x0b", "unknown wire type 3"),
    ],
)
def test_bytes_that_are_no_message_are_an_error(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        decode(ModelProto, data)


def test_packed_numbers_are_whole() -> None:
    with pytest.raises(FormatError, match="3 bytes, no multiple of 4"):
        decode(TensorProto, b"\x22\x03abc")


def test_graphs_within_graphs_end() -> None:
    data = b""
    for _ in range(2 * DEEPEST):
        attribute = b"\x32" + encode_length(len(data)) + data
        node = b"\x2a" + encode_length(len(attribute)) + attribute
        data = b"\x0a" + encode_length(len(node)) + node
    with pytest.raises(FormatError, match="deeper than"):
        decode(GraphProto, data)


def encode_length(length: int) -> bytes:
    """A length as a varint, through a field of another message."""
    return encode(AttributeProto(i=length))[1:]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_an_error(data: bytes) -> None:
    try:
        message = decode(ModelProto, data)
    except FormatError:
        return
    written = encode(message)
    assert encode(decode(ModelProto, written)) == written
