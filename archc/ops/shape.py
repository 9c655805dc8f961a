"""Ops that move elements, and change none."""

from __future__ import annotations

from typing import Annotated, ClassVar

from archc.ops.axes import AXIS_DOCS, AXIS_NAMES, Axes, axes_of, vector
from archc.ops.base import (
    Op,
    ReceptiveField,
    ShapeError,
    Sign,
    broadcast,
    broadcast_pairs,
    require_divisible,
    require_feature_map,
    sequence_hint,
    whole_axes,
)
from archc.ops.fields import (
    AMOUNTS,
    COUNT,
    Amounts,
    Count,
    Doc,
    Kind,
    Number,
    WindowSize,
    choice,
    integer,
    integers,
    listing,
    or_expression,
)
from archc.records import record


class Flatten(Op):
    """A vector of all elements: channels first, then space, row by row."""

    name: ClassVar[str] = "flatten"
    aliases: ClassVar[tuple[str, ...]] = ("ravel",)
    sign: ClassVar[Sign] = "kept"
    view: ClassVar[bool] = True

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        return vector(inputs[0].elements)

    def receptive_field(self, inputs: tuple[Axes, ...]) -> tuple[ReceptiveField, ...]:
        return whole_axes(inputs[0])


OptionalCount = int | None

LONGEST_SCALE = 1024
"""Phases of an interpolation whose receptive fields are computed one by one."""


@record
class Reshape(Op):
    """The same elements under other axes, in canonical order: channels first, row by row."""

    name: ClassVar[str] = "reshape"
    aliases: ClassVar[tuple[str, ...]] = ("view", "unflatten")
    sign: ClassVar[Sign] = "kept"
    view: ClassVar[bool] = True

    channels: Annotated[OptionalCount, COUNT, Doc(AXIS_DOCS["channels"])] = None
    length: Annotated[OptionalCount, COUNT, Doc(AXIS_DOCS["length"])] = None
    depth: Annotated[OptionalCount, COUNT, Doc(AXIS_DOCS["depth"])] = None
    height: Annotated[OptionalCount, COUNT, Doc(AXIS_DOCS["height"])] = None
    width: Annotated[OptionalCount, COUNT, Doc(AXIS_DOCS["width"])] = None
    tokens: Annotated[OptionalCount, COUNT, Doc(AXIS_DOCS["tokens"])] = None
    features: Annotated[OptionalCount, COUNT, Doc(AXIS_DOCS["features"])] = None

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        fields = {axis: getattr(self, axis) for axis in AXIS_NAMES}
        sizes = {axis: size for axis, size in fields.items() if size is not None}
        output = axes_of(sizes)
        if output is None or output.names == ("tokens",):
            raise ShapeError(
                "ARC108",
                f"{self.name} to {', '.join(sizes) or 'no axes'} makes no shape",
                "give channels with length, height and width, or depth, height and width; "
                "or features; or tokens and features",
            )
        if output.elements != x.elements:
            message = f"{self.name} of {x}: {x.elements} elements do not fill {output}"
            raise ShapeError("ARC109", message, f"the sizes must multiply to {x.elements}")
        self._refuse_mixing(x, output)
        return output

    def _refuse_mixing(self, x: Axes, output: Axes) -> None:
        """Refuse the sizes of `to_tokens` or `to_map`, which move elements that this does not."""
        width, positions = x.width, x.elements // x.width
        if 1 in (width, positions) or output.width != width:
            return
        if (x.is_map, output.is_sequence) == (True, True):
            other = "to_tokens"
        elif (x.is_sequence, output.is_map) == (True, True):
            other = "to_map"
        else:
            return
        raise ShapeError(
            "ARC114",
            f"{self.name} of {x} to {output} keeps the order of the elements: it would take "
            f"{'channels' if x.is_map else 'tokens'} for {'positions' if x.is_map else 'channels'}",
            f"use `{other}`; where this order is meant, `flatten` first",
        )

    def receptive_field(self, inputs: tuple[Axes, ...]) -> tuple[ReceptiveField, ...] | None:
        return whole_axes(inputs[0], exact=False)


@record
class Permute(Op):
    """The axes in another order: `[channels, width, height]` transposes each channel. The output
    keeps the input's axis names, in canonical order."""

    name: ClassVar[str] = "permute"
    aliases: ClassVar[tuple[str, ...]] = ("transpose",)
    sign: ClassVar[Sign] = "kept"
    shorthand: ClassVar[str] = "order"

    order: Annotated[
        tuple[str, ...],
        listing(choice(*AXIS_NAMES), "a list of the names of the input's axes", longest=4),
        Doc("the input's axes in the order that the output takes them"),
    ]

    def positions(self, x: Axes) -> tuple[int, ...]:
        """Which axis of `x` (from 0, without the batch) each axis of the output takes."""
        return tuple(x.names.index(name) for name in self.order)

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        if sorted(self.order) != sorted(x.names):
            raise ShapeError(
                "ARC108",
                f"{self.name} must name each axis of {x} once, got {', '.join(self.order)}",
                f"for example [{', '.join(reversed(x.names))}]",
                "order",
            )
        return x._replace(sizes=tuple(x.sizes[position] for position in self.positions(x)))

    def receptive_field(self, inputs: tuple[Axes, ...]) -> tuple[ReceptiveField, ...] | None:
        (x,) = inputs
        positions = self.positions(x)
        if not x.is_map or positions[0] != 0:
            return whole_axes(x, exact=False)
        own = (range(1),)
        return tuple(ReceptiveField(1, 1, own, position - 1) for position in positions[1:])


@record
class Pad(Op):
    """Elements added around a feature map."""

    name: ClassVar[str] = "pad"
    aliases: ClassVar[tuple[str, ...]] = (
        "zero_padding",
        "zero_pad",
        "padding",
        "constant_pad",
        "reflect_pad",
        "reflection_pad",
    )
    shorthand: ClassVar[str] = "padding"

    padding: Annotated[
        Amounts, AMOUNTS, Doc("elements added: n, [h, w] or [[top, bottom], [left, right]]")
    ]
    mode: Annotated[
        str, choice("constant", "reflect"), Doc("a constant, or the map mirrored at its edge")
    ] = "constant"
    value: Annotated[Number, Doc("the constant")] = 0.0

    def amounts(self, x: Axes) -> tuple[tuple[int, int], ...]:
        """Elements added at the begin and end of each spatial axis of `x`."""
        return broadcast_pairs(self.name, "padding", self.padding, x)

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        require_feature_map(self.name, x)
        amounts = self.amounts(x)
        if self.mode == "reflect":
            for axis, size, pair in zip(x.names[1:], x.spatial, amounts, strict=True):
                if max(pair) >= size:
                    raise ShapeError(
                        "ARC101",
                        f"{self.name} cannot mirror {max(pair)} elements of {axis} {size}",
                        f"mirror at most {size - 1}",
                        "padding",
                    )
        spatial = zip(x.spatial, amounts, strict=True)
        return x.with_spatial(tuple(size + sum(pair) for size, pair in spatial))

    def receptive_field(self, inputs: tuple[Axes, ...]) -> tuple[ReceptiveField, ...]:
        return tuple(
            ReceptiveField(1, 1, (range(-begin, 1 - begin),))
            for begin, _ in self.amounts(inputs[0])
        )


@record
class Crop(Op):
    """Elements cut off around a feature map."""

    name: ClassVar[str] = "crop"
    aliases: ClassVar[tuple[str, ...]] = ("cropping",)
    sign: ClassVar[Sign] = "kept"
    shorthand: ClassVar[str] = "cropping"

    cropping: Annotated[
        Amounts, AMOUNTS, Doc("elements cut off: n, [h, w] or [[top, bottom], [left, right]]")
    ]

    def amounts(self, x: Axes) -> tuple[tuple[int, int], ...]:
        """Elements cut off at the begin and end of each spatial axis of `x`."""
        return broadcast_pairs(self.name, "cropping", self.cropping, x)

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        require_feature_map(self.name, x)
        pairs = zip(x.spatial, self.amounts(x), strict=True)
        spatial = tuple(size - sum(pair) for size, pair in pairs)
        if min(spatial) < 1:
            raise ShapeError(
                "ARC101", f"{self.name} leaves nothing of {x}", "cut off less", "cropping"
            )
        return x.with_spatial(spatial)

    def receptive_field(self, inputs: tuple[Axes, ...]) -> tuple[ReceptiveField, ...]:
        return tuple(
            ReceptiveField(1, 1, (range(begin, begin + 1),)) for begin, _ in self.amounts(inputs[0])
        )


@record
class Upsample(Op):
    """Each spatial axis enlarged by a whole factor: elements repeated, or interpolated with the
    sample points at element centres."""

    name: ClassVar[str] = "upsample"
    aliases: ClassVar[tuple[str, ...]] = (
        "interpolate",
        "resize",
        "upsampling",
        "upsampling_nearest",
        "upsampling_bilinear",
    )
    sign: ClassVar[Sign] = "kept"
    shorthand: ClassVar[str] = "scale"

    scale: Annotated[WindowSize, Doc("factor for each spatial axis")]
    mode: Annotated[
        str,
        choice("nearest", "linear"),
        Doc("repeat elements, or interpolate (bilinear in 2-D, trilinear in 3-D)"),
    ] = "nearest"

    def scales(self, x: Axes) -> tuple[int, ...]:
        """The factor of each spatial axis of `x`."""
        return broadcast(self.name, "scale", self.scale, x)

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        require_feature_map(self.name, x)
        pairs = zip(x.spatial, self.scales(x), strict=True)
        return x.with_spatial(tuple(size * factor for size, factor in pairs))

    def receptive_field(self, inputs: tuple[Axes, ...]) -> tuple[ReceptiveField, ...]:
        scales = self.scales(inputs[0])
        if self.mode == "nearest":
            return tuple(ReceptiveField(factor, 1, (range(1),)) for factor in scales)
        return tuple(map(_between_centres, scales))


def _between_centres(factor: int) -> ReceptiveField:
    """Interpolation at element centres: sample (r + 1/2) / factor - 1/2 lies on an element, or
    between two."""
    if factor > LONGEST_SCALE:
        return ReceptiveField(factor, 1, (range(-1, 2),), exact=False)
    taps = []
    for phase in range(factor):
        below, beside = divmod(2 * phase + 1 - factor, 2 * factor)
        taps.append(range(below, below + (2 if beside else 1)))
    return ReceptiveField(factor, 1, tuple(taps))


def _token_or_tokens(value: object) -> object:
    return integers(value, 0, 1, 100_000) if isinstance(value, list) else TOKEN.convert(value)


TOKEN = integer(0)
TOKENS = Kind(
    "a token's index, counted from 0, or a list of them",
    {
        "anyOf": [
            TOKEN.schema,
            {"type": "array", "minItems": 1, "items": or_expression(TOKEN.schema)},
        ]
    },
    _token_or_tokens,
)


@record
class Select(Op):
    """Some channels of a map, or features of a vector or of each token, by index; or some tokens of
    a sequence. One may be taken twice. A single index of a token gives that token as a vector."""

    name: ClassVar[str] = "select"
    aliases: ClassVar[tuple[str, ...]] = ("index_select", "gather", "take")
    sign: ClassVar[Sign] = "kept"
    shorthand: ClassVar[str] = "channels"

    channels: Annotated[
        tuple[int, ...] | None,
        listing(integer(0), "a list of channel indices, counted from 0"),
        Doc("indices of the channels or features taken, counted from 0"),
    ] = None
    tokens: Annotated[
        int | tuple[int, ...] | None,
        TOKENS,
        Doc("the index of the token taken, counted from 0, or a list of them"),
    ] = None

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        if (self.channels is None) == (self.tokens is None):
            hint = (
                "keep one of them" if self.channels else "give `tokens: 0`, or `channels: [0, 2]`"
            )
            message = f"{self.name} takes either channels or tokens, by index"
            raise ShapeError("ARC108", message, hint)
        if self.channels is not None:
            self._require_index(max(self.channels), x.width, "channel", x)
            return x.with_width(len(self.channels))
        assert self.tokens is not None
        if not x.is_sequence:
            message = f"{self.name} of tokens needs a sequence, got {x}"
            raise ShapeError("ARC102", message, sequence_hint(x), "tokens")
        single = isinstance(self.tokens, int)
        chosen = (self.tokens,) if isinstance(self.tokens, int) else self.tokens
        self._require_index(max(chosen), x.sizes[0], "token", x)
        return vector(x.width) if single else x._replace(sizes=(len(chosen), x.width))

    def _require_index(self, index: int, size: int, what: str, x: Axes) -> None:
        if index >= size:
            raise ShapeError(
                "ARC110",
                f"{self.name} takes {what} {index} of {x}",
                f"{what}s count from 0 to {size - 1}",
                f"{what}s",
            )


@record
class Split(Op):
    """One of several equal parts of the channels, or of the features: a step for each part."""

    name: ClassVar[str] = "split"
    aliases: ClassVar[tuple[str, ...]] = ("chunk", "unbind")
    sign: ClassVar[Sign] = "kept"

    parts: Annotated[Count, Doc("parts the channels are split into")]
    index: Annotated[int, integer(0), Doc("the part that is taken, counted from 0")]

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        what = "channels" if x.is_map else "features"
        require_divisible(self.name, "parts", self.parts, what, x.width)
        if self.index >= self.parts:
            raise ShapeError(
                "ARC110",
                f"{self.name} takes part {self.index} of {self.parts}",
                f"parts count from 0 to {self.parts - 1}",
                "index",
            )
        return x.with_width(x.width // self.parts)


@record
class ChannelShuffle(Op):
    """Channels viewed as (groups, channels / groups), the two swapped (Zhang et al. 2018)."""

    name: ClassVar[str] = "channel_shuffle"
    aliases: ClassVar[tuple[str, ...]] = ("shuffle_channels",)
    sign: ClassVar[Sign] = "kept"
    shorthand: ClassVar[str] = "groups"

    groups: Annotated[Count, Doc("parts the channels are split into")]

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        require_feature_map(self.name, x)
        require_divisible(self.name, "groups", self.groups, "channels", x.width)
        return x


OPS = (Flatten, Reshape, Permute, Pad, Crop, Upsample, Select, Split, ChannelShuffle)
