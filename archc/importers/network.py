"""What an importer makes of a file: a flat network of ops, and where their weights come from."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

from archc.diagnostics import Diagnostic, SourceText, Span, SpecError, encodable
from archc.ops.axes import Axes
from archc.ops.base import Op


class Array(NamedTuple):
    """An array as it is computed from those of a file, for weights: `kind` is the operation,
    `operands` what it is computed from, `fields` its other arguments.

    Kinds: `source` (an array of the file: its name, and what else is known of it), `stored` (the
    same in the layout of the network's backend, of which `shape` says nothing), `fill` (one value),
    `values` (all of them), `reshape`, `transpose` (a permutation), `take` (positions of the first
    axis), `rows` (from one on, before another, of the first axis), `concat` (along an axis), `add`,
    `subtract`, `multiply`, `divide`. Another kind is an operation by the name that the file's
    format gives it, of which it is only known that it is the same as an equal one: it is no array
    of weights."""

    kind: str
    shape: tuple[int, ...]
    operands: tuple[Array, ...] = ()
    fields: tuple[Any, ...] = ()

    def sources(self) -> dict[str, tuple[int, ...]]:
        """The arrays of the file that it is computed from, with their shapes."""
        if self.kind in ("source", "stored"):
            return {self.fields[0]: self.shape}
        return {name: shape for one in self.operands for name, shape in one.sources().items()}

    def kinds(self) -> set[str]:
        """The kinds of all that it is computed by."""
        return {self.kind}.union(*(one.kinds() for one in self.operands))

    def known_as(self, names: Container[str], owner: tuple[Any, ...]) -> Array:
        """The same, in which arrays of the file by some names are those of one owner."""
        if self.kind == "source" and self.fields[0] in names:
            return self._replace(fields=(*self.fields, owner))
        return self._replace(operands=tuple(one.known_as(names, owner) for one in self.operands))

    def plain(self) -> list[Any]:
        """The array as JSON types."""
        operands = [one.plain() for one in self.operands]
        return [self.kind, list(self.shape), operands, list(self.fields)]


COMPUTED = frozenset(
    {
        *("source", "stored", "fill", "values", "reshape", "transpose", "take", "rows", "concat"),
        *("add", "subtract", "multiply", "divide"),
    }
)
"""Kinds of arrays that are computed for weights."""


def rows_of(array: Array, begin: int, end: int) -> Array:
    """Some neighbours along the first axis of an array."""
    if (begin, end) == (0, array.shape[0]):
        return array
    return Array("rows", (end - begin, *array.shape[1:]), (array,), (begin, end))


def stacked(arrays: Sequence[Array]) -> Array:
    """Arrays one behind the other along their first axis."""
    if len(arrays) == 1:
        return arrays[0]
    rows = sum(one.shape[0] for one in arrays)
    return Array("concat", (rows, *arrays[0].shape[1:]), tuple(arrays), (0,))


@dataclass(frozen=True)
class Layer:
    """One op of a flat network.

    `inputs` are positions of values: the network's inputs first, then the layers in order. `value`
    is the name of the output in the file, `place` describes where it stands there, `scope` are the
    names of the modules around it, outermost first. `weights` says how each variable of the op is
    computed from the file's arrays. `restoration` is a shape and an order of its axes that turn the
    file's value into the spec's, None where only axes of one element differ. `shares` is the
    position of an earlier layer whose variables it uses, -1 without one.
    """

    op: Op
    inputs: tuple[int, ...]
    output: Axes
    value: str
    place: str
    scope: tuple[str, ...] = ()
    weights: Mapping[str, Array] = field(default_factory=dict)
    restoration: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    shares: int = -1


@dataclass(frozen=True)
class Network:
    """A flat network: inputs by name, layers in an order in which they can be computed, and the
    positions of the outputs. `notes` say what a spec does not keep, for comments. `batch` is how
    many samples the file computes at once where that is fixed; `runner` is the module that runs
    such files in a process of its own, None where there is none. `classes` are those of
    the file's modules by their names in scopes, where it has any. `backend` is the one in whose
    layout the file keeps arrays and values, None where it keeps them as archc does."""

    name: str
    inputs: Mapping[str, Axes]
    layers: tuple[Layer, ...]
    outputs: tuple[int, ...]
    notes: tuple[str, ...] = ()
    batch: int | None = None
    runner: str | None = None
    classes: Mapping[str, str] = field(default_factory=dict)
    backend: str | None = None

    def axes(self, position: int) -> Axes:
        """The axes of the value at a position."""
        count = len(self.inputs)
        if position < count:
            return tuple(self.inputs.values())[position]
        return self.layers[position - count].output

    def layer(self, position: int) -> Layer:
        """The layer that computes the value at a position, which is no input."""
        return self.layers[position - len(self.inputs)]


class Unsupported(NamedTuple):
    """Something in a file that archc has no op for, and where it stands."""

    reason: str
    place: str


def shared_weights(network: Network, copied: frozenset[str] = frozenset()) -> list[Unsupported]:
    """Operations some of whose weights others have too, those that are `copied` aside, which are
    not the same op with all of them: as ops of their own they would learn apart."""
    owners: dict[str, int] = {}
    found = []
    for position, layer in enumerate(network.layers, len(network.inputs)):
        whole = layer.shares >= 0 and type(network.layer(layer.shares).op) is type(layer.op)
        tied = layer.op.ties(network.layer(layer.shares).op) if layer.shares >= 0 else ()
        own = [] if whole else [one for key, one in layer.weights.items() if key not in tied]
        names = {name for array in own for name in array.sources()} - copied
        if any(owners.setdefault(name, position) != position for name in names):
            found.append(Unsupported("weights that several operations share", layer.place))
    return found


def sized(sizes: Sequence[Any], open_sizes: Sequence[int]) -> tuple[Any, ...]:
    """The sizes of an input's axes but for the batch, those that the file leaves open (None) by
    `open_sizes`: one number for all, or one for each in order. What is still open stays None."""
    count = sum(size is None for size in sizes)
    known = [*open_sizes] * count if len(open_sizes) == 1 else [*open_sizes]
    if len(known) != count:
        return tuple(sizes)
    rest = iter(known)
    return tuple(next(rest) if size is None else size for size in sizes)


def span_of(path: str) -> Span:
    """The span of an error of a whole file."""
    return Span(SourceText(encodable(path), ""), 1, 1, 1, 1)


def reject(path: str, reason: str, hint: str | None = None) -> NoReturn:
    """Raise the error of a file that cannot be read (ARC801)."""
    raise SpecError([Diagnostic("ARC801", f"cannot be read: {reason}", span_of(path), hint)])


MOST_PLACES = 3


def reject_unsupported(path: str, found: list[Unsupported], hint: str | None = None) -> NoReturn:
    """Raise the errors of all that archc has no op for (ARC802): one for each reason, with how
    often it occurs and the first places; the last one has the hint."""
    places: dict[str, list[str]] = {}
    for one in found:
        places.setdefault(one.reason, []).append(one.place)
    errors: list[Diagnostic] = []
    for reason, where in places.items():
        shown = ", ".join(where[:MOST_PLACES])
        more = f" and {len(where) - MOST_PLACES:,} more" if len(where) > MOST_PLACES else ""
        times = "once" if len(where) == 1 else f"{len(where):,} times"
        own = hint if len(errors) == len(places) - 1 else None
        errors.append(
            Diagnostic("ARC802", f"{reason}: {times} ({shown}{more})", span_of(path), own)
        )
    raise SpecError(errors)
