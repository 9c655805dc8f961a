"""What a term of ONNX is as an op of archc, and the questions that rules ask of terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeGuard

from archc.importers.network import Array
from archc.importers.onnx.terms import Term
from archc.importers.onnx.values import Constant
from archc.ops.axes import Axes
from archc.ops.base import Op

NOTHING: Mapping[str, Array] = {}


class Draft(NamedTuple):
    """An op, the terms that it takes, and how its variables are computed. Without an op it is its
    only input itself. `note` says what is lost; `restoration` is a layer's."""

    op: Op | None
    inputs: tuple[Term, ...]
    weights: Mapping[str, Array] = NOTHING
    note: str | None = None
    restoration: tuple[tuple[int, ...], tuple[int, ...]] | None = None


class RefusedError(Exception):
    """A term is something that archc has no op for; the message says what, as `Conv with ...`."""


class Context(NamedTuple):
    """What rules know besides their term: the version of the operators, which operations use each
    term (None for an output), which terms of three axes are feature maps, the axes of all terms
    before this one that are values of archc, their drafts, and whether the file is archc's own."""

    opset: int
    users: Mapping[Term, Sequence[Term | None]]
    maps: frozenset[Term]
    axes: dict[Term, Axes]
    drafts: dict[Term, Draft]
    is_own: bool = False

    def private(self, term: Term) -> bool:
        """Whether a single operation uses a term: then its weights may go with another op's."""
        return len(self.users.get(term, ())) == 1

    def is_sequence(self, term: Term) -> bool:
        """Whether a term is tokens with features, as of three axes it may be."""
        own = self.axes.get(term)
        return own.is_sequence if own is not None else len(term.shape or ()) == 3

    def width_axis(self, term: Term) -> int:
        """The axis of a term's channels or features, the batch counted."""
        return 2 if self.is_sequence(term) else 1


Rule: TypeAlias = Callable[[Term, Context], "Draft | None"]
"""The draft of a term; None where the rule does not apply. Raises RefusedError."""


def check_attributes(term: Term, *known: str, **fixed: Any) -> None:
    """Refuse a term with attributes other than some, or with another value for `fixed` ones, whose
    absence means that value. Raises RefusedError."""
    for name, value in term.attributes.items():
        if name in fixed:
            if value != fixed[name]:
                raise RefusedError(f"{term.op} with {name} {value}")
        elif name not in known:
            raise RefusedError(f"{term.op} with the attribute {name}")


def operand(term: Term, position: int) -> Any:
    """An input of a term; None where it has none there."""
    return term.inputs[position] if position < len(term.inputs) else None


def shape_of(term: Term) -> tuple[int, ...]:
    """The shape of a term, which is known of all that are translated."""
    assert term.shape is not None
    return term.shape


def only_term(term: Term) -> Term:
    """The first input, which is no constant. Raises RefusedError."""
    value = operand(term, 0)
    if not isinstance(value, Term):
        raise RefusedError(f"{term.op} of a constant")
    return value


def constant(term: Term, position: int) -> Constant:
    """An input that is a constant. Raises RefusedError."""
    value = operand(term, position)
    if not isinstance(value, Constant):
        raise RefusedError(f"{term.op} with weights that are computed")
    return value


def vector_of(value: Constant, size: int) -> Array | None:
    """A constant of `size` elements as a vector; None for another one."""
    elements = 1
    for one in value.shape:
        elements *= one
    if elements != size:
        return None
    if value.shape == (size,):
        return value.array
    return Array("reshape", (size,), (value.array,))


def is_filled(value: Constant, number: float) -> bool:
    """Whether a constant that the graph states has one number everywhere."""
    return value.array.kind == "fill" and value.array.fields == (number,)


def channel_vector(value: object, x: Term, context: Context) -> Array | None:
    """A constant with one element for each channel of a map, or feature of a vector or token, as
    it is spread over `x`; None for anything else."""
    if not isinstance(value, Constant) or x.shape is None or len(x.shape) < 2:
        return None
    rank = len(x.shape)
    axis = context.width_axis(x)
    shape = (1,) * (rank - len(value.shape)) + value.shape
    if len(shape) != rank or any(size != 1 for place, size in enumerate(shape) if place != axis):
        return None
    return vector_of(value, x.shape[axis])


def sides(term: Term) -> tuple[tuple[Any, Any], ...]:
    """The two inputs of an operation in both orders."""
    a, b = operand(term, 0), operand(term, 1)
    return (a, b), (b, a)


def is_op(value: object, *ops: str) -> TypeGuard[Term]:
    """Whether a value is a term of one of some operations."""
    return isinstance(value, Term) and value.op in ops and "output" not in value.attributes


def scalar(value: object) -> float | None:
    """The value of a constant of a single element; None for anything else."""
    number = value.scalar if isinstance(value, Constant) else None
    return None if isinstance(number, bool) or number is None else float(number)


DEEPEST = 4


def same_value(one: object, other: object, depth: int = DEEPEST) -> bool:
    """Whether two values are the same, or computed alike of the same ones by a few operations."""
    if one is other:
        return True
    if isinstance(one, Constant) and isinstance(other, Constant):
        return one.array == other.array
    return (
        depth > 0
        and isinstance(one, Term)
        and isinstance(other, Term)
        and (one.op, one.attributes, one.shape) == (other.op, other.attributes, other.shape)
        and one.op != "Input"
        and len(one.inputs) == len(other.inputs)
        and all(same_value(a, b, depth - 1) for a, b in zip(one.inputs, other.inputs, strict=True))
    )


def close(value: float | None, expected: float) -> bool:
    """Whether a number is another one, as 32-bit numbers are written."""
    return value is not None and abs(value - expected) <= 1e-6 * abs(expected)
