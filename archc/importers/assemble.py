"""A flat network from ops and what they take, in the order of computation, with activations moved
into the layers that they follow alone."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace as replace_fields
from typing import Protocol, TypeVar

from archc.importers.network import Array, Layer, Network
from archc.ops.activation import Activation
from archc.ops.axes import Axes
from archc.ops.base import Op
from archc.ops.convolution import Conv, ConvTranspose, DepthwiseConv
from archc.ops.dense import Dense
from archc.records import replace


class Source(Hashable, Protocol):
    """A value of a file: the name of the value, where it stands, and the modules around it. Its
    shape has the batch first; None where the format has other axes."""

    @property
    def value(self) -> str: ...
    @property
    def place(self) -> str: ...
    @property
    def scope(self) -> tuple[str, ...]: ...
    @property
    def shape(self) -> tuple[int, ...] | None: ...


S = TypeVar("S", bound=Source)
T = TypeVar("T", bound=Source, covariant=True)


class MismatchError(Exception):
    """An op of archc is not what the file has: the message says where."""


class Drafted(Protocol[T]):
    """What a value is: an op of some values, or, without an op, its only input itself."""

    @property
    def op(self) -> Op | None: ...
    @property
    def inputs(self) -> tuple[T, ...]: ...
    @property
    def weights(self) -> Mapping[str, Array]: ...
    @property
    def note(self) -> str | None: ...


def assemble(
    inputs: Mapping[S, Axes], drafts: Mapping[S, Drafted[S]], outputs: Sequence[S]
) -> Network:
    """The network of drafts, as few layers as its outputs need. Raises ShapeError where an op
    cannot take what comes in, and MismatchError where it gives another shape than the source, or
    has other arrays."""
    positions: dict[S, int] = {source: number for number, source in enumerate(inputs)}
    layers: list[Layer] = []
    notes: dict[str, None] = {}
    for source in _in_order(inputs, drafts, outputs):
        draft = drafts[source]
        if draft.op is None:
            positions[source] = positions[draft.inputs[0]]
            continue
        taken = tuple(positions[one] for one in draft.inputs)
        count = len(inputs)
        own = tuple(inputs.values())
        axes = tuple(own[one] if one < count else layers[one - count].output for one in taken)
        output = draft.op.infer(axes)
        _check(source, draft, axes, output)
        positions[source] = count + len(layers)
        layers.append(
            Layer(
                draft.op,
                taken,
                output,
                source.value,
                source.place,
                source.scope,
                dict(draft.weights),
                getattr(draft, "restoration", None),
            )
        )
        if draft.note is not None:
            notes[draft.note] = None
    names = {source.value: axes for source, axes in inputs.items()}
    ends = tuple(positions[source] for source in outputs)
    return fused(with_shared(Network("", names, tuple(layers), ends, tuple(notes))))


def _in_order(
    inputs: Mapping[S, Axes], drafts: Mapping[S, Drafted[S]], outputs: Sequence[S]
) -> list[S]:
    """What the outputs need, each after all that it takes: the first input's branch first."""
    order: list[S] = []
    done: set[S] = set(inputs)
    waiting = [(source, False) for source in reversed(outputs)]
    while waiting:
        source, ready = waiting.pop()
        if source in done:
            continue
        if ready:
            done.add(source)
            order.append(source)
            continue
        waiting.append((source, True))
        waiting += [(one, False) for one in reversed(drafts[source].inputs)]
    return order


def _check(source: S, draft: Drafted[S], axes: tuple[Axes, ...], output: Axes) -> None:
    """Refuse a draft whose shapes are not the source's (MismatchError)."""
    assert draft.op is not None
    if source.shape is not None and source.shape[1:] != output.sizes:
        raise MismatchError(
            f"{source.place} gives {list(source.shape[1:])}, {draft.op.name} {list(output.sizes)}"
        )
    shapes = {one.name: one.shape for one in draft.op.variables(axes)}
    own = {name: array.shape for name, array in draft.weights.items()}
    if draft.weights and shapes != own:
        raise MismatchError(f"{source.place} has arrays of {own}, {draft.op.name} {shapes}")


def with_shared(network: Network) -> Network:
    """The same network, in which each layer that has all arrays of an earlier one of the same op
    uses that one's variables, and so does an op that is tied to another's, by the tied ones."""
    owners: dict[object, int] = {}
    layers = []
    for position, layer in enumerate(network.layers, len(network.inputs)):
        arrays = tuple(sorted(layer.weights.items()))
        if any(array.sources() for _, array in arrays):
            shares = owners.setdefault((layer.op, arrays), position)
            if shares == position:
                shares = next(
                    (
                        owners[array]
                        for _, array in arrays
                        if _is_tied(layer, array, owners, network)
                    ),
                    position,
                )
            for _, array in arrays:
                owners.setdefault(array, position)
            if shares != position:
                layer = replace_fields(layer, shares=shares)
        layers.append(layer)
    return replace_fields(network, layers=tuple(layers))


def _is_tied(layer: Layer, array: Array, owners: Mapping[object, int], network: Network) -> bool:
    """Whether an array of a layer is what an earlier one of another op lends it."""
    if array not in owners:
        return False
    owner = network.layer(owners[array])
    tied = layer.op.ties(owner.op) if type(owner.op) is not type(layer.op) else ()
    return bool(tied) and all(owner.weights.get(name) == layer.weights[name] for name in tied)


FUSING = (Conv, ConvTranspose, DepthwiseConv, Dense)


def _apart(network: Network) -> set[int]:
    """Layers with the same variables that are not all followed by the same activation alone: to
    stay the same op they keep it apart."""
    followers: dict[int, list[Layer]] = {}
    for layer in network.layers:
        for position in layer.inputs:
            followers.setdefault(position, []).append(layer)
    groups: dict[int, set[int]] = {}
    for position, layer in enumerate(network.layers, len(network.inputs)):
        if layer.shares >= 0:
            groups.setdefault(layer.shares, {layer.shares}).add(position)
    apart: set[int] = set()
    for group in groups.values():
        ends = [[one.op for one in followers.get(position, ())] for position in group]
        kinds = {type(network.layer(position).op) for position in group}
        alike = all(end == ends[0] for end in ends) and len(ends[0]) == 1 and len(kinds) == 1
        if not alike or group & set(network.outputs) or _has_variables(group, followers):
            apart |= group
    return apart


def _has_variables(group: set[int], followers: Mapping[int, list[Layer]]) -> bool:
    """Whether what follows some layers has variables of its own."""
    return any(one.weights for position in group for one in followers.get(position, ()))


def fused(network: Network) -> Network:
    """The same network with each activation that alone follows a convolution or dense layer as the
    field `activation` of that layer, but for those whose own variables others use."""
    count = len(network.inputs)
    uses = [0] * (count + len(network.layers))
    for layer in network.layers:
        for position in layer.inputs:
            uses[position] += 1
    for position in network.outputs:
        uses[position] += 1
    apart = _apart(network)
    lenders = {layer.shares for layer in network.layers}
    moved: dict[int, int] = {number: number for number in range(count)}
    layers: list[Layer] = []
    for number, layer in enumerate(network.layers, count):
        (first, *_) = layer.inputs
        before = layers[moved[first] - count] if first >= count else None
        if (
            isinstance(layer.op, Activation)
            and before is not None
            and isinstance(before.op, FUSING)
            and before.op.activation is None
            and uses[first] == 1
            and first not in apart
            and number not in lenders
            and layer.shares < 0
        ):
            layers[moved[first] - count] = Layer(
                replace(before.op, activation=layer.op),
                before.inputs,
                layer.output,
                layer.value,
                before.place,
                before.scope,
                {**before.weights, **layer.weights},
                layer.restoration,
                before.shares,
            )
            moved[number] = moved[first]
            continue
        moved[number] = count + len(layers)
        layers.append(
            Layer(
                layer.op,
                tuple(moved[one] for one in layer.inputs),
                layer.output,
                layer.value,
                layer.place,
                layer.scope,
                layer.weights,
                layer.restoration,
                moved[layer.shares] if layer.shares >= 0 else -1,
            )
        )
    outputs = tuple(moved[one] for one in network.outputs)
    return replace_fields(network, layers=tuple(layers), outputs=outputs)
