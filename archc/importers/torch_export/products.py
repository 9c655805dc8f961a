"""Products with matrices of PyTorch as ops of archc."""

from __future__ import annotations

import math

from archc.importers.arrangement import ordered
from archc.importers.network import Array, rows_of
from archc.importers.torch_export import attention, views
from archc.importers.torch_export.calls import Bound, Constant, Node, View, reshaped
from archc.importers.torch_export.norms import vector
from archc.ops.base import Op
from archc.ops.convolution import Conv
from archc.ops.dense import Dense, Embedding


def linear(node: Node) -> Bound:
    """A matrix applied to the features of a vector, of each token, or, with channels last, of each
    position of a map."""
    return _product(node, node.tensor(), node.array("weight"), "bias")


def addmm(node: Node) -> Bound:
    """A product with a matrix that lies column by column, and a bias."""
    node.require(beta=1, alpha=1)
    return _product(node, node.tensor("mat1"), _turned(node), "self")


def mm(node: Node) -> Bound:
    """A product with a matrix that lies column by column."""
    return _product(node, node.tensor(), _turned(node), "")


def matmul(node: Node) -> Bound:
    """A product with a matrix, or of two values."""
    matrix = node.arguments.get("other")
    if isinstance(matrix, Constant):
        return _product(node, node.tensor(), _turned(node, "other"), "")
    return attention.matmul(node)


def _turned(node: Node, name: str = "mat2") -> Constant | None:
    matrix = node.array(name)
    if matrix is None or len(matrix.shape) != 2 or matrix.array.shape != matrix.shape:
        return None
    shape = matrix.shape[::-1]
    if matrix.array.kind == "transpose":  # the matrix of a linear layer
        return matrix._replace(array=matrix.array.operands[0], shape=shape)
    return matrix._replace(array=Array("transpose", shape, (matrix.array,), (1, 0)), shape=shape)


def _product(node: Node, view: View, matrix: Constant | None, name: str) -> Bound:
    if matrix is None or len(matrix.shape) != 2:
        node.refuse("without a matrix")
    if view.arrangement.whole(-1) != view.channels:
        view = views.canonical(view, node)[1]
    if view.call.axes.is_map and view.arrangement.whole(-1) != 1:
        node.refuse(f"of {list(view.arrangement.shape)}, along a spatial axis")
    units = matrix.shape[0]
    weights = {"weight": matrix.array}
    bias = vector(node, name, units)
    if bias is not None:
        weights["bias"] = bias
    if view.call.partial == attention.CORE:
        op: Op = attention.with_projection(view.call, weights, node)
        inputs = view.call.inputs
        own = {f"output_{name}": array for name, array in weights.items()}
        weights = {**view.call.weights, **own}
    elif view.call.axes.is_map:
        op = Conv(filters=units, kernel_size=1, bias=bias is not None)
        inputs = (view.call,)
        ones = (1,) * len(view.call.axes.spatial)
        weights["weight"] = reshaped(matrix.array, (*matrix.shape, *ones))
    else:
        op = Dense(units=units, bias=bias is not None)
        inputs = (view.call,)
    sizes = list(view.arrangement.sizes)
    sizes[view.channels] = units
    dims = view.arrangement.dims[:-1]
    last = ordered(sizes, [view.channels]).dims
    return node.call(
        op, inputs, weights, view.arrangement._replace(sizes=tuple(sizes), dims=(*dims, *last))
    )


def embedding(node: Node) -> Bound:
    """A row of a table for each id, or for each position."""
    table, places = node.array("weight"), node.arguments.get("indices")
    if table is not None and isinstance(places, Constant):
        return _rows(node, table, places)
    view = node.tensor("indices")
    if table is None or len(table.shape) != 2 or not view.arrangement.matches([0], [1]):
        node.refuse(f"of {list(view.arrangement.shape)}")
    op = Embedding(vocabulary=table.shape[0], features=table.shape[1])
    return node.call(op, (view.call,), {"weight": table.array})


def arange(node: Node) -> Bound:
    """The numbers from 0 on: the positions of tokens."""
    (size,) = node.shape
    node.require(start=0, step=1, end=size)
    return Constant(Array("arange", (size,)), (size,), node.dtypes[0], learned=False)


def _rows(node: Node, table: Constant, places: Constant) -> Constant:
    """The first rows of a table, one for each position."""
    array = places.array
    while array.kind == "reshape":
        (array,) = array.operands
    size = places.shape[-1]
    if array.kind != "arange" or array.shape != (size,) or math.prod(places.shape) != size:
        node.refuse("of other numbers than those of the positions")
    if len(table.shape) != 2 or size > table.shape[0]:
        node.refuse(f"of {size} positions and a table of {list(table.shape)}")
    rows = rows_of(table.array, 0, size)
    return table._replace(array=reshaped(rows, node.shape), shape=node.shape)
