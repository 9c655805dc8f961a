"""Fully connected layers, and tables of vectors."""

from __future__ import annotations

from typing import Annotated, ClassVar

from archc.ops.activation import ActivationField
from archc.ops.axes import SEQUENCE_AXES, Axes, vector
from archc.ops.base import Op, Order, OutputKind, ShapeError, Variable
from archc.ops.fields import Count, Doc, Flag, Kind, Schema, or_expression
from archc.ops.initializer import InitializerField
from archc.ops.kernel import kernel_variables
from archc.records import record


def require_flat(op: str, x: Axes) -> None:
    """Refuse a feature map (ARC104)."""
    if x.is_map:
        raise ShapeError("ARC104", f"{op} needs a flat input, got {x}", "add `flatten` before it")


@record
class Dense(Op):
    """Fully connected layer: weight . x + bias, on a vector or on each token of a sequence."""

    name: ClassVar[str] = "dense"
    aliases: ClassVar[tuple[str, ...]] = ("linear", "fc", "fully_connected", "inner_product")
    element_order: ClassVar[Order] = "absorbed"
    shorthand: ClassVar[str] = "units"

    units: Annotated[Count, Doc("output features")]
    bias: Annotated[Flag, Doc("whether a learned value is added to each output feature")] = True
    activation: Annotated[ActivationField, Doc("applied to the result")] = None
    initializer: InitializerField = None

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        require_flat(self.name, x)
        return x.with_width(self.units)

    def variables(self, inputs: tuple[Axes, ...]) -> tuple[Variable, ...]:
        (x,) = inputs
        output = x.with_width(self.units)
        shape = (self.units, x.width)
        return kernel_variables(
            shape,
            output,
            bias=self.bias,
            activation=self.activation,
            initializer=self.initializer,
        )

    def ties(self, owner: Op) -> tuple[str, ...]:
        return ("weight",) if isinstance(owner, Embedding) else ()

    def macs(self, inputs: tuple[Axes, ...], output: Axes) -> int:
        return inputs[0].width * output.elements


def _codes(value: object) -> tuple[tuple[float, ...], ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= 100_000:
        raise ValueError
    rows = tuple(_code(row) for row in value)
    if len({len(row) for row in rows}) != 1:
        raise ValueError
    return rows


def _code(row: object) -> tuple[float, ...]:
    """Numbers, or a picture whose `#` is +1 and whose `.` is -1; white space is dropped."""
    if isinstance(row, str):
        pixels = "".join(row.split())
        if not pixels or set(pixels) - {"#", "."}:
            raise ValueError
        return tuple(1.0 if pixel == "#" else -1.0 for pixel in pixels)
    if not isinstance(row, list) or not 1 <= len(row) <= 100_000:
        raise ValueError
    if not all(isinstance(item, int | float) and not isinstance(item, bool) for item in row):
        raise ValueError
    return tuple(float(item) for item in row)


_ROW: Schema = {
    "anyOf": [
        {"type": "string", "pattern": "^[#.\\s]+$"},
        {"type": "array", "minItems": 1, "items": or_expression({"type": "number"})},
    ]
}
CODES = Kind(
    "a list of rows of one length, each a list of numbers or a picture of # (+1) and . (-1)",
    {"type": "array", "minItems": 1, "items": or_expression(_ROW)},
    _codes,
)


@record
class Rbf(Op):
    """Radial basis units: the squared distance of the input to each fixed row (LeCun et al. 1998,
    section II.B). The rows are constants, so they count as no parameters; a unit takes one
    multiply-accumulate an element."""

    name: ClassVar[str] = "rbf"
    aliases: ClassVar[tuple[str, ...]] = ("radial_basis", "radial_basis_function")
    output_kind: ClassVar[OutputKind] = "distances"
    shorthand: ClassVar[str] = "codes"

    codes: Annotated[
        tuple[tuple[float, ...], ...],
        CODES,
        Doc("fixed rows, one a unit: numbers, or a picture of # (+1) and . (-1)"),
    ]

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        require_flat(self.name, x)
        if not x.is_vector:
            hint = "`global_avg_pool` or `select: {tokens: 0}` makes a vector of a sequence"
            raise ShapeError("ARC104", f"{self.name} needs a vector, got {x}", hint)
        if len(self.codes[0]) != x.width:
            raise ShapeError(
                "ARC107",
                f"{self.name} compares {x} with codes of {len(self.codes[0])} values",
                f"give each code {x.width} values",
                "codes",
            )
        return vector(len(self.codes))

    def macs(self, inputs: tuple[Axes, ...], output: Axes) -> int:
        return inputs[0].width * output.width


@record
class Embedding(Op):
    """A learned vector for each token id: a row of a table, which takes no multiply-accumulates.
    Ids count from 0 up to, but not including, `vocabulary`."""

    name: ClassVar[str] = "embedding"
    aliases: ClassVar[tuple[str, ...]] = (
        "embed",
        "lookup",
        "token_embedding",
        "embedding_lookup",
    )

    vocabulary: Annotated[Count, Doc("ids that there are vectors for")]
    features: Annotated[Count, Doc("features of each vector")]

    @property
    def ids(self) -> int:
        return self.vocabulary

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        (x,) = inputs
        if x.dtype == "float32":
            raise ShapeError(
                "ARC113", f"{self.name} needs token ids, got {x}", "ids are of `dtype: int32`"
            )
        return Axes(SEQUENCE_AXES, (*x.sizes, self.features))

    def variables(self, inputs: tuple[Axes, ...]) -> tuple[Variable, ...]:
        return (Variable("weight", "table", (self.vocabulary, self.features)),)


OPS = (Dense, Embedding, Rbf)
