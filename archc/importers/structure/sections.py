"""Sections: parts of a network that the file names, by the models or modules around its layers, or
by the beginnings of their names."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import groupby, takewhile

from archc.importers.network import Network
from archc.importers.structure.items import Item, Steps, positions_of
from archc.importers.structure.repeats import Hint, fold
from archc.importers.structure.text import lines_of
from archc.language.names import step_error
from archc.ops import OPS

LONGER_BY_SCOPE, LONGER_BY_PREFIX = 2.0, 1.25
"""How much longer a text may be with sections that the author of the file made, and with those that
names alone tell of."""
FEWEST_STEPS = 2
"""Steps of a section, blocks among them."""
PREFIX = re.compile(r"(?:(stage|layer|conv|group|level)_?(\d+)|(block)_?(\d+)[a-z]?)_")
"""How names of layers begin that say in which part of the network they are, as those of
keras.applications: `conv2_block1_1_conv`, `block2a_expand_conv`, `stage_0_block_1_layer_scale`."""

Label = Callable[[int], str]


def fold_sections(network: Network, steps: Steps, hint: Hint) -> Steps:
    """Steps with what recurs written once, in sections as the file names its parts, where that is
    not much longer."""
    plain = fold(steps, hint)
    for label, longer in (
        (_by_scope(network), LONGER_BY_SCOPE),
        (_by_prefix(network), LONGER_BY_PREFIX),
    ):
        runs = _runs(steps, label)
        names = [name for name, _ in runs if name]
        if len(names) < 2 or len(set(names)) != len(names):
            continue
        own = tuple(item for name, inside in runs for item in _section(name, fold(inside, hint)))
        if lines_of(own) <= longer * lines_of(plain):
            return own
    return plain


def _section(name: str, steps: Steps) -> Steps:
    if not name:
        return steps
    return (Item("section", name, {}, (steps,), positions_of(steps), steps[0].axes),)


def _runs(steps: Steps, label: Label) -> list[tuple[str, Steps]]:
    """Steps in a row that are in one section, with its name, which is empty for those in none."""
    labels = [_label_of(step, label) for step in steps]
    # A step that is named from elsewhere would not be found in a section.
    closed = {name for name, step in zip(labels, steps, strict=True) if step.pinned}
    names: list[str] = []
    for name, group in groupby(labels):
        count = len(list(group))
        names += [name if count >= FEWEST_STEPS and name not in closed else ""] * count
    return [
        (name, tuple(step for _, step in group))
        for name, group in groupby(zip(names, steps, strict=True), key=lambda one: one[0])
    ]


def _label_of(step: Item, label: Label) -> str:
    labels = {label(position) for position in step.positions}
    return labels.pop() if len(labels) == 1 else ""


def _by_scope(network: Network) -> Label:
    """The outermost model or module around a layer of which there are several in the network."""
    scopes = [layer.scope for layer in network.layers]
    depth = _common(min(scopes, default=()), max(scopes, default=()))
    names = {scope[depth]: _name(scope[depth]) for scope in scopes if len(scope) > depth}

    def label(position: int) -> str:
        scope = network.layer(position).scope
        return names[scope[depth]] if len(scope) > depth else ""

    return label


def _by_prefix(network: Network) -> Label:
    """What the name of a layer begins with."""
    values = [layer.value.rpartition("/")[2] for layer in network.layers]
    known = [value for value in values if value]
    shared = min(known, default="")[: _common(min(known, default=""), max(known, default=""))]
    # All names may begin with the network's own.
    starts = [0, *(place + 1 for place, letter in enumerate(shared) if letter == "_")]
    begin = max(starts, key=lambda start: sum(bool(PREFIX.match(one, start)) for one in known))

    def label(position: int) -> str:
        match = PREFIX.match(values[position - len(network.inputs)], begin)
        return "" if match is None else "".join(part for part in match.groups() if part)

    return label


def _common(first: Sequence[str], last: Sequence[str]) -> int:
    """With how many equal elements two sequences begin; of the first and last in alphabetical order
    of many, all of them."""
    pairs = zip(first, last, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _name(scope: str) -> str:
    """A name of a section from that of a model or module; empty where it makes none."""
    last = re.split("[/.]", scope)[-1]
    name = re.sub("[^a-z0-9]+", "_", last.lower()).strip("_")
    return "" if step_error(name) is not None or name in OPS else name
