"""Ops that move elements, in Keras: what the spec calls channels first is stored channels last."""

from __future__ import annotations

from dataclasses import replace

from archc.backends.base import INCOMING, LoweredLayer, LoweringContext, placeholder
from archc.backends.constructors import layer, literals, option, per_axis
from archc.backends.fusion import move_of
from archc.backends.keras.padding import around
from archc.backends.movement import View, fields_of, steps, transposed
from archc.codegen.tree import Binary, Call, Expr, Index, Keyword, Lit, Ref, Slice, TupleOf, call
from archc.ops.axes import Axes
from archc.ops.shape import Crop, Pad, Permute, Select, Split, Upsample


def _stored(x: Axes) -> tuple[int, ...]:
    return (*x.spatial, x.width) if x.is_map else x.sizes


def lower_flatten(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """All elements in the order in which they are stored, channels last."""
    return (LoweredLayer(call("layers.Flatten"), label=context.op.name, main=True),)


def lower_reshape(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """What a spec moves in canonical order, from and to maps that are stored channels last."""
    x, output = context.x, context.output
    moves = [move_of(context.op, x, output)]
    if x.is_map:
        last = len(x.spatial)
        moves.insert(0, transposed(_stored(x), (last, *range(last))))
    if output.is_map:
        moves.append(transposed(output.sizes, (*range(1, len(output.sizes)), 0)))
    layers: list[LoweredLayer] = []
    names = (*output.names[1:], output.names[0]) if output.is_map else output.names
    written = steps(_stored(x), moves) or [View(_stored(output))]
    for position, step in enumerate(written):
        if isinstance(step, View):
            sizes = literals(step.sizes, fields_of(step, written[position + 1 :], names))
            flat = len(sizes) == 1
            moved = call("layers.Flatten") if flat else call("layers.Reshape", TupleOf(sizes))
            kind = "split"
        else:
            moved = call("layers.Permute", tuple(axis + 1 for axis in step.order))
            kind = "permute"
        repeated = any(lowered.label == kind for lowered in layers)
        layers.append(LoweredLayer(moved, label=f"{kind}_{len(layers)}" if repeated else kind))
    return (*layers[:-1], replace(layers[-1], label=context.op.name, main=True))


def lower_flatten_canonical(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """All elements channels first, for where the order shows."""
    return lower_reshape(context)


def lower_permute(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """`layers.Permute` counts axes as they are stored, from 1."""
    op = context.op
    assert isinstance(op, Permute)
    x = context.x
    stored = [*range(1, len(x.sizes)), 0] if x.is_map else list(range(len(x.sizes)))
    positions = op.positions(x)
    order = tuple(stored.index(positions[axis]) + 1 for axis in stored)
    return (LoweredLayer(call("layers.Permute", order), label=op.name, main=True),)


def lower_pad(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, Pad)
    amounts = op.amounts(context.x)
    if op.mode == "reflect":
        constructor = layer("ReflectPadding", Lit(amounts, "padding"))
    elif op.value == 0:
        constructor = layer(f"layers.ZeroPadding{context.rank}D", around(amounts, "padding"))
    else:
        constructor = layer("ConstantPadding", Lit(amounts, "padding"), Lit(op.value, "value"))
    return (LoweredLayer(constructor, label=op.name, main=True),)


def lower_crop(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, Crop)
    constructor = layer(
        f"layers.Cropping{context.rank}D", around(op.amounts(context.x), "cropping")
    )
    return (LoweredLayer(constructor, label=op.name, main=True),)


def lower_upsample(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """Keras interpolates in 2-D alone."""
    op = context.op
    assert isinstance(op, Upsample)
    scales = op.scales(context.x)
    if op.mode == "linear" and context.rank != 2:
        constructor = layer("LinearUpsampling", Lit(scales, "scale"))
    else:
        # UpSampling1D takes no interpolation, and the others' default is the right one here.
        mode = "bilinear" if op.mode == "linear" else "nearest"
        constructor = layer(
            f"layers.UpSampling{context.rank}D",
            keywords=[
                Keyword("size", per_axis(scales, "scale")),
                option("interpolation", mode, "nearest"),
            ],
        )
    return (LoweredLayer(constructor, label=op.name, main=True),)


def lower_select(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """Neighbouring channels are a slice, or a layer with their range where only layers can stand;
    others are a layer with a tuple."""
    op = context.op
    assert isinstance(op, Select)
    if op.channels is None:
        return _selected_tokens(op)
    first, stop = op.channels[0], op.channels[0] + len(op.channels)
    if op.channels != tuple(range(first, stop)):
        taken = layer("Select", Lit(op.channels, "channels"))
        return (LoweredLayer(taken, label=op.name, main=True),)
    begin, end = Lit(first, "start") if first else None, Lit(stop, "stop")
    taken = layer("Select", Call(Ref("range"), (end,) if begin is None else (begin, end)))
    expression = Index(placeholder(0), (Lit(...), Slice(begin, end)))
    return (LoweredLayer(taken, expression, label=op.name, main=True),)


def lower_split(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """A slice of the last axis, from and to multiples of its part."""
    op = context.op
    assert isinstance(op, Split)
    size = Binary("//", Lit(context.x.width, INCOMING), Lit(op.parts, "parts"))

    def edge(part: int) -> Expr | None:
        if part in (0, op.parts):
            return None
        return size if part == 1 else Binary("*", Lit(part), size)

    expression = Index(placeholder(0), (Lit(...), Slice(edge(op.index), edge(op.index + 1))))
    return (LoweredLayer(expression=expression, label=op.name, main=True),)


def _selected_tokens(op: Select) -> tuple[LoweredLayer, ...]:
    """One token is an index, neighbours are a slice, others a layer with a tuple."""
    if isinstance(op.tokens, int):
        key: Expr = Lit(op.tokens, "tokens")
    else:
        assert op.tokens is not None
        first, stop = op.tokens[0], op.tokens[0] + len(op.tokens)
        if op.tokens != tuple(range(first, stop)):
            taken = layer("SelectTokens", Lit(op.tokens, "tokens"))
            return (LoweredLayer(taken, label=op.name, main=True),)
        key = Slice(Lit(first, "start") if first else None, Lit(stop, "stop"))
    expression = Index(placeholder(0), (Slice(), key))
    return (LoweredLayer(expression=expression, label=op.name, main=True),)
