"""Blocks: what stands several times in a network, its trailing activation and what always precedes
it included, once with parameters for what differs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from archc.importers.network import Array, Network
from archc.importers.structure.items import Item, Steps, every, positions_of
from archc.importers.structure.modules import Path, Range, ranges_of_classes, rows_of
from archc.importers.structure.sections import fold_sections
from archc.importers.structure.text import Block, Outline, lines_of
from archc.importers.structure.towers import with_towers
from archc.importers.structure.unify import Solver, Text, UnlikeError, skeleton, unify
from archc.language.names import name_error, param_error
from archc.ops import OPS
from archc.ops.activation import Activation

MOST_BLOCKS = 20
MOST_PARAMETERS = 12
LONGER = 1.1
"""How much longer a text by the file's own modules may be."""
PLAIN = r"(conv|dense|fc|layer|linear)?_?\d*"
"""Names of layers that say no more than their op."""
DEFAULTS: Mapping[str, Any] = {"stride": 1, "projection": False}
"""Parameters that have a default, which most instances have."""


def outline_of(network: Network, steps: Steps) -> Outline:
    """The blocks and repetitions of a network's steps: by the file's own modules where that is as
    short as what the steps alone give, or little longer."""
    plain = _outline(network, steps)
    if not network.classes:
        return plain
    orders = [partial(ranges_of_classes, network, inner_first=one) for one in (False, True)]
    own = min((_outline(network, steps, one) for one in orders), key=_lines)
    return own if _lines(own) <= LONGER * _lines(plain) else plain


def _lines(outline: Outline) -> int:
    return lines_of(outline.steps) + sum(lines_of(one.steps) + 2 for one in outline.blocks)


Modules: TypeAlias = "Callable[[Steps], Iterable[tuple[str, list[Range]]]]"
"""Where steps are modules of one class, and its name, for one class after the other."""


def _outline(network: Network, steps: Steps, modules: Modules = lambda _: ()) -> Outline:
    namer = Namer(network)
    steps, blocks = with_towers(network, steps)
    for _ in range(MOST_BLOCKS):
        taken = [block.name for block in blocks]
        found = _module_block(modules(steps), steps, namer, taken)
        found = found or _block(steps, namer, taken)
        if found is None:
            break
        steps, block = found
        blocks.append(block)
    defaults = {block.name: block.params for block in blocks}
    steps = _without_defaults(fold_sections(network, steps, namer.hint), defaults)
    params, steps = _classes(network, steps)
    return Outline(steps, tuple(blocks), params)


def _module_block(
    modules: Iterable[tuple[str, list[Range]]],
    steps: Steps,
    namer: Namer,
    taken: Sequence[str],
) -> tuple[Steps, Block] | None:
    """The steps with the first class of modules that makes them shorter as a block; None without
    one."""
    for name, ranges in modules:
        found = _replaced(steps, ranges, namer, taken, name)
        if found is not None:
            return found
    return None


def _replaced(
    steps: Steps, ranges: Sequence[Range], namer: Namer, taken: Sequence[str], name: str
) -> tuple[Steps, Block] | None:
    """The steps with those at some places as a block; None where that is no shorter."""
    rows = dict(rows_of(steps))
    instances = [rows[one.path][one.start : one.stop] for one in ranges]
    made = _made(instances, namer, taken, name)
    if made is None:
        return None
    block, uses = made
    shorter = lines_of(tuple(uses)) + lines_of(block.steps) + 2
    if shorter >= sum(map(lines_of, instances)):
        return None
    by_row: dict[Path, list[tuple[Range, Item]]] = {}
    for place, use in zip(ranges, uses, strict=True):
        by_row.setdefault(place.path, []).append((place, use))
    return _with_uses(steps, by_row), block


def _with_uses(
    steps: Steps, uses: Mapping[Path, Sequence[tuple[Range, Item]]], path: Path = ()
) -> Steps:
    """A row of steps with those at some places, also in the branches of merges, as one step."""
    kept = []
    for place, step in enumerate(steps):
        if step.kind == "op" and step.bodies:
            bodies = tuple(
                _with_uses(body, uses, (*path, (place, branch)))
                for branch, body in enumerate(step.bodies)
            )
            step = replace(step, bodies=bodies)
        kept.append(step)
    for (_, start, stop), use in reversed(uses.get(path, ())):
        kept[start:stop] = [use]
    return tuple(kept)


def _block(steps: Steps, namer: Namer, taken: Sequence[str]) -> tuple[Steps, Block] | None:
    """The steps with the first block that makes them shorter; None without one."""
    tokens = [skeleton(step) for step in steps]
    merges: dict[str, list[int]] = {}
    for position, step in enumerate(steps):
        if step.bodies and step.kind == "op" and not step.pinned:
            merges.setdefault(tokens[position], []).append(position)
    for places in merges.values():
        if len(places) < 2:
            continue
        before, after = _reach(steps, tokens, places)
        ranges = [Range((), place - before, place + after + 1) for place in places]
        found = _replaced(steps, ranges, namer, taken, "")
        if found is not None:
            return found
    return None


def _reach(steps: Steps, tokens: Sequence[str], places: Sequence[int]) -> tuple[int, int]:
    """How many steps before and after a merge are the same at all its places: activations after it,
    steps that are no merges before it."""
    claimed = set(places)

    def extend(step: int, fits: Callable[[Item], bool]) -> int:
        """How many steps follow each other from the places in a direction."""
        count = 0
        while True:
            here = [place + step * (count + 1) for place in places]
            if not _is_common(steps, tokens, here, claimed, fits):
                return count
            claimed.update(here)
            count += 1

    after = extend(1, _is_activation)
    return extend(-1, _is_plain), after


def _is_common(
    steps: Steps,
    tokens: Sequence[str],
    positions: Sequence[int],
    claimed: set[int],
    fits: Callable[[Item], bool],
) -> bool:
    """Whether steps at some positions, none of which belongs elsewhere, are the same and fit."""
    if any(not 0 <= one < len(steps) or one in claimed for one in positions):
        return False
    return len({tokens[one] for one in positions}) == 1 and fits(steps[positions[0]])


def _is_activation(step: Item) -> bool:
    return step.kind == "op" and not step.pinned and issubclass(OPS[step.name], Activation)


def _is_plain(step: Item) -> bool:
    return step.kind == "op" and not step.pinned and not step.bodies and step.name != "flatten"


def _made(
    instances: Sequence[Steps], namer: Namer, taken: Sequence[str], name: str
) -> tuple[Block, list[Item]] | None:
    """The block of some instances, and the steps that use it; None where they are too unlike."""
    try:
        body = unify(instances, namer.hint)
    except UnlikeError:
        return None
    solver = Solver(len(instances), [*OPS, "classes"])
    body = solver.solve(body)
    if len(solver.names) > MOST_PARAMETERS:
        return None
    name = namer.block(instances, taken, name)
    params = {
        one: DEFAULTS[one] if one in DEFAULTS and DEFAULTS[one] in values else None
        for one, values in solver.names.items()
    }
    uses = [
        Item(
            "block",
            name,
            {one: values[number] for one, values in solver.names.items()},
            (),
            positions_of(steps),
            steps[0].axes,
        )
        for number, steps in enumerate(instances)
    ]
    return Block(name, params, body), uses


def _without_defaults(steps: Steps, defaults: Mapping[str, Mapping[str, Any]]) -> Steps:
    """Steps whose blocks are given no argument that is the default."""
    kept = []
    for step in steps:
        fields = step.fields
        if step.kind == "block":
            own = defaults[step.name]
            fields = {
                key: value
                for key, value in fields.items()
                if own[key] is None or type(value) is not type(own[key]) or value != own[key]
            }
        bodies = tuple(_without_defaults(body, defaults) for body in step.bodies)
        kept.append(replace(step, fields=fields, bodies=bodies))
    return tuple(kept)


def _classes(network: Network, steps: Steps) -> tuple[dict[str, Any] | None, Steps]:
    """The number of classes as a parameter: the units of the last dense layer, where these are the
    output."""
    for place in range(len(steps) - 1, -1, -1):
        step = steps[place]
        if step.kind == "section":
            params, body = _classes(network, step.bodies[0])
            inside = replace(step, bodies=(body,))
            return params, (*steps[:place], inside, *steps[place + 1 :])
        if step.kind != "op" or step.bodies:
            break
        if step.name == "dense" and network.axes(network.outputs[0]).width == step.fields["units"]:
            named = replace(step, fields={**step.fields, "units": Text("classes")})
            return {"classes": step.fields["units"]}, (*steps[:place], named, *steps[place + 1 :])
    return None, steps


class Namer:
    """Names for blocks and parameters, from those of the file's arrays and values."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def hint(self, items: Sequence[Item]) -> str | None:
        """A name that the file gives a step everywhere; None where it gives none."""
        names = {self._last(item) for item in items if item.kind == "op" and not item.bodies}
        if len(names) != 1:
            return None
        (name,) = names
        return name if name and param_error(name) is None else None

    def _last(self, item: Item) -> str | None:
        """The last part of the path of a step's arrays in the file, as a name."""
        parts = self._path(item.positions[-1])
        if len(parts) < 2:
            return None
        name = re.sub("[^a-z0-9]+", "_", parts[-1].lower()).strip("_")
        if re.fullmatch(PLAIN, name):
            return None
        if name[:1].isdigit():
            name = f"{item.name}_{name}"
        return name if len(name) > 2 else None

    def _path(self, position: int) -> list[str]:
        """The parts of the name of the first array of a layer, without what it is of the layer."""
        if position < len(self.network.inputs):
            return []
        for array in self.network.layer(position).weights.values():
            source = _first_source(array)
            if source is not None:
                stem = re.sub(r"[._/](w|b|weight|bias|kernel)(_?\d+)?$", "", source)
                return re.split("[/.]", stem)
        return []

    def block(self, instances: Sequence[Steps], taken: Sequence[str], own: str) -> str:
        """The name of a block: its own, if any, what the file calls all its instances but for a
        number, or what it is built like."""
        stems = {self._stem(steps) for steps in instances}
        name = own or (stems.pop() if len(stems) == 1 else None)
        if name is None or name_error(name) is not None or name in OPS or len(name) < 3:
            name = f"{own[:40]}_block" if own else _built_like(instances[-1])
        base, number = name, 1
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        return name

    def _stem(self, steps: Steps) -> str | None:
        for position in positions_of(steps):
            parts = self._path(position)
            if len(parts) > 1:
                match = re.match("[a-z]{3,}", parts[0].lower())
                stem = match.group() if match else None
                return None if stem in (None, "gpu", "conv", "layer", "features") else stem
        return None


def _first_source(array: Array) -> str | None:
    if array.kind == "source":
        name: str = array.fields[0]
        return name
    return next(filter(None, map(_first_source, array.operands)), None)


def _built_like(steps: Steps) -> str:
    """What a block is called for how it is built."""
    merge = next(step for step in steps if step.bodies)
    main = merge.bodies[0]
    names = [step.name for step in every(steps)]
    if merge.name == "concat":
        return "dense_layer" if () in merge.bodies else "branches"
    if "channel_shuffle" in names:
        return "shuffle_unit"
    kernels = [step.fields["kernel_size"] for step in main if step.name == "conv"]
    if "depthwise_conv" in names:
        return "inverted_residual"
    if kernels == [1, 3, 1]:
        return "bottleneck"
    return "basic_block" if kernels == [3, 3] else "residual_block"
