"""Recurrences: a state that is carried from token to token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from archc.ops.axes import Axes, vector
from archc.ops.base import Op, ReceptiveField, ShapeError, Unit, Variable
from archc.ops.fields import COUNT, Count, Doc, Flag, Rate
from archc.records import record


@record
class Recurrence(Op):
    """What the recurrent ops have in common. Their arrays are called as PyTorch calls them: layers
    count from 0, and `_reverse` is the direction from the last token to the first."""

    shorthand: ClassVar[str] = "units"
    drop_unit: ClassVar[Unit] = "inner"
    bounds: ClassVar[tuple[float, float] | None] = (-1.0, 1.0)
    gates_per_unit: ClassVar[int]
    """Values that are computed of a token and the state for each unit: gates, and the candidate."""
    biases: ClassVar[tuple[str, ...]]
    """The biases of each layer."""

    units: Annotated[Count, Doc("features of the state, and of the output of each direction")]
    return_sequences: Annotated[
        Flag, Doc("whether the state after each token is given, not that after the last alone")
    ] = False
    bidirectional: Annotated[
        Flag, Doc("whether a second recurrence goes from the last token to the first")
    ] = False
    layers: Annotated[int, COUNT, Doc("recurrences one after the other")] = 1
    dropout: Annotated[Rate, Doc("share of the values dropped between two layers")] = 0.0

    @property
    def drop_rate(self) -> float | None:
        return self.dropout or None

    @property
    def directions(self) -> tuple[str, ...]:
        """The suffixes of the arrays of each direction."""
        return ("", "_reverse") if self.bidirectional else ("",)

    def widths(self, x: Axes) -> tuple[int, ...]:
        """The features that come into each layer."""
        return (x.width, *[len(self.directions) * self.units] * (self.layers - 1))

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        if not x.is_sequence:
            hint = "`to_tokens` makes tokens of a map's positions" if x.is_map else None
            raise ShapeError("ARC102", f"{self.name} needs a sequence, got {x}", hint)
        if self.dropout and self.layers == 1:
            raise ShapeError(
                "ARC115",
                f"`dropout` of {self.name} is between layers, and there is a single one",
                "add a step `dropout` after it, or more `layers`",
                "dropout",
            )
        width = len(self.directions) * self.units
        return x.with_width(width) if self.return_sequences else vector(width)

    def variables(self, inputs: tuple[Axes, ...]) -> tuple[Variable, ...]:
        return tuple(self._variables(inputs[0]))

    def _variables(self, x: Axes) -> Iterator[Variable]:
        rows = self.gates_per_unit * self.units
        for layer, width in enumerate(self.widths(x)):
            for direction in self.directions:
                end = f"l{layer}{direction}"
                yield Variable(f"weight_ih_{end}", "kernel", (rows, width), float(width))
                yield Variable(f"weight_hh_{end}", "kernel", (rows, self.units), float(self.units))
                for bias in self.biases:
                    yield Variable(f"{bias}_{end}", "bias", (rows,))

    def macs(self, inputs: tuple[Axes, ...], output: Axes) -> int:
        (x,) = inputs
        rows = self.gates_per_unit * self.units
        products = sum(rows * (width + self.units) for width in self.widths(x))
        return x.sizes[0] * len(self.directions) * products

    def receptive_field(self, inputs: tuple[Axes, ...]) -> tuple[ReceptiveField, ...]:
        return ()


class Lstm(Recurrence):
    """Long short-term memory with forget gates (Hochreiter & Schmidhuber 1997, Gers et al. 2000):
    c = f c + i tanh(g), the output is o tanh(c). The gates i, f, the candidate g and the gate o
    stand in this order in each array. Each has one bias, as in the papers and in Keras; the second
    one of PyTorch's `nn.LSTM` stays zero.

    Without `return_sequences`, the output is the state after the last token, and with
    `bidirectional` that after the first one behind it. A layer takes in a token
    4 units (features + units) multiply-accumulates each way."""

    name: ClassVar[str] = "lstm"
    aliases: ClassVar[tuple[str, ...]] = ("lstm_cell",)
    gates_per_unit: ClassVar[int] = 4
    biases: ClassVar[tuple[str, ...]] = ("bias_ih",)


class Gru(Recurrence):
    """Gated recurrent unit (Cho et al. 2014), with the reset gate applied after the product, as
    cuDNN, PyTorch and Keras' `reset_after` have it: n = tanh(W x + b + r (U h + c)), and the output
    is (1 - z) n + z h. The gates r, z and the candidate n stand in this order in each array. Each
    has two biases, one of the token and one of the state.

    Without `return_sequences`, the output is the state after the last token, and with
    `bidirectional` that after the first one behind it. A layer takes in a token
    3 units (features + units) multiply-accumulates each way."""

    name: ClassVar[str] = "gru"
    aliases: ClassVar[tuple[str, ...]] = ("gru_cell",)
    gates_per_unit: ClassVar[int] = 3
    biases: ClassVar[tuple[str, ...]] = ("bias_ih", "bias_hh")


OPS = (Lstm, Gru)
