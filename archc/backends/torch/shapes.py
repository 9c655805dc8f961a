"""Ops that move elements, in PyTorch: flattened, split, transposed axes, and chosen channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archc.backends.base import LoweredLayer, LoweringContext, placeholder
from archc.backends.constructors import layer, literals
from archc.backends.fusion import move_of
from archc.backends.movement import View, fields_of, steps
from archc.codegen.tree import Attribute, Call, Expr, Index, ListOf, Lit, Slice, TupleOf, call
from archc.ops.shape import Permute, Select, Split

FLATTEN = LoweredLayer(
    layer("nn.Flatten"), call("torch.flatten", placeholder(0), 1), label="flatten"
)
"""All axes but the batch, joined to one."""


def _method(name: str, *arguments: Expr | int) -> Call:
    """A method of the value that comes in."""
    return call(Attribute(placeholder(0), name), *arguments)


def lower_flatten(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    return _named((FLATTEN,), context)


def lower_reshape(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """Axes are joined, split and transposed one by one, never through the batch: so a wrong input
    moves no element to another sample."""
    x, output = context.x, context.output
    sizes, layers = x.sizes, list[LoweredLayer]()
    transposes = False
    written = steps(x.sizes, [move_of(context.op, x, output)]) or [View(output.sizes)]
    for position, step in enumerate(written):
        if isinstance(step, View):
            fields = fields_of(step, written[position + 1 :], output.names)
            layers += _viewed(sizes, step.sizes, fields)
            sizes = step.sizes
        else:
            layers.append(LoweredLayer(expression=_transposed(step.order), label="transpose"))
            sizes = tuple(sizes[axis] for axis in step.order)
            transposes = transposes or step.order[0] != 0
    if transposes and output.is_map:
        layers[-1] = _contiguous(layers[-1])
    return _named(layers, context)


def lower_permute(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, Permute)
    positions = op.positions(context.x)
    lowered = LoweredLayer(expression=_transposed(positions))
    if positions[0] and context.output.is_map:
        lowered = _contiguous(lowered)
    return _named((lowered,), context)


def lower_select(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """Neighbours are a slice, others a list; one token is an index."""
    op = context.op
    assert isinstance(op, Select)
    keys: tuple[Expr, ...]
    if op.channels is None:
        keys = (Slice(), _key(op.tokens))
    else:
        keys = (Slice(), _key(op.channels))
        keys = (Lit(...), keys[1]) if context.x.is_sequence else keys
    return _named((LoweredLayer(expression=Index(placeholder(0), keys)),), context)


def lower_split(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, Split)
    axis = -1 if context.x.is_sequence else 1
    parts = call(Attribute(placeholder(0), "chunk"), Lit(op.parts, "parts"), dim=axis)
    return _named((LoweredLayer(expression=Index(parts, (Lit(op.index, "index"),))),), context)


def _key(indices: int | tuple[int, ...] | None) -> Expr:
    if not isinstance(indices, tuple):
        return Lit(indices, "tokens")
    first, count = indices[0], len(indices)
    if indices == tuple(range(first, first + count)):
        return Slice(Lit(first, "start"), Lit(first + count, "stop"))
    return ListOf(tuple(map(Lit, indices)))


def _named(layers: Sequence[LoweredLayer], context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """The layers, the last of which is the op itself."""
    return (*layers[:-1], replace(layers[-1], label=context.op.name, main=True))


def _viewed(
    sizes: tuple[int, ...], target: tuple[int, ...], fields: Sequence[str | None]
) -> list[LoweredLayer]:
    """Layers that join the axes that differ, and split the result. `fields` are those of the op
    that `target` comes from."""
    begin, end = _difference(sizes, target)
    joined, split = sizes[begin : len(sizes) - end], literals(target, fields)
    split = split[begin : len(target) - end]
    axis = begin + 1
    layers = []
    if len(joined) > 1 or len(split) == 1:
        layers.append(_flattened(axis, begin + len(joined) if end else -1))
    if len(split) > 1:
        unflatten = layer("nn.Unflatten", Lit(axis), TupleOf(split))
        expression = _method("unflatten", axis, TupleOf(split))
        layers.append(LoweredLayer(unflatten, expression, label="unflatten"))
    return layers


def _difference(sizes: tuple[int, ...], target: tuple[int, ...]) -> tuple[int, int]:
    """How many axes two views of the same elements have alike at their begin and at their end. At
    least one of each is left between these."""
    shortest = min(len(sizes), len(target)) - 1
    begin = 0
    while begin < shortest and sizes[begin] == target[begin]:
        begin += 1
    end = 0
    while end < shortest - begin and sizes[-1 - end] == target[-1 - end]:
        end += 1
    return begin, end


def _flattened(first: int, last: int) -> LoweredLayer:
    """The axes from `first` to `last` as one."""
    if (first, last) == (1, -1):
        return FLATTEN
    axes = (first,) if last == -1 else (first, last)
    return LoweredLayer(call("nn.Flatten", *axes), _method("flatten", *axes), label="flatten")


def _transposed(order: Sequence[int]) -> Call:
    """The axes behind the batch in another order."""
    moved = [axis + 1 for axis in range(len(order)) if order[axis] != axis]
    if len(moved) == 2:
        return _method("transpose", *moved)
    return _method("permute", 0, *(axis + 1 for axis in order))


def _contiguous(lowered: LoweredLayer) -> LoweredLayer:
    """PyTorch takes the strides of a map whose channels were transposed for those of one kept
    channels last. There its normalisations go wrong in training: wrong gradients where an axis
    has one element, crashes."""
    assert lowered.expression is not None
    return replace(
        lowered, layer=None, expression=call(Attribute(lowered.expression, "contiguous"))
    )
