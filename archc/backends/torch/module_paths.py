"""Where the layers of a network stand in the emitted modules: their paths as attributes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from archc.backends.base import LoweredLayer, is_same_step
from archc.backends.blocks.items import Item, LoweredOp, LoweredScope, ModuleOutline
from archc.backends.blocks.names import key_of, steps_in
from archc.backends.blocks.placements import NodePlacement, node_placements
from archc.backends.blocks.turns import turns_of
from archc.codegen.tree import Ref
from archc.ir.graph import Region

ModuleKeys: TypeAlias = "dict[int | str, tuple[str | None, ...]]"
"""By the index of a node, or the path of a section or block instance: the keys of its modules in
the class around it. A node has one for each lowered layer, which is None for an expression."""

OptionalBefore: TypeAlias = "dict[int | str, tuple[int | str, ...]]"
"""By the same, the layers that may be missing before it in its `nn.Sequential`: without
one of them, the position that is its key is one less."""


def in_sequence(items: Iterable[Item], keys: Iterable[str]) -> ModuleKeys:
    """The keys of an `nn.Sequential` dealt out to its items: one for each section, block instance
    and op under a condition, and one for each layer of any other op."""
    coming = iter(keys)
    module_keys: ModuleKeys = {}
    for item in steps_in(items):
        if isinstance(item, LoweredScope):
            module_keys[item.region.path] = (next(coming),)
        elif item.condition is not None:
            module_keys[item.node.index] = in_optional(next(coming), item)
        else:
            module_keys[item.node.index] = tuple(next(coming) for _ in range(most_layers(item)))
    return module_keys


def optional_before(items: Iterable[Item], *, leaves_out: bool) -> OptionalBefore:
    """The layers before each step of an `nn.Sequential` that may lack them: turns of repetitions,
    and where it `leaves_out` those under a condition, these."""
    before: OptionalBefore = {}
    optional: tuple[int | str, ...] = ()
    for item in steps_in(items):
        before[key_of(item)] = optional
        if turns_of(item) is not None or (leaves_out and item.condition is not None):
            optional = (*optional, key_of(item))
    return before


def in_optional(key: str, op: LoweredOp) -> tuple[str, ...]:
    """The keys of an op under a condition: several layers make a sequence of their own."""
    if most_layers(op) == 1:
        return (key,)
    return tuple(f"{key}.{position}" for position in range(most_layers(op)))


def whole_paths(
    network: ModuleOutline, keys: ModuleKeys, before: OptionalBefore, root: Region
) -> dict[int, tuple[str | None, ...]]:
    """The paths of every node's modules from the whole network, one for each lowered layer."""
    paths: dict[int, tuple[str | None, ...]] = {}
    for placement in node_placements(network, root):
        node, op, scopes, _ = placement
        prefix = "".join(f"{_scope_key(scope, placement, keys, before)}." for scope in scopes)
        missing = _missing(op.node.index, placement, before)
        own = _own_keys(keys[op.node.index], op, network.lowered[node.index])
        paths[node.index] = tuple(key and prefix + _moved(key, missing) for key in own)
    return paths


def instance_paths(
    network: ModuleOutline, keys: ModuleKeys, before: OptionalBefore, root: Region
) -> dict[str, tuple[str, ...]]:
    """The paths of the instances of each definition, with a dot behind."""
    paths: dict[str, dict[str, None]] = {}
    for placement in node_placements(network, root):
        prefix = ""
        for scope in placement.scopes:
            prefix += f"{_scope_key(scope, placement, keys, before)}."
            if scope.call is not None:
                assert isinstance(scope.call.function, Ref)
                paths.setdefault(scope.call.function.name, {})[prefix] = None
    return {name: tuple(own) for name, own in paths.items()}


def _scope_key(
    scope: LoweredScope, placement: NodePlacement, keys: ModuleKeys, before: OptionalBefore
) -> str:
    (key,) = keys[scope.region.path]
    assert key is not None
    return _moved(key, _missing(scope.region.path, placement, before))


def _missing(step: int | str, placement: NodePlacement, before: OptionalBefore) -> int:
    """How many layers a sequence lacks before a step of it, in one instance."""
    return len(placement.lacking.intersection(before.get(step, ())))


def _moved(key: str, missing: int) -> str:
    """A key of a sequence, which is a position if layers before it are missing."""
    return str(int(key) - missing) if missing else key


def most_layers(op: LoweredOp) -> int:
    """The layers that an op has at most."""
    return max(len(one.layers) for one in (op, *(other.op for other in op.alternatives)))


def _own_keys(
    keys: Sequence[str | None], op: LoweredOp, own: Sequence[LoweredLayer]
) -> list[str | None]:
    """The keys of those layers of an op that one node has: of its alternatives, that one counts
    which has these layers and the fewest others."""
    ops = (op, *(other.op for other in op.alternatives))
    candidates = [(len(one.layers), _positions(one.layers, own)) for one in ops]
    matching = [(length, positions) for length, positions in candidates if positions is not None]
    _, closest = min(matching, key=lambda pair: pair[0])
    return [keys[position] for position in closest]


def _positions(
    layers: Sequence[LoweredLayer], own: Sequence[LoweredLayer]
) -> tuple[int, ...] | None:
    """Where some layers stand among others, in order; None where one is not there."""
    positions: list[int] = []
    begin = 0
    for layer in own:
        following = range(begin, len(layers))
        position = next((at for at in following if is_same_step(layers[at], layer)), None)
        if position is None:
            return None
        positions.append(position)
        begin = position + 1
    return tuple(positions)
