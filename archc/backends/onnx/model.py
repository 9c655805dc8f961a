"""The file: the network with the shape of every value of the spec, and its variables, each filled
with one value by a node, so that the file runs without any weights in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from archc.backends.onnx.functions import Function, Program
from archc.backends.onnx.nodes import FUNCTIONS, Names, node_proto
from archc.ir.arrays import Array
from archc.ir.graph import Graph
from archc.onnx_format import PRODUCER
from archc.onnx_format.messages import (
    ATTRIBUTE_TENSOR,
    FLOAT,
    INT32,
    INT64,
    AttributeProto,
    Dimension,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    OperatorSetIdProto,
    TensorProto,
    TensorShapeProto,
    TensorType,
    TypeProto,
    ValueInfoProto,
)
from archc.ops.base import Variable

OPSET = 28
"""The newest operators that ONNX Runtime reads."""
IR_VERSION = 14
"""The version of the format that came with them."""
BATCH = "batch"
"""The name of the size that is not known."""


class Stored(NamedTuple):
    """An array with the shape in which it is kept."""

    array: Array
    shape: tuple[int, ...]


Size = int | str


class Shape(NamedTuple):
    """The type of elements and the sizes of a value; what each of these is called, where it is not
    known."""

    elements: int
    sizes: tuple[Size, ...]
    axes: tuple[str, ...]


def model(graph: Graph, program: Program, stored: Iterable[Stored], about: str) -> ModelProto:
    """The file of a network. `stored` are the arrays that it keeps; `about` says what it is."""
    kept = {one.array.key: one for one in stored}
    shapes: dict[int | str, Shape] = {
        node.index: _shape_of(node.output.dtype, node.output.sizes, node.output.names)
        for node in graph.nodes
    }
    shapes |= {key: _shape_of_array(one.shape) for key, one in kept.items()}
    body = program.body
    used = [kept[key] for key in kept if key in body.arrays]
    names = Names({*body.names.taken, *body.arrays})
    fills, initializers = _fills(used, names)
    outputs = [graph.nodes[index] for index in graph.outputs]
    known = {*graph.inputs, *graph.outputs}
    inside: list[tuple[int | str, str]] = [*body.arrays.items()]
    inside += [(index, name) for index, name in body.values.items() if index not in known]
    return ModelProto(
        ir_version=IR_VERSION,
        producer_name=PRODUCER,
        doc_string=graph.about.header,
        opset_import=_versions(has_functions=bool(program.functions)),
        graph=GraphProto(
            name=graph.about.name,
            doc_string=about,
            node=(*fills, *map(node_proto, body.steps)),
            initializer=initializers,
            input=tuple(_value(body.values[index], shapes[index]) for index in graph.inputs),
            output=tuple(_value(body.values[one.index], shapes[one.index]) for one in outputs),
            value_info=tuple(_value(name, shapes[source]) for source, name in inside),
        ),
        functions=tuple(_function(one, shapes) for one in program.functions),
    )


def _versions(*, has_functions: bool) -> tuple[OperatorSetIdProto, ...]:
    own = OperatorSetIdProto(domain="", version=OPSET)
    if not has_functions:
        return (own,)
    return own, OperatorSetIdProto(domain=FUNCTIONS, version=1)


def _shape_of(dtype: str, sizes: tuple[int, ...], axes: tuple[str, ...]) -> Shape:
    elements = INT32 if dtype == "int32" else FLOAT
    return Shape(elements, (BATCH, *sizes), (BATCH, *axes))


def _shape_of_array(sizes: tuple[int, ...]) -> Shape:
    return Shape(FLOAT, sizes, tuple("size" for _ in sizes))


def _value(name: str, shape: Shape) -> ValueInfoProto:
    dimensions = tuple(
        Dimension(dim_param=size) if isinstance(size, str) else Dimension(dim_value=size)
        for size in shape.sizes
    )
    tensor = TensorType(elem_type=shape.elements, shape=TensorShapeProto(dim=dimensions))
    return ValueInfoProto(name=name, type=TypeProto(tensor_type=tensor))


def _fills(
    used: Iterable[Stored], names: Names
) -> tuple[tuple[NodeProto, ...], tuple[TensorProto, ...]]:
    """A node that fills each array, and the shapes that these take."""
    shapes: dict[tuple[int, ...], str] = {}
    nodes = []
    for array, shape in used:
        if shape not in shapes:
            shapes[shape] = names.new("x".join(map(str, shape)))
        fill = TensorProto(dims=(1,), data_type=FLOAT, float_data=(initial_fill(array.variable),))
        nodes.append(
            NodeProto(
                input=(shapes[shape],),
                output=(array.key,),
                op_type="ConstantOfShape",
                attribute=(AttributeProto(name="value", t=fill, type=ATTRIBUTE_TENSOR),),
            )
        )
    initializers = tuple(
        TensorProto(dims=(len(shape),), data_type=INT64, int64_data=shape, name=name)
        for shape, name in shapes.items()
    )
    return tuple(nodes), initializers


def initial_fill(variable: Variable) -> float:
    """The value that all of an array has: its initial one, where that is a constant; of a kernel,
    one by which values keep their size; else zero."""
    if variable.initial is not None and variable.initial.name == "constant":
        return float(variable.initial.value or 0.0)
    return 1 / variable.fan_in if variable.role == "kernel" else 0.0


def _function(function: Function, shapes: Mapping[int | str, Shape]) -> FunctionProto:
    called = any(step.is_function for step in function.steps)
    return FunctionProto(
        name=function.name,
        domain=FUNCTIONS,
        input=(*function.values, *function.arrays),
        output=function.results,
        attribute=function.attributes,
        node=tuple(map(node_proto, function.steps)),
        opset_import=_versions(has_functions=called),
        value_info=tuple(_values_of(function, shapes)),
    )


def _values_of(function: Function, shapes: Mapping[int | str, Shape]) -> Iterator[ValueInfoProto]:
    """The values of a function with their shapes: sizes that differ from instance to instance have
    a name, those that always agree the same one."""
    names = Names({BATCH})
    symbols: dict[tuple[Size, ...], Size] = {}
    for name, keys in function.instances.items():
        own = [shapes[key] for key in keys]
        if len({(one.elements, len(one.sizes)) for one in own}) > 1:
            continue  # a step of it takes any shape
        sizes: list[Size] = []
        for column, axis in zip(
            zip(*(one.sizes for one in own), strict=True), own[0].axes, strict=True
        ):
            if len(set(column)) > 1 and column not in symbols:
                symbols[column] = names.new(axis)
            sizes.append(symbols.get(column, column[0]))
        yield _value(name, own[0]._replace(sizes=tuple(sizes)))
