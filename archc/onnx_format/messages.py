"""The messages of an ONNX file, with all fields of networks, functions, types and tensors.

Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, whose names these are.
"""

from __future__ import annotations

from typing import Annotated

from archc.onnx_format.protobuf import Tag
from archc.records import record

FLOAT, INT32, INT64, BOOL, DOUBLE = 1, 6, 7, 9, 11
"""Types of elements, as in `TensorProto.DataType`."""

(
    ATTRIBUTE_FLOAT,
    ATTRIBUTE_INT,
    ATTRIBUTE_STRING,
    ATTRIBUTE_TENSOR,
    ATTRIBUTE_GRAPH,
    ATTRIBUTE_FLOATS,
    ATTRIBUTE_INTS,
    ATTRIBUTE_STRINGS,
) = range(1, 9)
"""Types of attributes, as in `AttributeProto.AttributeType`."""


@record
class StringStringEntryProto:
    """A key with its value, both of them text."""

    key: Annotated[str | None, Tag(1)] = None
    value: Annotated[str | None, Tag(2)] = None


@record
class Segment:
    """Which part of a tensor is kept, where it is kept in parts."""

    begin: Annotated[int | None, Tag(1)] = None
    end: Annotated[int | None, Tag(2)] = None


@record
class TensorProto:
    """An array: its elements in `raw_data`, little-endian, or in the field of their type, or in
    another file, which `external_data` names where `data_location` is 1."""

    dims: Annotated[tuple[int, ...], Tag(1)] = ()
    data_type: Annotated[int | None, Tag(2)] = None
    segment: Annotated[Segment | None, Tag(3)] = None
    float_data: Annotated[tuple[float, ...], Tag(4, packed=True)] = ()
    int32_data: Annotated[tuple[int, ...], Tag(5, packed=True)] = ()
    string_data: Annotated[tuple[bytes, ...], Tag(6)] = ()
    int64_data: Annotated[tuple[int, ...], Tag(7, packed=True)] = ()
    name: Annotated[str | None, Tag(8)] = None
    raw_data: Annotated[bytes | None, Tag(9)] = None
    double_data: Annotated[tuple[float, ...], Tag(10, packed=True, double=True)] = ()
    uint64_data: Annotated[tuple[int, ...], Tag(11, packed=True)] = ()
    doc_string: Annotated[str | None, Tag(12)] = None
    external_data: Annotated[tuple[StringStringEntryProto, ...], Tag(13)] = ()
    data_location: Annotated[int | None, Tag(14)] = None
    metadata_props: Annotated[tuple[StringStringEntryProto, ...], Tag(16)] = ()


@record
class SparseTensorProto:
    """An array of which the elements other than zero are kept, with their positions."""

    values: Annotated[TensorProto | None, Tag(1)] = None
    indices: Annotated[TensorProto | None, Tag(2)] = None
    dims: Annotated[tuple[int, ...], Tag(3)] = ()


@record
class Dimension:
    """A size, or the name of one that is not known."""

    dim_value: Annotated[int | None, Tag(1)] = None
    dim_param: Annotated[str | None, Tag(2)] = None
    denotation: Annotated[str | None, Tag(3)] = None


@record
class TensorShapeProto:
    """The sizes of a tensor's axes."""

    dim: Annotated[tuple[Dimension, ...], Tag(1)] = ()


@record
class TensorType:
    """The type of a tensor's elements, and its shape."""

    elem_type: Annotated[int | None, Tag(1)] = None
    shape: Annotated[TensorShapeProto | None, Tag(2)] = None


@record
class TypeProto:
    """The type of a value: of the kinds that there are, tensors alone are read."""

    tensor_type: Annotated[TensorType | None, Tag(1)] = None
    denotation: Annotated[str | None, Tag(6)] = None


@record
class ValueInfoProto:
    """A value with its type."""

    name: Annotated[str | None, Tag(1)] = None
    type: Annotated[TypeProto | None, Tag(2)] = None
    doc_string: Annotated[str | None, Tag(3)] = None
    metadata_props: Annotated[tuple[StringStringEntryProto, ...], Tag(4)] = ()


@record
class AttributeProto:
    """An attribute of a node: the field of its `type` has the value, or `ref_attr_name` names an
    attribute of the function around it."""

    name: Annotated[str | None, Tag(1)] = None
    f: Annotated[float | None, Tag(2)] = None
    i: Annotated[int | None, Tag(3)] = None
    s: Annotated[bytes | None, Tag(4)] = None
    t: Annotated[TensorProto | None, Tag(5)] = None
    g: Annotated[GraphProto | None, Tag(6)] = None
    floats: Annotated[tuple[float, ...], Tag(7)] = ()
    ints: Annotated[tuple[int, ...], Tag(8)] = ()
    strings: Annotated[tuple[bytes, ...], Tag(9)] = ()
    tensors: Annotated[tuple[TensorProto, ...], Tag(10)] = ()
    graphs: Annotated[tuple[GraphProto, ...], Tag(11)] = ()
    doc_string: Annotated[str | None, Tag(13)] = None
    type: Annotated[int | None, Tag(20)] = None
    ref_attr_name: Annotated[str | None, Tag(21)] = None
    sparse_tensor: Annotated[SparseTensorProto | None, Tag(22)] = None


@record
class NodeProto:
    """A call of an operator, or of a function of the file, in whose `domain` it is."""

    input: Annotated[tuple[str, ...], Tag(1)] = ()
    output: Annotated[tuple[str, ...], Tag(2)] = ()
    name: Annotated[str | None, Tag(3)] = None
    op_type: Annotated[str | None, Tag(4)] = None
    attribute: Annotated[tuple[AttributeProto, ...], Tag(5)] = ()
    doc_string: Annotated[str | None, Tag(6)] = None
    domain: Annotated[str | None, Tag(7)] = None
    overload: Annotated[str | None, Tag(8)] = None
    metadata_props: Annotated[tuple[StringStringEntryProto, ...], Tag(9)] = ()


@record
class GraphProto:
    """Nodes in the order in which they are computed, and constants."""

    node: Annotated[tuple[NodeProto, ...], Tag(1)] = ()
    name: Annotated[str | None, Tag(2)] = None
    initializer: Annotated[tuple[TensorProto, ...], Tag(5)] = ()
    doc_string: Annotated[str | None, Tag(10)] = None
    input: Annotated[tuple[ValueInfoProto, ...], Tag(11)] = ()
    output: Annotated[tuple[ValueInfoProto, ...], Tag(12)] = ()
    value_info: Annotated[tuple[ValueInfoProto, ...], Tag(13)] = ()
    sparse_initializer: Annotated[tuple[SparseTensorProto, ...], Tag(15)] = ()
    metadata_props: Annotated[tuple[StringStringEntryProto, ...], Tag(16)] = ()


@record
class OperatorSetIdProto:
    """The version of the operators of a domain."""

    domain: Annotated[str | None, Tag(1)] = None
    version: Annotated[int | None, Tag(2)] = None


@record
class FunctionProto:
    """A function: nodes that calls of its name stand for. `attribute` are the names of attributes
    that each call gives, `attribute_proto` those with a default."""

    name: Annotated[str | None, Tag(1)] = None
    input: Annotated[tuple[str, ...], Tag(4)] = ()
    output: Annotated[tuple[str, ...], Tag(5)] = ()
    attribute: Annotated[tuple[str, ...], Tag(6)] = ()
    node: Annotated[tuple[NodeProto, ...], Tag(7)] = ()
    doc_string: Annotated[str | None, Tag(8)] = None
    opset_import: Annotated[tuple[OperatorSetIdProto, ...], Tag(9)] = ()
    domain: Annotated[str | None, Tag(10)] = None
    attribute_proto: Annotated[tuple[AttributeProto, ...], Tag(11)] = ()
    value_info: Annotated[tuple[ValueInfoProto, ...], Tag(12)] = ()
    overload: Annotated[str | None, Tag(13)] = None
    metadata_props: Annotated[tuple[StringStringEntryProto, ...], Tag(14)] = ()


@record
class ModelProto:
    """A file: a network, the functions that it calls, and the versions that it is written in."""

    ir_version: Annotated[int | None, Tag(1)] = None
    producer_name: Annotated[str | None, Tag(2)] = None
    producer_version: Annotated[str | None, Tag(3)] = None
    domain: Annotated[str | None, Tag(4)] = None
    model_version: Annotated[int | None, Tag(5)] = None
    doc_string: Annotated[str | None, Tag(6)] = None
    graph: Annotated[GraphProto | None, Tag(7)] = None
    opset_import: Annotated[tuple[OperatorSetIdProto, ...], Tag(8)] = ()
    metadata_props: Annotated[tuple[StringStringEntryProto, ...], Tag(14)] = ()
    functions: Annotated[tuple[FunctionProto, ...], Tag(25)] = ()
