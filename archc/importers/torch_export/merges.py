"""Arithmetic of PyTorch, concatenations and means as ops of archc."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeGuard

from archc.importers.arrangement import ordered
from archc.importers.torch_export import attention, gates, response, views
from archc.importers.torch_export.calls import Bound, Call, Constant, Node, View, reshaped
from archc.importers.torch_export.layouts import value_of
from archc.ops import merge
from archc.ops.base import Op
from archc.ops.convolution import Conv, ConvTranspose, DepthwiseConv
from archc.ops.dense import Dense
from archc.ops.parameter import ClassToken, PositionEmbedding, Scale
from archc.ops.recurrence import Recurrence
from archc.ops.shape import Split
from archc.records import replace as with_fields


def add(node: Node) -> Bound:
    """A sum: of two values, with a learned vector a token or a channel, or the first step of a hard
    gate."""
    a, b = node.arguments.get("self"), node.arguments.get("other")
    node.require(alpha=1)
    for x, other in ((a, b), (b, a)):
        if isinstance(x, View) and isinstance(other, Constant):
            return _offset(node, x, other) or _embedded(node, x, other)
        if isinstance(x, View) and _is_number(other):
            if other == 0:
                return views.same(replace(node, arguments={"self": x}))
            return response.sum_of_squares(node, x, other) or gates.shifted(node, x, other)
    return _merge(node, merge.Add())


def subtract(node: Node) -> Bound:
    """A difference of two values: the sum of one and minus the other."""
    node.require(alpha=1)
    if _is_number(node.arguments.get("other")):
        node.refuse(f"of the number {node.arguments['other']}")
    x, other = node.tensor(), node.tensor("other")
    if other.call.partial:
        node.refuse(f"of {other.call.partial}")
    negative = other._replace(call=node.step(NEGATIVE, other.call))
    return add(replace(node, arguments={"self": x, "other": negative}))


NEGATIVE = Scale(initial=-1.0, learned=False)


def negative(node: Node) -> Bound:
    """A value times -1."""
    return node.pointwise(NEGATIVE, node.tensor())


def power(node: Node) -> Bound:
    """The square of a value, or a step of a response normalisation."""
    view, exponent = node.tensor(), node.arguments.get("exponent", 2)
    if not _is_number(exponent):
        node.refuse("with an exponent that is computed")
    known = response.power(node, view, exponent)
    if known is not None:
        return known
    if exponent != 2:
        node.refuse(f"by {exponent}")
    return node.call(merge.Multiply(), (view.call, view.call), arrangement=view.arrangement)


def _offset(node: Node, view: View, array: Constant) -> Bound | None:
    """A learned offset for each channel, added to what has none: as the bias of the product, the
    convolution or the factors that it is added to; None of anything else."""
    call, op = view.call, view.call.op
    if _channel_of(view, array) is None or call.partial or not array.learned:
        return None
    if not isinstance(op, Dense | Conv | ConvTranspose | DepthwiseConv | Scale) or op.bias:
        return None
    if isinstance(op, Scale) and not op.learned:
        return None
    weights = {**call.weights, "bias": reshaped(array.array, (call.axes.width,))}
    return node.call(with_fields(op, bias=True), call.inputs, weights, view.arrangement)


def _channel_of(view: View, array: Constant) -> int | None:
    """The axis of a tensor, its channels, along which an array has its elements; None where it has
    others."""
    own = view.arrangement
    rank = len(own.dims)
    shape = (1,) * (rank - len(array.shape)) + array.shape
    places = [place for place, size in enumerate(shape) if size != 1]
    if len(shape) != rank or len(places) != 1 or own.whole(places[0]) != view.channels:
        return None
    return places[0]


def _embedded(node: Node, view: View, table: Constant) -> Bound:
    """A learned vector added to each token."""
    x = value_of(view, node)
    if not x.axes.is_sequence or table.shape not in (x.axes.sizes, (1, *x.axes.sizes)):
        node.refuse(f"of {x.axes} and an array of {list(table.shape)}")
    if not table.learned:
        node.refuse("of an array that is not learned")
    weights = {"weight": reshaped(table.array, x.axes.sizes)}
    rows = weights["weight"]
    note = None
    if rows.kind == "rows":
        (whole,) = rows.operands
        note = (
            f"The table of positions has {whole.shape[0]} rows in the file. Here it has those that "
            f"{rows.shape[0]} tokens use."
        )
    return node.call(PositionEmbedding(), (x,), weights, note=note)


def multiply(node: Node) -> Bound:
    """A product: of two values, with a number, or with a learned factor a channel."""
    a, b = node.arguments.get("self"), node.arguments.get("other")
    for x, other in ((a, b), (b, a)):
        if isinstance(x, View) and _is_number(other):
            return _multiple(node, x, float(other))
        if isinstance(x, View) and isinstance(other, View):
            product = gates.weighted(node, x, other)
            if product is not None:
                return product
        if isinstance(x, View) and isinstance(other, Constant):
            return _scaled(node, x, other)
    return _merge(node, merge.Multiply())


def _scaled(node: Node, view: View, factor: Constant) -> Bound:
    """A learned factor for each channel."""
    if _channel_of(view, factor) is None:
        shape = list(view.arrangement.shape)
        node.refuse(f"of {shape} and an array of {list(factor.shape)}")
    if not factor.learned:
        node.refuse("with an array that is not learned")
    width = view.call.axes.width
    return node.pointwise(Scale(), view, {"weight": reshaped(factor.array, (width,))})


def divide(node: Node) -> Bound:
    """A quotient by a number, or the last step of softsign or a response normalisation."""
    node.require(rounding_mode=None)
    divisor = node.arguments.get("other")
    if isinstance(divisor, View):
        x = node.tensor()
        known = gates.quotient(node, x, divisor) or response.quotient(node, x, divisor)
        if known is not None:
            return known
    if not _is_number(divisor) or not divisor:
        node.refuse("by anything but a number")
    return _multiple(node, node.tensor(), 1 / divisor)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _multiple(node: Node, view: View, factor: float) -> Bound:
    """A constant factor: of scores, or the last step of a hard gate."""
    known = gates.divided(node, view, factor) or attention.scaled(node, view, factor)
    return known or node.pointwise(Scale(initial=factor, learned=False), view)


def maximum(node: Node) -> Bound:
    """The larger of two values, element by element."""
    return _merge(node, merge.Maximum())


def _merge(node: Node, op: Op) -> Bound:
    """Two values joined element by element, arranged alike."""
    a, b = (node.tensor(name) for name in ("self", "other"))
    if len(a.arrangement.dims) != len(b.arrangement.dims):
        node.refuse(f"of {list(a.arrangement.shape)} and {list(b.arrangement.shape)}")
    if a.arrangement == b.arrangement and a.call.axes == b.call.axes:
        return node.call(op, (a.call, b.call), arrangement=a.arrangement)
    return node.call(op, (value_of(a, node), value_of(b, node)))


def concat(node: Node) -> Bound:
    """Values behind one another along the channels; a learned token before others."""
    tensors: list[Bound] = node.get("tensors", [])
    axis = node.axis("dim", len(node.shape))
    found = [one for one in tensors if isinstance(one, View)]
    if len(tensors) == 2 and isinstance(tensors[0], Constant) and len(found) == 1:
        return _class_token(node, tensors[0], found[0], axis)
    if not found or len(found) != len(tensors):
        node.refuse("of an array")
    if len(found) == 1:
        return found[0]
    orders = {one.arrangement.order() for one in found}
    if len(orders) != 1 or None in orders:
        found = [views.canonical(one, node)[1] for one in found]
    first = found[0]
    order = first.arrangement.order()
    if order is None or order[axis] != first.channels:
        node.refuse(f"of {list(first.arrangement.shape)} along the axis {axis}")
    op = merge.Concat()
    calls = tuple(one.call for one in found)
    whole = _whole(calls)
    if whole is not None:
        own = ordered((node.batch, *whole.axes.sizes), order)
        value = replace(whole, value=node.outputs[0], restoration=own.restoration())
        return View(value, own, node.outputs[0], node.scope)
    axes = op.infer(tuple(one.axes for one in calls))
    # All that came before, once more: DenseNet's blocks.
    before = node.made.get(calls[:-1])
    taken = calls if before is None else (before, calls[-1])
    view = node.call(op, taken, arrangement=ordered((node.batch, *axes.sizes), order))
    node.made.setdefault(calls, view.call)
    return view


def _whole(calls: tuple[Call, ...]) -> Call | None:
    """The recurrence that all its directions together are; None for anything else."""
    (whole, *_) = calls[0].inputs or (None,)
    ops = tuple(one.op for one in calls)
    if whole is None or not isinstance(whole.op, Recurrence) or whole.op.return_sequences:
        return None
    parts = tuple(Split(parts=len(calls), index=index) for index in range(len(calls)))
    return whole if ops == parts and all(one.inputs == (whole,) for one in calls) else None


def _class_token(node: Node, token: Constant, view: View, axis: int) -> Bound:
    x = value_of(view, node)
    width = x.axes.width
    if not x.axes.is_sequence or axis != 1 or token.shape != (node.batch, 1, width):
        node.refuse(f"of an array of {list(token.shape)} and {x.axes}")
    if not token.learned or token.array.shape not in ((1, 1, width), (1, width), (width,)):
        node.refuse("of an array that is no learned token")
    return node.call(ClassToken(), (x,), {"token": reshaped(token.array, (width,))})
