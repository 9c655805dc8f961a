"""Ops that move elements, in Keras: what the spec calls channels first is stored channels last."""

from __future__ import annotations

from archc.backends.base import LoweredLayer, LoweringContext
from archc.backends.constructors import layer, option, per_axis
from archc.backends.keras.padding import around
from archc.codegen.tree import Call, Expr, Keyword, Lit, Ref, call
from archc.ops.axes import Axes
from archc.ops.shape import Crop, Pad, Permute, Select, Upsample


def _is_ordered(x: Axes) -> bool:
    """Whether the stored elements already lie in canonical order."""
    return not x.is_map or x.width in (1, x.elements)


def _stored(x: Axes) -> tuple[int, ...]:
    return (*x.spatial, x.width) if x.is_map else x.sizes


def _channels_first(x: Axes) -> tuple[LoweredLayer, ...]:
    """The stage that puts a map's elements in canonical order, where they are not."""
    if _is_ordered(x):
        return ()
    rank = len(x.spatial)
    made = call("layers.Permute", (rank + 1, *range(1, rank + 1)))
    return (LoweredLayer(made, label="channels_first"),)


def lower_flatten(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """All elements in the order in which they are stored, channels last."""
    return (LoweredLayer(call("layers.Flatten"), label=context.op.name, main=True),)


def lower_flatten_canonical(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """All elements channels first, for where the order shows."""
    return (*_channels_first(context.x), *lower_flatten(context))


def lower_reshape(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """The elements are brought to canonical order, reshaped, and brought back."""
    x, output = context.x, context.output
    target = _stored(output) if _is_ordered(output) else output.sizes
    stages = [
        *_channels_first(x),
        LoweredLayer(call("layers.Reshape", target), label=context.op.name, main=True),
    ]
    if not _is_ordered(output):
        back = call("layers.Permute", (*range(2, len(target) + 1), 1))
        stages.append(LoweredLayer(back, label="channels_last"))
    return tuple(stages)


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
        made = layer("ReflectPadding", Lit(amounts, "padding"))
    elif op.value == 0:
        made = layer(f"layers.ZeroPadding{context.rank}D", around(amounts, "padding"))
    else:
        made = layer("ConstantPadding", Lit(amounts, "padding"), Lit(op.value, "value"))
    return (LoweredLayer(made, label=op.name, main=True),)


def lower_crop(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    op = context.op
    assert isinstance(op, Crop)
    made = layer(f"layers.Cropping{context.rank}D", around(op.amounts(context.x), "cropping"))
    return (LoweredLayer(made, label=op.name, main=True),)


def lower_upsample(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """Keras interpolates in 2-D alone."""
    op = context.op
    assert isinstance(op, Upsample)
    scales = op.scales(context.x)
    if op.mode == "linear" and context.rank != 2:
        made = layer("LinearUpsampling", Lit(scales, "scale"))
    else:
        # UpSampling1D takes no interpolation, and the others' default is the one wanted there.
        mode = "bilinear" if op.mode == "linear" else "nearest"
        made = layer(
            f"layers.UpSampling{context.rank}D",
            keywords=[
                Keyword("size", per_axis(scales, "scale")),
                option("interpolation", mode, "nearest"),
            ],
        )
    return (LoweredLayer(made, label=op.name, main=True),)


def lower_select(context: LoweringContext) -> tuple[LoweredLayer, ...]:
    """Neighbouring channels are a range, others a tuple."""
    op = context.op
    assert isinstance(op, Select)
    first, stop = op.channels[0], op.channels[0] + len(op.channels)
    channels: Expr = Lit(op.channels, "channels")
    if op.channels == tuple(range(first, stop)):
        begin = (Lit(first, "start"),) if first else ()
        channels = Call(Ref("range"), (*begin, Lit(stop, "stop")))
    return (LoweredLayer(layer("Select", channels), label=op.name, main=True),)
