"""What every op is: its fields, the rule for its output's axes, its weights and its cost."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

from archc.ops.axes import Axes
from archc.ops.fields import Amounts, fields_of, pairs_per_axis, per_axis
from archc.ops.initializer import Initializer
from archc.records import record

Sign = Literal["any", "nonnegative", "kept"]
"""What is known of an op's output: nothing; it is never below zero; so if no input ever is."""

Role = Literal["kernel", "bias", "scale", "slope", "table", "mean", "variance"]
"""What a variable does: it mixes channels or features; is added to each; multiplies each; is the
slope of each below zero; holds vectors that take the place of tokens, or are added to them; or is a
running statistic of each, its mean or its variance."""

OutputKind = Literal["logits", "probabilities", "log_probabilities", "distances"]
"""What the values of a network are that ends in an op."""

Unit = Literal["element", "sample", "inner"]
"""What is dropped at random in training: each element of the input by itself, whole samples, or
values that only the op's own layer knows."""

Order = Literal["observed", "carried", "absorbed"]
"""What becomes of the order of an incoming vector's features: it shows in the result; the result
has the same order; or learned weights take it in."""


class ShapeError(Exception):
    """An op cannot take what comes in. `field` names the field that causes it, where one does."""

    def __init__(
        self, code: str, message: str, hint: str | None = None, field: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.field = field


class Variable(NamedTuple):
    """One array that an op keeps, in canonical layout (output first, then input, then space).

    `fan_in` counts, for a kernel, the values that each value of the output is summed from, on
    average. `momentum` is, for a running statistic, the share of it that is kept at each step.
    `initial` is how its values are drawn at first, by numbers; None where each framework draws them
    by its own rule.
    """

    name: str
    role: Role
    shape: tuple[int, ...]
    fan_in: float = 1.0
    momentum: float = 0.0
    initial: Initializer | None = None

    @property
    def learned(self) -> bool:
        """Whether the values are trained; running statistics are state."""
        return self.role not in ("mean", "variance")

    @property
    def elements(self) -> int:
        """Values in the array."""
        count = 1
        for size in self.shape:
            count *= size
        return count


class ReceptiveField(NamedTuple):
    """What the output's positions see of the input along one spatial axis.

    Position `q * period + r` sees the input's positions `taps[r]`, moved on by `q * shift`; a
    single range in `taps` stands for every r. `axis` is the input's spatial axis that they run
    along, by default the same one. An op that is not `exact` sees at most these.
    """

    period: int
    shift: int
    taps: tuple[range, ...]
    axis: int | None = None
    exact: bool = True


def whole_axes(x: Axes, *, exact: bool = True) -> tuple[ReceptiveField, ...]:
    """What an op sees each of whose positions depends on all of the input's."""
    return tuple(ReceptiveField(1, 0, (range(size),), exact=exact) for size in x.spatial)


@record
class Op:
    """One operation. Subclasses are frozen, keyword-only dataclasses whose fields are the spec's;
    one without fields of its own needs no decorator.

    `infer` gives the output's axes from the inputs' and raises ShapeError; `variables` and `macs`
    may then rely on what it checked.
    """

    name: ClassVar[str]
    shorthand: ClassVar[str | None] = None
    """The field that a bare value fills: `dropout: 0.5`."""
    aliases: ClassVar[tuple[str, ...]] = ()
    """What it is called elsewhere, for hints."""
    most_inputs: ClassVar[int] = 1
    """How many values it takes at most, where it is no merge: those that `from` names."""
    view: ClassVar[bool] = False
    """Whether the op only renames elements and writes none."""
    sign: ClassVar[Sign] = "any"
    bounds: ClassVar[tuple[float, float] | None] = None
    """Between which constants every value of the output lies, whatever comes in."""
    gates: ClassVar[bool] = False
    """Whether an input may scale another, so that bounds of one are no bounds of the output."""
    output_kind: ClassVar[OutputKind] = "logits"
    element_order: ClassVar[Order] = "observed"
    kernel_gain: ClassVar[float] = 1.0
    """The variance, times its fan-in, of a kernel before the op that keeps the size of values
    through the depth of a network (He et al. 2015): 2 before a rectifier."""
    input_deviation: ClassVar[float] = 1.0
    """The standard deviation of inputs that show all of the op's pieces."""
    drop_unit: ClassVar[Unit] = "element"
    """What is dropped where there is a `drop_rate`; the rest is scaled by 1 / (1 - rate)."""

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        """The axes of the output."""
        return inputs[0]

    @property
    def last(self) -> Op:
        """What is computed last: the activation that the op has as a field, else the op itself."""
        activation: Op | None = getattr(self, "activation", None)
        return activation or self

    @property
    def drop_rate(self) -> float | None:
        """The share of elements or samples dropped at random in training; None where none are."""
        return None

    @property
    def ids(self) -> int | None:
        """The number of ids that the op knows, where it takes token ids; None where numbers."""
        return None

    def variables(self, inputs: tuple[Axes, ...]) -> tuple[Variable, ...]:
        """The arrays that the op keeps."""
        return ()

    def ties(self, owner: Op) -> tuple[str, ...]:
        """The variables that may be those of the same names of an op of another kind."""
        return ()

    def macs(self, inputs: tuple[Axes, ...], output: Axes) -> int:
        """Multiply-accumulates of one sample, without bias."""
        return 0

    def receptive_field(self, inputs: tuple[Axes, ...]) -> tuple[ReceptiveField, ...] | None:
        """What an output position sees of each spatial axis; None where it sees its own alone."""
        return None


def is_bare(op: type[Op]) -> bool:
    """Whether the op may be written as its name alone: it has no required field."""
    return not any(field.required for field in fields_of(op))


def require_numbers(op: Op, inputs: tuple[Axes, ...]) -> None:
    """Refuse token ids (ARC112), but for an op that takes them."""
    for x in inputs:
        if x.dtype != "float32" and op.ids is None:
            message = f"{op.name} needs numbers, got token ids ({x})"
            raise ShapeError("ARC112", message, "add `embedding` before it")


def sequence_hint(x: Axes) -> str:
    """What to do where a sequence is needed and `x` is none."""
    if x.is_map:
        return "`to_tokens` makes tokens of a map's positions"
    return "a sequence has tokens with features: `reshape` makes one"


def map_hint(x: Axes) -> str:
    """What to do where a map with height and width is needed and `x` is none."""
    if x.is_sequence:
        return "`to_map` makes a map of a sequence's tokens"
    return "the input of such a network has channels, height and width"


def require_feature_map(op: str, x: Axes) -> None:
    """Refuse anything but a feature map (ARC102)."""
    if not x.is_map:
        raise ShapeError(
            "ARC102",
            f"{op} needs a feature map, got {x}",
            "a feature map has channels with length, height and width, or depth, height and width",
        )


def broadcast(op: str, field: str, value: int | tuple[int, ...], x: Axes) -> tuple[int, ...]:
    """A window field over the spatial axes of `x`. Raises ShapeError (ARC103) on another rank."""
    rank = len(x.spatial)
    try:
        return per_axis(value, rank)
    except ValueError:
        raise _wrong_rank(op, field, x) from None


def broadcast_pairs(op: str, field: str, value: Amounts, x: Axes) -> tuple[tuple[int, int], ...]:
    """Amounts over the spatial axes of `x` as (begin, end). Raises ShapeError (ARC103) on another
    rank."""
    try:
        return pairs_per_axis(value, len(x.spatial))
    except ValueError:
        raise _wrong_rank(op, field, x) from None


def _wrong_rank(op: str, field: str, x: Axes) -> ShapeError:
    rank = len(x.spatial)
    return ShapeError(
        "ARC103",
        f"{field} of {op} needs {rank} value{'s' * (rank != 1)}, one for each spatial axis of {x}",
        "a single number stands for every axis",
        field,
    )


def require_divisible(op: str, field: str, groups: int, what: str, size: int) -> None:
    """Refuse a size that does not split into `groups` (ARC105)."""
    if size % groups:
        raise ShapeError(
            "ARC105",
            f"{op} cannot split {size} {what} into {groups} groups",
            f"choose `{field}` so that it divides {size}",
            field,
        )
