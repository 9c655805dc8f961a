"""Attention: each token as a weighted sum of others, by how well its query fits their keys."""

from __future__ import annotations

from math import log
from typing import Annotated, ClassVar

from archc.ops.axes import Axes
from archc.ops.base import (
    Op,
    ReceptiveField,
    ShapeError,
    Unit,
    Variable,
    map_hint,
    sequence_hint,
)
from archc.ops.fields import BOOLEAN, COUNT, Count, Doc, Flag, Rate, choice, integer, real
from archc.ops.initializer import Initializer, constant
from archc.records import record


@record
class Attention(Op):
    """Multi-head attention (Vaswani et al. 2017, section 3.2): queries, keys and values are
    projected, each head weighs the values by the softmax of query . key / sqrt(head_size), and the
    heads are projected back to the features of the input.

    With `from: [queries, memory]`, keys and values come from the memory. Fewer `key_heads` than
    heads serve several of these each (Ainslie et al. 2023). `rotary` turns feature i of each query
    and key together with feature i + half by position / rotary^(2i / turned), the two halves of
    Llama's rule (Su et al. 2021); `qk_norm` normalises each of them by its root mean square, plus
    1e-6, times a learned coefficient a feature of a head, before that.

    The multiply-accumulates are those of the projections and of both products of all queries with
    all keys: what is masked is computed all the same. A token sees every position that any token of
    the sequence saw."""

    name: ClassVar[str] = "attention"
    aliases: ClassVar[tuple[str, ...]] = (
        "self_attention",
        "cross_attention",
        "multi_head_attention",
        "grouped_query_attention",
        "group_query_attention",
        "scaled_dot_product_attention",
        "mha",
        "mhsa",
    )
    most_inputs: ClassVar[int] = 2
    drop_unit: ClassVar[Unit] = "inner"
    shorthand: ClassVar[str] = "heads"

    heads: Annotated[Count, Doc("heads of the queries")]
    key_heads: Annotated[
        int | None, COUNT, Doc("heads of the keys and values; default as many as heads")
    ] = None
    head_size: Annotated[
        int | None, COUNT, Doc("features of a head; default features of the input / heads")
    ] = None
    bias: Annotated[Flag, Doc("whether each of the four projections adds a learned value")] = True
    key_bias: Annotated[
        bool | None, BOOLEAN, Doc("whether that of the keys does; default as `bias`")
    ] = None
    output_bias: Annotated[
        bool | None, BOOLEAN, Doc("whether the last projection does; default as `bias`")
    ] = None
    causal: Annotated[Flag, Doc("whether a token sees no token after it")] = False
    window: Annotated[
        int | None, COUNT, Doc("a token sees those less than so many positions away; default all")
    ] = None
    dropout: Annotated[Rate, Doc("share of the weights dropped in training")] = 0.0
    rotary: Annotated[
        float | None,
        real("a number above 1", above=1),
        Doc("base of the wavelengths by which queries and keys are turned; default not turned"),
    ] = None
    rotary_share: Annotated[
        float,
        real("a number above 0, up to 1", above=0, maximum=1),
        Doc("share of each head's features that is turned, from the first on"),
    ] = 1.0
    qk_norm: Annotated[Flag, Doc("whether queries and keys are normalised, head by head")] = False

    @property
    def drop_rate(self) -> float | None:
        return self.dropout or None

    def adds_bias(self, part: str) -> bool:
        """Whether a projection (query, key, value or output) adds a learned value."""
        own = {"key": self.key_bias, "output": self.output_bias}.get(part)
        return self.bias if own is None else own

    def size_of_head(self, x: Axes) -> int:
        """The features of a head."""
        return self.head_size or x.width // self.heads

    def turned(self, x: Axes) -> int:
        """The features of a head that are turned by the position."""
        return round(self.size_of_head(x) * self.rotary_share) if self.rotary else 0

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        x, memory = inputs[0], inputs[-1]
        for one in inputs:
            if not one.is_sequence:
                message = f"{self.name} needs a sequence, got {one}"
                raise ShapeError("ARC102", message, sequence_hint(one))
        if self.head_size is None and x.width % self.heads:
            raise ShapeError(
                "ARC105",
                f"{self.name} cannot split {x.width} features into {self.heads} heads",
                f"choose `heads` so that it divides {x.width}, or give `head_size`",
                "heads",
            )
        if self.key_heads is not None and self.heads % self.key_heads:
            raise ShapeError(
                "ARC105",
                f"{self.name} cannot split {self.heads} heads among {self.key_heads} key heads",
                f"choose `key_heads` so that it divides {self.heads}",
                "key_heads",
            )
        if self.turned(x) % 2 or (self.rotary and not self.turned(x)):
            raise ShapeError(
                "ARC105",
                f"{self.name} cannot turn {self.turned(x)} features of a head in pairs",
                "choose `head_size` or `rotary_share` so that their number is even, and not 0",
                "rotary",
            )
        if len(inputs) > 1:
            self._require_one_sequence(memory)
        return x

    def _require_one_sequence(self, memory: Axes) -> None:
        """Refuse what only makes sense among positions of one sequence."""
        fields = {"causal": self.causal, "window": self.window, "rotary": self.rotary}
        for field in (field for field, value in fields.items() if value):
            raise ShapeError(
                "ARC115",
                f"`{field}` of {self.name} is about positions of one sequence, but keys and values "
                f"come from another: {memory}",
                f"leave out `{field}`, or the second step of `from`",
                field,
            )

    def variables(self, inputs: tuple[Axes, ...]) -> tuple[Variable, ...]:
        x, memory = inputs[0], inputs[-1]
        size = self.size_of_head(x)
        queries, keys = self.heads * size, (self.key_heads or self.heads) * size
        shapes = {
            "query": (queries, x.width),
            "key": (keys, memory.width),
            "value": (keys, memory.width),
            "output": (x.width, queries),
        }
        variables: list[Variable] = []
        for part, shape in shapes.items():
            variables.append(Variable(f"{part}_weight", "kernel", shape, float(shape[1])))
            if self.adds_bias(part):
                variables.append(Variable(f"{part}_bias", "bias", shape[:1]))
        if self.qk_norm:
            variables += [
                Variable(f"{part}_norm", "scale", (size,), initial=constant(1.0))
                for part in ("query", "key")
            ]
        return tuple(variables)

    def macs(self, inputs: tuple[Axes, ...], output: Axes) -> int:
        x, memory = inputs[0], inputs[-1]
        size, key_heads = self.size_of_head(x), self.key_heads or self.heads
        projections = 2 * x.elements * self.heads * size + 2 * memory.elements * key_heads * size
        return projections + 2 * x.sizes[0] * memory.sizes[0] * self.heads * size

    def receptive_field(self, inputs: tuple[Axes, ...]) -> tuple[ReceptiveField, ...]:
        return ()


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
            hint = map_hint(x)
            if x.is_sequence or len(x.spatial) == 1:
                hint = "along one axis, `attention` with `window` is over a sequence"
                hint += ", which `to_tokens` makes" if x.is_map else ""
            message = f"{self.name} needs a map of height and width, got {x}"
            raise ShapeError("ARC102", message, hint)
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


OPS = (Attention, WindowAttention)
