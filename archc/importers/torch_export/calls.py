"""What the operations of a program make: calls of archc's ops, tensors that arrange their values,
and arrays of the file."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn, TypeAlias, TypeVar, cast

from archc.importers.arrangement import Arrangement, identity
from archc.importers.network import Array
from archc.ops.axes import Axes
from archc.ops.base import Op

TRAINING = "in training: call `model.eval()` before the export"
NOTHING: Mapping[str, Array] = {}


class RefusedError(Exception):
    """An operation is something that archc has no op for. The message says what."""


class ProgramError(Exception):
    """A program that is no network archc could read, whatever its operations."""


@dataclass(frozen=True, eq=False)
class Call:
    """An op of archc on other values; an input of the network has none. `value` is the name of the
    file's tensor that it is, if any, `restoration` how that becomes the value.

    `partial` says what it is where it is no op of archc, but part of one, `parts` what it is made
    of then; `note` is a comment on it."""

    op: Op | None
    inputs: tuple[Call, ...]
    axes: Axes
    value: str
    place: str
    scope: tuple[str, ...] = ()
    weights: Mapping[str, Array] = field(default_factory=dict)
    restoration: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    partial: str = ""
    parts: object = None
    note: str | None = None
    shape: tuple[int, ...] | None = None


class View(NamedTuple):
    """A tensor: the value of a call, arranged. `name` is its own, `scope` are the modules around
    what arranges it so."""

    call: Call
    arrangement: Arrangement
    name: str
    scope: tuple[str, ...]

    @property
    def channels(self) -> int:
        """Which axis of the value its channels or features are, the batch being 0."""
        return 1 if self.call.axes.is_map else len(self.call.axes.sizes)


class Constant(NamedTuple):
    """An array of the file, or what is computed from some; `learned` where it is a parameter."""

    array: Array
    shape: tuple[int, ...]
    dtype: str
    learned: bool


class Unknown(NamedTuple):
    """What is not known; `reason` says why where nothing has said it yet."""

    reason: str | None = None


Bound: TypeAlias = "View | Constant | Unknown"
"""What the name of a value stands for."""

T = TypeVar("T")


@dataclass(frozen=True)
class Node:
    """An operation of the program. `arguments` are by the names of its schema, tensors as what they
    stand for; `shapes` and `dtypes` are those of its results. `made` are
    calls that several operations may share, by what they are of."""

    op: str
    arguments: Mapping[str, Any]
    outputs: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]
    scope: tuple[str, ...]
    batch: int
    made: dict[Hashable, Call] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The operation's name without its namespace and overload."""
        return self.op.split(".")[1] if "." in self.op else self.op

    @property
    def place(self) -> str:
        """Where it stands: the innermost module around it, and its result."""
        module = f" in `{self.scope[-1]}`" if self.scope else ""
        return f"`{self.outputs[0]}`{module}"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of its only result."""
        return self.shapes[0]

    def get(self, name: str, default: T) -> T:
        """An argument of its default's type. Raises RefusedError for one of another."""
        value = self.arguments.get(name, default)
        if value is None:
            return default
        if default is not None and type(value) is not type(default):
            if isinstance(default, float) and type(value) is int:
                return cast(T, float(value))
            self.refuse(f"with {name} {short(value)}")
        return cast(T, value)

    def require(self, **expected: Any) -> None:
        """Refuse arguments that have other values than some. Raises RefusedError."""
        for name, value in expected.items():
            own = self.arguments.get(name, value)
            if own is not None and own != value:
                self.refuse(f"with {name} {short(own)}")

    def integers(self, name: str, default: list[int]) -> list[int]:
        """An argument that is a list of whole numbers. Raises RefusedError."""
        value = self.get(name, default)
        if not all(type(one) is int for one in value):
            self.refuse(f"with {name} {short(value)}")
        return value

    @property
    def subject(self) -> object:
        """What the operation is of."""
        return self.arguments.get("self", self.arguments.get("input"))

    def tensor(self, name: str | None = None) -> View:
        """An argument that is a value, by default what the operation is of. Raises RefusedError for
        an array of the file."""
        value = self.subject if name is None else self.arguments.get(name)
        if not isinstance(value, View):
            self.refuse("of arrays alone")
        return value

    def array(self, name: str) -> Constant | None:
        """An argument that is an array of the file, or None. Raises RefusedError."""
        value = self.arguments.get(name)
        if value is None or isinstance(value, Constant):
            return value
        self.refuse(f"with a {name} that is computed")

    def axis(self, name: str, rank: int, default: int = 0) -> int:
        """An argument that is an axis of so many. Raises RefusedError."""
        value = self.get(name, default)
        if not -rank <= value < rank:
            self.refuse(f"with {name} {value} of {rank} axes")
        return value % rank

    def pointwise(
        self,
        op: Op,
        view: View,
        weights: Mapping[str, Array] = NOTHING,
        note: str | None = None,
    ) -> View:
        """An op that keeps every element at its place, whatever the arrangement."""
        return self.call(op, (view.call,), weights, view.arrangement, note=note)

    def step(self, op: Op, *inputs: Call) -> Call:
        """An op between what the operation takes and its result, which no tensor of the file is.
        Raises ShapeError."""
        axes = op.infer(tuple(one.axes for one in inputs))
        return Call(op, inputs, axes, "", self.place, self.scope)

    def refuse(self, reason: str) -> NoReturn:
        """Raise the error of this operation, `KIND REASON`."""
        raise RefusedError(f"{self.kind} {reason}")

    def call(
        self,
        op: Op,
        inputs: tuple[Call, ...],
        weights: Mapping[str, Array] = NOTHING,
        arrangement: Arrangement | None = None,
        result: int = 0,
        note: str | None = None,
    ) -> View:
        """An op whose value one of the results is, arranged so; by default its axes as they are.
        Raises ShapeError, ProgramError where the program states another shape, and RefusedError for
        what is but part of an op."""
        for one in inputs:
            if one.partial:
                self.refuse(f"of {one.partial}")
        axes = op.infer(tuple(one.axes for one in inputs))
        own = identity((self.batch, *axes.sizes)) if arrangement is None else arrangement
        shape = self.shapes[result]
        if own.shape != shape:
            raise ProgramError(f"{self.place} gives {list(shape)}, {op.name} {list(own.shape)}")
        name = self.outputs[result]
        restoration = own.restoration()
        made = Call(
            *(op, inputs, axes, name, self.place, self.scope, weights, restoration), note=note
        )
        return View(made, own, name, self.scope)


Rule: TypeAlias = Callable[[Node], "Bound | list[Bound]"]
"""What the results of an operation are. Raises RefusedError, ArrangementError."""


def short(value: Any) -> str:
    """An argument in few characters."""
    if isinstance(value, View | Constant | Unknown):
        return "a tensor"
    return f"{value}"[:60]


def reshaped(array: Array, shape: tuple[int, ...]) -> Array:
    """The elements of an array, row by row, under another shape."""
    if array.kind == "reshape":
        (array,) = array.operands
    return array if array.shape == shape else Array("reshape", shape, (array,))
