"""Operations of PyTorch that move elements, or take some of them."""

from __future__ import annotations

import math
from itertools import accumulate

from archc.importers.arrangement import Arrangement, Digit, ordered
from archc.importers.network import Array, rows_of
from archc.importers.padding import padding_of
from archc.importers.torch_export.calls import (
    Bound,
    Call,
    Constant,
    Node,
    Unknown,
    View,
    reshaped,
    short,
)
from archc.importers.torch_export.layouts import value_of
from archc.ops.axes import Axes
from archc.ops.base import Op
from archc.ops.shape import Crop, Select, Split

MOST_SELECTED = 4096
FLOATS = ("float16", "bfloat16", "float32", "float64")


def _bound(node: Node) -> View | Constant:
    value = node.subject
    if not isinstance(value, View | Constant):
        node.refuse("of no tensor")
    return value


def same(node: Node) -> Bound:
    """The same tensor."""
    value = _bound(node)
    if (
        isinstance(value, View)
        and value.call.axes.dtype == "float32"
        and node.dtypes[0] not in FLOATS
    ):
        node.refuse(f"to {node.dtypes[0]}")
    return value._replace(name=node.outputs[0]) if isinstance(value, View) else value


def reshape(node: Node) -> Bound:
    """The same elements, row by row, in the shape that the program states."""
    value = _bound(node)
    before = value.shape if isinstance(value, Constant) else value.arrangement.shape
    stated = _stated(node, before)
    if len(stated) != len(node.shape) or any(
        size not in (-1, own) for size, own in zip(stated, node.shape, strict=True)
    ):
        node.refuse(f"of {list(before)} to {stated}, which is not {list(node.shape)}")
    if isinstance(value, Constant):
        return value._replace(array=reshaped(value.array, node.shape), shape=node.shape)
    return settled(
        View(value.call, value.arrangement.reshaped(node.shape), node.outputs[0], node.scope), node
    )


def _stated(node: Node, before: tuple[int, ...]) -> list[int]:
    """The shape that the arguments of a reshape state, -1 for a size that they leave open."""
    sizes, rank = list(before), len(before)
    if node.kind == "flatten":
        first, last = node.axis("start_dim", rank), node.axis("end_dim", rank, -1)
        return [*sizes[:first], math.prod(sizes[first : last + 1]), *sizes[last + 1 :]]
    if node.kind == "unflatten":
        axis = node.axis("dim", rank)
        return [*sizes[:axis], *_sizes(node, "sizes"), *sizes[axis + 1 :]]
    if node.kind == "unsqueeze":
        axis = node.axis("dim", rank + 1)
        return [*sizes[:axis], 1, *sizes[axis:]]
    if node.kind == "squeeze":
        given = node.arguments.get("dim", list(range(rank)))
        axes = {one % rank for one in (given if isinstance(given, list) else [given])}
        return [size for axis, size in enumerate(sizes) if size != 1 or axis not in axes]
    return _sizes(node, "shape" if node.kind == "reshape" else "size")


def _sizes(node: Node, name: str) -> list[int]:
    """Sizes, -1 for one that depends on the batch."""
    empty: list[object] = []
    return [one if type(one) is int else -1 for one in node.get(name, empty)]


def expand(node: Node) -> Bound:
    """A tensor repeated along axes: an array, or nothing repeated."""
    value = _bound(node)
    if isinstance(value, Constant):
        if node.kind == "repeat":
            _require_repeats(node, value.shape)
        return value._replace(shape=node.shape)
    if value.arrangement.shape != node.shape:
        node.refuse(f"of {list(value.arrangement.shape)} to {list(node.shape)}")
    return value


def _require_repeats(node: Node, shape: tuple[int, ...]) -> None:
    """Refuse an array whose axes are not of one element where they are repeated."""
    repeats = _sizes(node, "repeats")
    before = (1,) * (len(repeats) - len(shape)) + shape
    for own, times, size in zip(before, repeats, node.shape, strict=True):
        if times not in (-1, size // own) or (own != 1 and size != own):
            node.refuse(f"of {list(shape)} by {repeats} to {list(node.shape)}")


def permute(node: Node) -> Bound:
    """The axes in another order."""
    rank = len(node.shape)
    return _permuted(node, [one % rank for one in node.integers("dims", [])])


def transpose(node: Node) -> Bound:
    """Two axes swapped; of a matrix, both."""
    rank = len(node.shape)
    order = list(range(rank))
    names = ("axis0", "axis1") if node.kind == "swapaxes" else ("dim0", "dim1")
    default = rank - 2 if node.kind == "mT" else 0
    first, second = node.axis(names[0], rank, default), node.axis(names[1], rank, rank - 1)
    order[first], order[second] = second, first
    return _permuted(node, order)


def movedim(node: Node) -> Bound:
    """One axis, or several, at other places."""
    rank = len(node.shape)
    moved, places = (
        [_axis(node, one, rank) for one in (axes if isinstance(axes, list) else [axes])]
        for axes in (node.arguments.get("source"), node.arguments.get("destination"))
    )
    order = [axis for axis in range(rank) if axis not in moved]
    for place, axis in sorted(zip(places, moved, strict=True)):
        order.insert(place, axis)
    return _permuted(node, order)


def _axis(node: Node, value: object, rank: int) -> int:
    """An axis of so many. Raises RefusedError."""
    if type(value) is not int or not -rank <= value < rank:
        node.refuse(f"with the axis {short(value)} of {rank}")
    return value % rank


def _permuted(node: Node, order: list[int]) -> Bound:
    value = _bound(node)
    if isinstance(value, Constant):
        if sorted(order) != list(range(len(value.shape))) or value.array.shape != value.shape:
            node.refuse("of an array that is repeated")
        array = Array("transpose", node.shape, (value.array,), tuple(order))
        return value._replace(array=array, shape=node.shape)
    return settled(
        View(value.call, value.arrangement.permuted(order), node.outputs[0], node.scope), node
    )


def settled(view: View, node: Node) -> View:
    """A tensor that is a map as a vector, or as tokens, as that: no more views are expected to add
    to it."""
    axes = view.call.axes
    places = list(range(1, len(view.arrangement.sizes)))
    tokens = ([0], places[1:], places[:1])
    if axes.is_map and (view.arrangement.matches([0], places) or view.arrangement.matches(*tokens)):
        return canonical(view, node)[1]
    return view


def _part(node: Node, view: View, op: Op, result: int) -> View:
    """Some of the channels of a tensor whose axes are those of a value in some order."""
    order = view.arrangement.order()
    assert order is not None
    axes = op.infer((view.call.axes,))
    sizes = (node.batch, *axes.sizes)
    return node.call(op, (view.call,), arrangement=ordered(sizes, order), result=result)


def _channels(node: Node, view: View, chosen: range, result: int = 0) -> View:
    """Consecutive channels: one of equal parts, or by their indices."""
    width = view.call.axes.width
    if len(chosen) == width:
        return view
    if chosen.step == 1 and width % len(chosen) == 0 and chosen.start % len(chosen) == 0:
        op: Op = Split(parts=width // len(chosen), index=chosen.start // len(chosen))
    elif len(chosen) <= MOST_SELECTED:
        op = Select(channels=tuple(chosen))
    else:
        node.refuse(f"of {len(chosen):,} channels")
    return _part(node, view, op, result)


def split(node: Node) -> list[Bound]:
    """The channels in parts: chunk and split; or the rows of an array."""
    if isinstance(node.subject, Constant):
        return _rows(node, node.subject)
    view = _permuted_axes(node.tensor(), node)
    axis = node.axis("dim", len(view.arrangement.dims))
    if view.arrangement.whole(axis) != view.channels:
        node.refuse(f"of {list(view.arrangement.shape)} along the axis {axis}")
    width = view.call.axes.width
    sizes = _parts(node, width)
    if sizes != [shape[axis] for shape in node.shapes]:
        node.refuse(f"of {width} channels into {sizes}, which is not what the program states")
    starts = accumulate(sizes[:-1], initial=0)
    return [
        _channels(node, view, range(start, start + size), result)
        for result, (start, size) in enumerate(zip(starts, sizes, strict=True))
    ]


def _rows(node: Node, array: Constant) -> list[Bound]:
    """The rows of an array in parts."""
    if node.axis("dim", len(array.shape)) != 0 or array.array.shape != array.shape:
        node.refuse("of an array along another axis than the first")
    sizes = _parts(node, array.shape[0])
    if [(size, *array.shape[1:]) for size in sizes] != list(node.shapes):
        node.refuse(f"of {array.shape[0]} rows into {sizes}, which is not what the program states")
    ends = accumulate(sizes)
    return [
        array._replace(array=rows_of(array.array, end - size, end), shape=shape)
        for size, end, shape in zip(sizes, ends, node.shapes, strict=True)
    ]


def _parts(node: Node, width: int) -> list[int]:
    """The sizes of the parts that so many channels or rows are split into."""
    size: object
    if node.kind == "tensor_split":
        count = node.get("sections", 0)
        if not 0 < count <= width:
            node.refuse(f"into {short(node.arguments.get('sections'))} parts")
        return [width // count + (number < width % count) for number in range(count)]
    if node.kind == "chunk":
        size = -(-width // max(node.get("chunks", 1), 1))
    else:
        size = node.arguments.get("split_size", node.arguments.get("split_sizes"))
    if isinstance(size, list):
        return size
    if not isinstance(size, int) or not 0 < size <= width or width > MOST_SELECTED * size:
        node.refuse(f"into parts of {short(size)}")
    return [min(size, width - start) for start in range(0, width, size)]


def slice_(node: Node) -> Bound:
    """Elements from one index to another along one axis."""
    value = _bound(node)
    if isinstance(value, Constant):
        if value.shape != node.shape:
            node.refuse("of an array")
        return value
    own = value.arrangement
    axis = node.axis("dim", len(own.dims))
    size = own.shape[axis]
    end = node.arguments.get("end")
    stop = size if end is None else end
    if type(stop) is not int:
        node.refuse(f"up to {end}")
    if node.kind == "narrow":
        stop = node.get("start", 0) % size + node.get("length", 0)
    chosen = range(size)[node.get("start", 0) : stop : node.get("step", 1)]
    if chosen == range(size):
        return value
    value = _permuted_axes(value, node)
    own = value.arrangement
    place = own.whole(axis)
    if place == value.channels:
        return _channels(node, value, chosen)
    if place in (None, 0):
        node.refuse(f"of {list(own.shape)} along the axis {axis}")
    if value.call.axes.is_sequence and len(chosen) <= MOST_SELECTED:
        return _part(node, value, Select(tokens=tuple(chosen)), 0)
    if chosen.step != 1 or not value.call.axes.is_map:
        node.refuse(f"of {list(own.shape)} in steps of {chosen.step}")
    pairs = [(0, 0)] * len(value.call.axes.spatial)
    pairs[(place or 0) - 2] = (chosen.start, size - chosen.stop)
    cropping = padding_of(tuple(pairs))
    assert not isinstance(cropping, str)
    return _part(node, value, Crop(cropping=cropping), 0)


def select(node: Node) -> Bound:
    """One index along an axis: a token, or a part of the channels that were taken apart."""
    view = node.tensor()
    axis = node.axis("dim", len(view.arrangement.dims))
    size = view.arrangement.shape[axis]
    return selected(node, view, axis, node.get("index", 0) % size)


def unbind(node: Node) -> list[Bound]:
    """All indices along an axis."""
    view = node.tensor()
    axis = node.axis("dim", len(view.arrangement.dims))
    count = view.arrangement.shape[axis]
    if count != len(node.shapes):
        node.refuse(f"of {count} into {len(node.shapes)}")
    return [selected(node, view, axis, index, index) for index in range(count)]


def selected(node: Node, view: View, axis: int, index: int, result: int = 0) -> View:
    """One index along an axis, as one of the results. Raises RefusedError."""
    own, axes = view.arrangement, view.call.axes
    rest = (*own.dims[:axis], *own.dims[axis + 1 :])
    if axes.is_sequence and own.whole(axis) == 1:
        if not Arrangement(own.sizes, rest).matches([0], [2]):
            view = View(value_of(view, node), ordered(own.sizes, (0, 1, 2)), view.name, view.scope)
        return node.call(Select(tokens=index), (view.call,), result=result)
    if own.shape[axis] == 1 and all(digit.axis for digit in own.dims[axis]):
        return View(view.call, Arrangement(own.sizes, rest), node.outputs[result], node.scope)
    dim = own.dims[axis]
    width = own.sizes[view.channels]
    leading = len(dim) == 1 and dim[0].axis == view.channels
    if not leading or dim[0].stride * dim[0].size != width:
        node.refuse(f"of {list(own.shape)} along the axis {axis}")
    op = Split(parts=dim[0].size, index=index)
    part = op.infer((axes,))
    return node.call(op, (view.call,), arrangement=_without(rest, node, part), result=result)


def _without(dims: tuple[tuple[Digit, ...], ...], node: Node, axes: Axes) -> Arrangement:
    """The other axes of a tensor, of a value with fewer channels."""
    return Arrangement((node.batch, *axes.sizes), dims)


def _permuted_axes(view: View, node: Node) -> View:
    """A tensor as a value whose axes it has, in some order."""
    return view if view.arrangement.order() is not None else canonical(view, node)[1]


def canonical(view: View, node: Node) -> tuple[Call, View]:
    """A tensor as the value that it is, and that value as a tensor."""
    call = value_of(view, node)
    sizes = (node.batch, *call.axes.sizes)
    return call, View(call, ordered(sizes, range(len(sizes))), view.name, view.scope)


def unknown(node: Node) -> Bound:
    """Sizes that are computed: the shapes of the program say what they give."""
    return Unknown()
