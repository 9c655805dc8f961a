"""Ops that arrange space anew: maps as sequences of tokens, blocks of space as channels."""

from __future__ import annotations

from math import isqrt, prod
from typing import Annotated, ClassVar

from archc.ops.axes import AXIS_DOCS, SEQUENCE_AXES, Axes, axes_of, feature_map
from archc.ops.base import (
    Op,
    ReceptiveField,
    ShapeError,
    Sign,
    map_hint,
    require_feature_map,
    sequence_hint,
)
from archc.ops.fields import COUNT, Count, Doc
from archc.ops.shape import OptionalCount
from archc.records import record


class ToTokens(Op):
    """The positions of a feature map as tokens, row by row; its channels are their features."""

    name: ClassVar[str] = "to_tokens"
    aliases: ClassVar[tuple[str, ...]] = ("patchify",)
    sign: ClassVar[Sign] = "kept"
    view: ClassVar[bool] = True

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        require_feature_map(self.name, x)
        return Axes(SEQUENCE_AXES, (x.elements // x.width, x.width))


@record
class ToMap(Op):
    """The tokens of a sequence as the positions of a feature map, row by row; their features are
    its channels. Without fields a 1-D map."""

    name: ClassVar[str] = "to_map"
    sign: ClassVar[Sign] = "kept"
    view: ClassVar[bool] = True

    depth: Annotated[OptionalCount, COUNT, Doc(AXIS_DOCS["depth"])] = None
    height: Annotated[OptionalCount, COUNT, Doc(AXIS_DOCS["height"])] = None
    width: Annotated[OptionalCount, COUNT, Doc(AXIS_DOCS["width"])] = None

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        if not x.is_sequence:
            message = f"{self.name} needs a sequence, got {x}"
            raise ShapeError("ARC102", message, sequence_hint(x))
        tokens, features = x.sizes
        fields = {axis: getattr(self, axis) for axis in ("depth", "height", "width")}
        sizes = {axis: size for axis, size in fields.items() if size is not None}
        output = axes_of({"channels": features, **(sizes or {"length": tokens})})
        if output is None:
            raise ShapeError(
                "ARC108",
                f"{self.name} with {', '.join(sizes)} makes no feature map",
                "give height and width, or depth, height and width, or none of them",
            )
        if output.elements != x.elements:
            message = f"{self.name} of {x}: {tokens} tokens do not fill {output}"
            raise ShapeError("ARC109", message, _filling_hint(tokens, output))
        return output


def _filling_hint(tokens: int, output: Axes) -> str:
    """What sizes a number of tokens does fill."""
    if prod(output.spatial) == tokens - 1:
        chosen = f'"$(range(1, {tokens}))"'
        return f"to leave out a class token, `select: {{tokens: {chosen}}}` before it"
    product = " \u00d7 ".join(output.names[1:])
    hint = f"{product} must be {tokens}"
    if len(output.spatial) != 2:
        return hint
    height = next(size for size in range(isqrt(tokens), 0, -1) if tokens % size == 0)
    return f"{hint}: for example {height} \u00d7 {tokens // height}"


def _require_rows_and_columns(op: SpaceToDepth | DepthToSpace, x: Axes) -> None:
    if len(x.spatial) != 2:
        message = f"{op.name} needs a map with height and width, got {x}"
        raise ShapeError("ARC102", message, map_hint(x))


@record
class SpaceToDepth(Op):
    """Blocks of `block_size` x `block_size` positions as channels. Each channel becomes those of
    its block, row by row (PyTorch's `PixelUnshuffle`)."""

    name: ClassVar[str] = "space_to_depth"
    aliases: ClassVar[tuple[str, ...]] = ("pixel_unshuffle",)
    sign: ClassVar[Sign] = "kept"
    shorthand: ClassVar[str] = "block_size"

    block_size: Annotated[Count, Doc("positions of a block along each axis")]

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        _require_rows_and_columns(self, x)
        size = self.block_size
        if any(side % size for side in x.spatial):
            raise ShapeError(
                "ARC105",
                f"{self.name} cannot split {x} into blocks of {size} x {size}",
                "choose `block_size` so that it divides height and width",
                "block_size",
            )
        return feature_map(x.width * size * size, tuple(side // size for side in x.spatial))

    def receptive_field(self, inputs: tuple[Axes, ...]) -> tuple[ReceptiveField, ...]:
        size = self.block_size
        return tuple(ReceptiveField(1, size, (range(size),)) for _ in inputs[0].spatial)


@record
class DepthToSpace(Op):
    """Channels as blocks of `block_size` x `block_size` positions: neighbouring channels become the
    block of one, row by row (Shi et al. 2016; PyTorch's `PixelShuffle`)."""

    name: ClassVar[str] = "depth_to_space"
    aliases: ClassVar[tuple[str, ...]] = ("pixel_shuffle",)
    sign: ClassVar[Sign] = "kept"
    shorthand: ClassVar[str] = "block_size"

    block_size: Annotated[Count, Doc("positions of a block along each axis")]

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        _require_rows_and_columns(self, x)
        size = self.block_size
        if x.width % (size * size):
            raise ShapeError(
                "ARC105",
                f"{self.name} cannot split {x.width} channels into blocks of {size} x {size}",
                f"choose `block_size` so that its square divides {x.width}",
                "block_size",
            )
        return feature_map(x.width // (size * size), tuple(side * size for side in x.spatial))

    def receptive_field(self, inputs: tuple[Axes, ...]) -> tuple[ReceptiveField, ...]:
        return tuple(ReceptiveField(self.block_size, 1, (range(1),)) for _ in inputs[0].spatial)


OPS = (ToTokens, ToMap, SpaceToDepth, DepthToSpace)
