"""Attention within windows of a feature map."""

from __future__ import annotations

from math import log
from typing import Annotated, ClassVar

from archc.ops.axes import Axes
from archc.ops.base import Op, ReceptiveField, ShapeError, Variable
from archc.ops.fields import Count, Doc, Flag, choice, integer
from archc.ops.initializer import Initializer, constant
from archc.records import record

HIDDEN = 512
"""Units of the network that gives a continuous bias (Liu et al. 2022, section 3.3)."""


@record
class WindowAttention(Op):
    """Multi-head attention among the positions of each window of a map (Liu et al. 2021, Swin
    Transformer, section 3.2): queries, keys and values are projected, each head weighs the values
    by the softmax of query . key / sqrt(head size) plus a bias by how far the two lie apart, and
    the heads are projected back to the channels of the input.

    With `shift` the windows begin so many positions later, and those at the border are cut off
    there; along an axis with a single window nothing is shifted. With `grid` a window takes every
    n-th position of each axis, so that it spans the map (Tu et al. 2022, MaxViT, section 3.2).

    The bias is learned for each distance and head (`table`), or comes from a small network of the
    logarithm of the distance (`continuous`: Liu et al. 2022, Swin Transformer V2, section 3.3).
    `cosine` weighs by the cosine of query and key times a learned factor a head, which is at most
    100; the keys have no bias then (section 3.2).

    The multiply-accumulates are those of the projections, of both products of all queries with all
    keys of their window, and of a continuous bias, which a batch needs once."""

    name: ClassVar[str] = "window_attention"
    aliases: ClassVar[tuple[str, ...]] = (
        "shifted_window_attention",
        "swin_attention",
        "grid_attention",
        "local_attention",
    )

    heads: Annotated[Count, Doc("heads; they share the channels of the input equally")]
    window: Annotated[Count, Doc("height and width of a window")]
    shift: Annotated[
        int,
        integer(0),
        Doc("positions by which the windows begin later; less than `window`"),
    ] = 0
    grid: Annotated[Flag, Doc("whether a window takes positions spread over the whole map")] = False
    relative_bias: Annotated[
        str,
        choice("table", "continuous", "none"),
        Doc("what is added by how far query and key lie apart"),
    ] = "table"
    cosine: Annotated[Flag, Doc("whether heads weigh by a scaled cosine")] = False

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        if not (x.is_map and len(x.spatial) == 2):
            raise ShapeError("ARC102", f"{self.name} needs a map of height and width, got {x}")
        if x.width % self.heads:
            raise ShapeError(
                "ARC105",
                f"{self.name} cannot split {x.width} channels into {self.heads} heads",
                f"choose `heads` so that it divides {x.width}",
                "heads",
            )
        if any(size % self.window for size in x.spatial):
            raise ShapeError(
                "ARC105",
                f"{self.name} cannot split {x} into windows of {self.window} x {self.window}",
                "choose `window` so that it divides height and width, or `pad` the map first",
                "window",
            )
        if self.shift >= self.window:
            raise ShapeError(
                "ARC115",
                f"`shift` of {self.name} is {self.shift}, not less than its window of "
                f"{self.window}",
                "half a window is usual",
                "shift",
            )
        if self.shift and self.grid:
            raise ShapeError(
                "ARC115",
                f"{self.name} over a grid has no windows to shift",
                "leave out `shift`, or `grid`",
                "shift",
            )
        if self.relative_bias == "continuous" and self.window == 1:
            raise ShapeError(
                "ARC115",
                f"in {self.name} with windows of a single position no two lie apart",
                "leave out `relative_bias: continuous`, or enlarge `window`",
                "relative_bias",
            )
        return x

    def variables(self, inputs: tuple[Axes, ...]) -> tuple[Variable, ...]:
        width = inputs[0].width
        variables: list[Variable] = []
        for part in ("query", "key", "value", "output"):
            variables.append(Variable(f"{part}_weight", "kernel", (width, width), float(width)))
            if part != "key" or not self.cosine:
                variables.append(Variable(f"{part}_bias", "bias", (width,)))
        if self.cosine:
            scale = Variable("logit_scale", "scale", (self.heads,), initial=constant(log(10)))
            variables.append(scale)
        if self.relative_bias == "table":
            shape = ((2 * self.window - 1) ** 2, self.heads)
            initial = Initializer("normal", 0.02)
            variables.append(Variable("bias_table", "table", shape, initial=initial))
        if self.relative_bias == "continuous":
            variables += [
                Variable("distance_weight", "kernel", (HIDDEN, 2), 2.0),
                Variable("distance_bias", "bias", (HIDDEN,)),
                Variable("head_weight", "kernel", (self.heads, HIDDEN), float(HIDDEN)),
            ]
        return tuple(variables)

    def macs(self, inputs: tuple[Axes, ...], output: Axes) -> int:
        (x,) = inputs
        macs = 4 * x.elements * x.width + 2 * x.elements * self.window**2
        if self.relative_bias == "continuous":
            macs += (2 * self.window - 1) ** 2 * HIDDEN * (2 + self.heads)
        return macs

    def receptive_field(self, inputs: tuple[Axes, ...]) -> tuple[ReceptiveField, ...]:
        return tuple(self._seen(size) for size in inputs[0].spatial)

    def _seen(self, size: int) -> ReceptiveField:
        """What the positions along an axis of so many see of it."""
        window = self.window
        if self.grid:
            step = size // window
            taps = tuple(range(first, size, step) for first in range(step))
            return ReceptiveField(step, 0, taps)
        shift = self.shift if size > window else 0
        before, after = range(shift - window, shift), range(shift, shift + window)
        taps = tuple(before if phase < shift else after for phase in range(window))
        return ReceptiveField(window, window, taps if shift else (after,))


OPS = (WindowAttention,)
