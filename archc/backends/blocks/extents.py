"""How the shape that a block gives follows from the one that it takes, for all values of its
arguments.

The instances of a network may show it by chance alone: a stride of two leaves one pixel as it is,
and an argument that is the same everywhere shows nothing. So the shape rules of the block's ops are
asked, with other sizes and other arguments than any instance has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Literal, NamedTuple

from archc.backends.blocks.items import Definition
from archc.backends.blocks.symbols import is_number, plain_value, value_of
from archc.backends.fusion import Rearrange
from archc.codegen.tree import Expr, Lit, Ref
from archc.ir.graph import Node, Region
from archc.language.expressions import (
    INPUT,
    Expression,
    ExpressionError,
    InputAxes,
    axes,
    entries,
    evaluate,
    names,
)
from archc.ops.axes import Axes
from archc.ops.base import Op, ShapeError
from archc.ops.fields import Kind, fields_of
from archc.records import replace

SIZES = (1680, 3360)
"""Spatial sizes that a block is inferred at: they divide by every usual stride."""

STEPS = (2, 4)
"""What is added to an argument to see what it does. Even, so that a kernel stays odd."""


class UndeterminedError(Exception):
    """A shape that cannot be computed outside the instance."""


class Sample(NamedTuple):
    """What a block with some arguments makes of a map: each spatial size before and after."""

    arguments: Mapping[str, object]
    sizes: tuple[tuple[int, int], ...]


class Change(NamedTuple):
    """What a spatial size is divided by (`/`), multiplied by (`*`) or made smaller by (`-`)."""

    operator: Literal["/", "*", "-"]
    value: Expr


def is_said_by_width(definition: Definition) -> bool:
    """Whether the definition's width is what the block gives, whatever comes in and whatever its
    arguments are, and its weights are for maps of any size."""
    try:
        return all(True for _ in _samples(definition))
    except UndeterminedError:
        return False


def changes(definition: Definition) -> tuple[Change, ...] | None:
    """How each spatial size changes; None where no one operation says it."""
    try:
        samples = list(_samples(definition))
    except UndeterminedError:
        return None
    rank = len(samples[0].sizes)
    if any({len(x.spatial) for x in pair} != {rank} for pair in definition.axes):
        return None
    chosen = [_change(definition, samples, axis) for axis in range(rank)]
    whole = tuple(one for one in chosen if one is not None)
    return whole if len(whole) == len(chosen) else None


def _change(definition: Definition, samples: list[Sample], axis: int) -> Change | None:
    pairs = [sample.sizes[axis] for sample in samples]
    if any(after > before for before, after in pairs):
        operator: Literal["/", "*", "-"] = "*"
        counts = [Fraction(after, before) for before, after in pairs]
    elif all(before % after == 0 for before, after in pairs):
        operator, counts = "/", [Fraction(before, after) for before, after in pairs]
    else:
        operator, counts = "-", [Fraction(before - after) for before, after in pairs]
    candidates: list[Expr] = [Lit(int(counts[0])), *(Ref(one.name) for one in definition.arguments)]
    for candidate in candidates:
        expected = [_argument(candidate, sample.arguments) for sample in samples]
        if expected == counts and all(
            _is_observed(before.spatial[axis], after.spatial[axis], operator, candidate, values)
            for (before, after), values in zip(
                definition.axes, definition.values.values(), strict=True
            )
        ):
            return Change(operator, candidate)
    return None


def _argument(candidate: Expr, arguments: Mapping[str, object]) -> object:
    return value_of(candidate, {Ref(name): value for name, value in arguments.items()})


def _is_observed(
    before: int, after: int, operator: str, candidate: Expr, values: Mapping[str, object]
) -> bool:
    count = _argument(candidate, values)
    if not isinstance(count, int) or count < 1:
        return False
    if operator == "-":
        return after == before - count
    return (
        after == before * count
        if operator == "*"
        else after in (before // count, -(-before // count))
    )


def _samples(definition: Definition) -> Iterator[Sample]:
    """The block at several sizes and with several arguments. Raises UndeterminedError where the
    width or a weight's shape is not what one text says of all of them."""
    region = definition.region
    own = definition.values[region.path]
    position = list(definition.values).index(region.path)
    before = definition.axes[position][0]
    weights = []
    for size in SIZES:
        inferred = _Inference(own)
        try:
            sample = _sample(definition, inferred, _sized(before, size), own)
        except ShapeError as error:
            raise UndeterminedError from error
        weights.append(inferred.weights)
        yield sample
    if weights[0] != weights[1]:
        raise UndeterminedError
    wider = _sized(before, SIZES[0]).with_width(2 * before.width)
    changes: list[tuple[Axes, str, object]] = []
    if not isinstance(definition.entry, Lit):
        changes.append((wider, "", None))
    for argument in definition.arguments:
        for value in _others(definition, argument.name, own[argument.name]):
            changes.append((_sized(before, SIZES[0]), argument.name, value))
    for x, name, value in changes:
        arguments = {**own, name: value} if name else own
        inferred = _Inference(arguments)
        try:
            yield _sample(definition, inferred, x, arguments)
        except ShapeError:
            continue  # an argument that nothing can have here


def _sized(x: Axes, size: int) -> Axes:
    return x.with_spatial((size,) * len(x.spatial)) if x.is_map else x


def _others(definition: Definition, name: str, own: object) -> Iterator[object]:
    """Other values that an argument may have: those of other instances, and larger ones."""
    if name in definition.widths_in:
        return
    column = dict.fromkeys(values[name] for values in definition.values.values())
    yield from (value for value in column if value != own)
    if isinstance(own, int) and is_number(own):
        yield from (own + step for step in STEPS)


def _sample(
    definition: Definition, inferred: _Inference, x: Axes, arguments: Mapping[str, object]
) -> Sample:
    region = definition.region
    inferred.axes[region.input] = x
    inferred.follow(region)
    after = inferred.axes[region.output]
    symbols: dict[Expr, object] = {Ref(name): value for name, value in arguments.items()}
    symbols[Ref(definition.widths_in[0])] = x.width
    if definition.width is None or value_of(definition.width, symbols) != after.width:
        raise UndeterminedError
    if len(after.spatial) != len(x.spatial):
        return Sample(arguments, ())
    return Sample(arguments, tuple(zip(x.spatial, after.spatial, strict=True)))


class _Inference:
    """The axes of the values in a block whose arguments are `arguments`. `weights` are the shapes
    of what its ops keep.

    The nodes of a definition come from several instances, so every field that the spec writes in
    the block's parameters is computed anew.
    """

    def __init__(self, arguments: Mapping[str, object]) -> None:
        self.arguments = arguments
        self.axes: dict[int, Axes] = {}
        self.weights: list[tuple[int, ...]] = []

    def follow(self, region: Region) -> None:
        """Enter the axes of all values in a block. Raises ShapeError, UndeterminedError."""
        self.enter(region, {**region.arguments, **self.arguments, **self.entering(region)})
        if region.output not in self.axes:
            raise UndeterminedError

    def enter(self, region: Region, values: Mapping[str, object]) -> None:
        for item in region.items:
            if isinstance(item, Node):
                self.infer(item, values)
            elif item.kind == "block":
                fields = _evaluated(item.expressions, values, self.value(item.input))
                self.enter(item, {**values, **item.arguments, **fields, **self.entering(item)})
            else:
                self.enter(item, values)

    def infer(self, node: Node, values: Mapping[str, object]) -> None:
        inputs = tuple(map(self.value, node.inputs))
        if isinstance(node.op, Rearrange):
            raise UndeterminedError  # several steps in one, whose sizes are those of this instance
        kinds = {info.name: info.kind for info in fields_of(type(node.op))}
        fields = {
            name: _of_kind(kinds[name], value)
            for name, value in _evaluated(node.expressions, values, inputs[0]).items()
            if name in kinds and not isinstance(getattr(node.op, name), Op)
        }
        op = replace(node.op, **fields)
        self.axes[node.index] = op.infer(inputs)
        self.weights += [variable.shape for variable in op.variables(inputs)]

    def entering(self, block: Region) -> dict[str, InputAxes]:
        """The axes of a block's inputs, for expressions."""
        names = (INPUT, *block.inputs)
        axes_of = (InputAxes(self.value(index).as_dict()) for index in block.entering)
        return dict(zip(names, axes_of, strict=True))

    def value(self, index: int) -> Axes:
        if index not in self.axes:
            raise UndeterminedError
        return self.axes[index]


def _of_kind(kind: Kind, value: object) -> object:
    """A value for a field of the kind. Raises UndeterminedError where that may not have it."""
    try:
        return kind.convert(_as_written(value))
    except ValueError as error:
        raise UndeterminedError from error


def _as_written(value: object) -> object:
    """A value as a spec has it: tuples are lists, and a whole number has no point."""
    if isinstance(value, tuple | list):
        return [_as_written(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _evaluated(
    expressions: Mapping[str, Expression], values: Mapping[str, object], x: Axes
) -> dict[str, object]:
    """The fields that the spec gives by parameters or by the axes of what comes in."""
    fields: dict[str, object] = {}
    for field, expression in expressions.items():
        own = names(expression) & values.keys() or axes(expression) or entries(expression)
        if not own:
            continue
        try:
            value = evaluate(expression, values, dict(zip(x.names, x.sizes, strict=True)))
        except ExpressionError as error:
            raise UndeterminedError from error
        fields[field] = plain_value(value)
    return fields
