"""Ops that move elements, in Keras: what the spec calls channels first is stored channels last."""

from __future__ import annotations

from archc.backends.base import Site, Stage
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


def _channels_first(x: Axes) -> tuple[Stage, ...]:
    """The stage that puts a map's elements in canonical order, where they are not."""
    if _is_ordered(x):
        return ()
    rank = len(x.spatial)
    made = call("layers.Permute", (rank + 1, *range(1, rank + 1)))
    return (Stage(made, label="channels_first"),)


def lower_flatten(site: Site) -> tuple[Stage, ...]:
    """All elements in the order in which they are stored, channels last."""
    return (Stage(call("layers.Flatten"), label=site.op.name, main=True),)


def lower_flatten_canonical(site: Site) -> tuple[Stage, ...]:
    """All elements channels first, for where the order shows."""
    return (*_channels_first(site.x), *lower_flatten(site))


def lower_reshape(site: Site) -> tuple[Stage, ...]:
    """The elements are brought to canonical order, reshaped, and brought back."""
    x, output = site.x, site.output
    target = _stored(output) if _is_ordered(output) else output.sizes
    stages = [
        *_channels_first(x),
        Stage(call("layers.Reshape", target), label=site.op.name, main=True),
    ]
    if not _is_ordered(output):
        back = call("layers.Permute", (*range(2, len(target) + 1), 1))
        stages.append(Stage(back, label="channels_last"))
    return tuple(stages)


def lower_permute(site: Site) -> tuple[Stage, ...]:
    """`layers.Permute` counts axes as they are stored, from 1."""
    op = site.op
    assert isinstance(op, Permute)
    x = site.x
    stored = [*range(1, len(x.sizes)), 0] if x.is_map else list(range(len(x.sizes)))
    positions = op.positions(x)
    order = tuple(stored.index(positions[axis]) + 1 for axis in stored)
    return (Stage(call("layers.Permute", order), label=op.name, main=True),)


def lower_pad(site: Site) -> tuple[Stage, ...]:
    op = site.op
    assert isinstance(op, Pad)
    amounts = op.amounts(site.x)
    if op.mode == "reflect":
        made = layer("ReflectPadding", Lit(amounts, "padding"))
    elif op.value == 0:
        made = layer(f"layers.ZeroPadding{site.rank}D", around(amounts, "padding"))
    else:
        made = layer("ConstantPadding", Lit(amounts, "padding"), Lit(op.value, "value"))
    return (Stage(made, label=op.name, main=True),)


def lower_crop(site: Site) -> tuple[Stage, ...]:
    op = site.op
    assert isinstance(op, Crop)
    made = layer(f"layers.Cropping{site.rank}D", around(op.amounts(site.x), "cropping"))
    return (Stage(made, label=op.name, main=True),)


def lower_upsample(site: Site) -> tuple[Stage, ...]:
    """Keras interpolates in 2-D alone."""
    op = site.op
    assert isinstance(op, Upsample)
    scales = op.scales(site.x)
    if op.mode == "linear" and site.rank != 2:
        made = layer("LinearUpsampling", Lit(scales, "scale"))
    else:
        # UpSampling1D takes no interpolation, and the others' default is the one wanted there.
        mode = "bilinear" if op.mode == "linear" else "nearest"
        made = layer(
            f"layers.UpSampling{site.rank}D",
            keywords=[
                Keyword("size", per_axis(scales, "scale")),
                option("interpolation", mode, "nearest"),
            ],
        )
    return (Stage(made, label=op.name, main=True),)


def lower_select(site: Site) -> tuple[Stage, ...]:
    """Neighbouring channels are a range, others a tuple."""
    op = site.op
    assert isinstance(op, Select)
    first, stop = op.channels[0], op.channels[0] + len(op.channels)
    channels: Expr = Lit(op.channels, "channels")
    if op.channels == tuple(range(first, stop)):
        begin = (Lit(first, "start"),) if first else ()
        channels = Call(Ref("range"), (*begin, Lit(stop, "stop")))
    return (Stage(layer("Select", channels), label=op.name, main=True),)
