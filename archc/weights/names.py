"""Matches the arrays of a file to those of a network: by their names in the emitted network, by a
table of names, or, in a network that is a straight chain, by their order.

Order alone never decides in a network with branches: a shortcut's convolution may have the shape of
its neighbour, and nothing would distinguish them.

Codes: ARC604 an array that is missing, unexpected, or of another shape or type; ARC605 a part to
skip that has no arrays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import NamedTuple

from archc.backends.blocks.dataflow import Uses
from archc.backends.runtime.safetensors import ORDER
from archc.diagnostics import Diagnostic, SpecError, did_you_mean
from archc.ir.checkpoints import Table, layers_of
from archc.ir.costs import Costs
from archc.weights.files import DTYPES, Entry, WeightFile, filled, span_of
from archc.weights.parts import is_in_part, keys_of, unknown_part
from archc.weights.sources import ExpectedArray, Source, layer_of, name_in_file, sources_of

MOST_REPORTED = 20
MANY = 2000
"""Names in a file from which on no similar name is suggested for a missing one."""


class WrongFileError(SpecError):
    """The arrays of a file are not those of a network; `count` is how many differ."""

    def __init__(self, diagnostics: Sequence[Diagnostic], count: int) -> None:
        super().__init__(diagnostics)
        self.count = count


class AliasInFile(NamedTuple):
    """A further place where a file may have an array, by the array's key. `path` is that of the op
    that uses it there, empty where several do."""

    key: str
    path: str
    name: str


class Match(NamedTuple):
    """The entry of every array of a network that is not skipped, and where the file has it, by the
    array's key; `in_order` says that arrays were matched by their order in the file. `copies` are
    the further entries that must hold the values of an array, by their names, with its key."""

    entries: Mapping[str, Entry]
    sources: Mapping[str, Source]
    in_order: bool
    copies: Mapping[str, tuple[str, Entry]]


def match_entries(
    file: WeightFile,
    expected: Sequence[ExpectedArray],
    costs: Costs,
    table: Table,
    skip: Sequence[str] = (),
    aliases: Sequence[AliasInFile] = (),
) -> Match:
    """Match the entries of a file to arrays; those in the parts `skip`, of the network or of the
    file, are left out. Raises SpecError (ARC604) with everything that is missing, unexpected, or of
    another shape or type, every rule of the table that is wrong, and every part that is in neither
    (ARC605)."""
    keys = [one.array.key for one in expected]
    skipped = frozenset[str]().union(*(keys_of(part, keys) for part in skip))
    variables: dict[str, list[str]] = {one.path: [] for one in aliases if one.path}
    for one in expected:
        variables.setdefault(one.array.node.path, []).append(one.array.variable.name)
    layers, wrong_rules = layers_of(variables, table.rules, costs.graph)
    sources, constants, unused = sources_of(expected, layers)
    in_file = [one for one in expected if one.array.key not in constants]
    names = {one.array.key: sources[one.array.key].name for one in in_file}
    others = {name_in_file(one.name, one.path, layers.get(one.path)): one.key for one in aliases}
    form = file.format
    entries = dict(file.entries)
    if form is not None and form.ignored is not None:
        entries = {name: one for name, one in entries.items() if not name.endswith(form.ignored)}
    if form is not None and entries.keys().isdisjoint(names.values()):
        entries = _strip_wrappers(entries, form.wrappers)
    if form is not None and form.counted is not None:
        entries = _counted_from_zero(entries, form.counted, names.values())
    if entries.keys().isdisjoint(names.values()):
        root = _common_root(names.values())
        names = {key: name.removeprefix(root) for key, name in names.items()}
        unused = {name.removeprefix(root) for name in unused}
    left_out = (*table.ignored, *unused)
    entries = {
        name: one
        for name, one in entries.items()
        if not any(is_in_part(name, part) for part in left_out)
    }
    ordered: dict[str, str] = {}
    required = {name for key, name in names.items() if key not in skipped}
    if not table.rules and not entries.keys() >= required:
        if file.groups.keys() >= required:
            names = {key: file.groups.get(name, name) for key, name in names.items()}
        else:
            ordered = _by_order(file, entries, expected, costs, skipped)
            names |= ordered
    for name, key in others.items():
        if name in entries and names[key] not in entries:
            names[key] = name  # an array that is used twice may stand at either place
    copies = {
        name: (key, entries.pop(name))
        for name, key in others.items()
        if name in entries and name != names[key]
    }
    copies = {name: one for name, one in copies.items() if one[0] not in skipped}
    diagnostics = [
        unknown_part("--skip", part, [*names, *entries])
        for part in skip
        if not any(is_in_part(key, part) for key in (*names, *entries))
    ]
    unmatched = {name: entries[name] for name in entries.keys() - set(names.values())}
    owners: dict[tuple[str, int], str] = {}
    for one in in_file:
        name, source = names[one.array.key], sources[one.array.key]
        first = owners.setdefault((name, source.begin), one.array.key)
        if one.array.key in skipped:
            continue
        if first != one.array.key:
            message = f"`{first}` and `{one.array.key}` are both mapped to `{name}`"
            diagnostics.append(Diagnostic("ARC604", message, one.array.node.origin.span))
        elif name in entries:
            diagnostics += _differences(one, name, source, entries[name], file)
        else:
            message = f"`{one.array.key}` is missing: {file.path} has no `{name}`"
            span = one.array.node.origin.span
            # Searching for similar names takes time, also for errors that are not reported.
            search = len(diagnostics) < MOST_REPORTED and len(entries) <= MANY
            hint = did_you_mean(name, _candidates(source, unmatched)) if search else None
            diagnostics.append(Diagnostic("ARC604", message, span, hint))
    owned = {name for name, _ in owners}
    diagnostics += [
        Diagnostic("ARC604", f"`{name}` belongs to no array of the network", span_of(file.path))
        for name in entries
        if name not in owned and not any(is_in_part(name, part) for part in skip)
    ]
    if diagnostics or wrong_rules:
        errors = [*wrong_rules, *_wrong_network(file, costs), *_truncate(diagnostics, file)]
        raise WrongFileError(errors, len(diagnostics) + len(wrong_rules))
    matched: dict[str, Entry] = {}
    for one in expected:
        key, shape = one.array.key, one.layout.kept
        if key in constants:
            matched[key] = filled(shape, constants[key])
        elif key not in skipped:
            matched[key] = sources[key].entry(entries[names[key]], shape)
    return Match(matched, sources, bool(ordered), copies)


def _common_root(names: Iterable[str]) -> str:
    """What is before the first dot of all names, with that; empty where they differ. Libraries
    save a model alone without it, inside of a larger one with it."""
    roots = {name.partition(".")[0] + "." if "." in name else "" for name in names}
    return roots.pop() if len(roots) == 1 else ""


def _counted_from_zero(
    entries: dict[str, Entry], counted: str, names: Iterable[str]
) -> dict[str, Entry]:
    """The entries with the layers that a framework has counted itself (`conv2d`, `conv2d_1` ..., or
    from where it was) under numbers from 0, as far as the expected `names` are such: `conv2d_0`."""
    pattern = re.compile(f"({counted})(?:_(0|[1-9][0-9]{{0,8}}))?")
    layers = {layer_of(name) for name in entries}
    first = {layer_of(name) for name in names} - layers
    numbers: dict[str, dict[str, int]] = {}
    for layer in layers:
        match = pattern.fullmatch(layer)
        if match is not None and f"{match[1]}_0" in first:
            numbers.setdefault(match[1], {})[layer] = int(match[2] or 0)
    renamed = {
        layer: f"{stem}_{number - min(of_stem.values())}"
        for stem, of_stem in numbers.items()
        for layer, number in of_stem.items()
    }
    return {
        renamed.get(layer_of(name), layer_of(name)) + name[len(layer_of(name)) :]: entry
        for name, entry in entries.items()
    }


def _candidates(source: Source, unmatched: Mapping[str, Entry]) -> list[str]:
    """The names of unmatched entries that have the shape of a source."""
    return [name for name, entry in unmatched.items() if source.fits(entry.shape)]


def _wrong_network(file: WeightFile, costs: Costs) -> Iterator[Diagnostic]:
    """The error of a file in the neutral format that names another network."""
    ours, theirs = costs.graph.about.name, file.metadata.get("name", "")
    if file.backend is None and theirs != ours:
        message = f"it has the weights of `{theirs[:100]}`, not of `{ours}`"
        yield Diagnostic("ARC604", message, span_of(file.path))


def _strip_wrappers(entries: dict[str, Entry], wrappers: Sequence[str]) -> dict[str, Entry]:
    """The entries without wrappers: prefixes that all names have."""
    while entries:
        first = next(iter(entries))
        wrapper = next((one for one in wrappers if first.startswith(one)), None)
        if wrapper is None or not all(name.startswith(wrapper) for name in entries):
            break
        entries = {name.removeprefix(wrapper): entry for name, entry in entries.items()}
    return entries


def _differences(
    one: ExpectedArray, name: str, source: Source, entry: Entry, file: WeightFile
) -> Iterator[Diagnostic]:
    span = one.array.node.origin.span
    if not source.fits(entry.shape):
        shape = source.shape_in_file
        message = f"`{name}` of {file.path} has the shape {entry.shape}, expected {shape}"
        yield Diagnostic("ARC604", message, span)
    if entry.dtype not in DTYPES:
        message = f"`{name}` of {file.path} has the type {entry.dtype}"
        yield Diagnostic("ARC604", message, span, f"{', '.join(DTYPES)} are read")


def _truncate(diagnostics: list[Diagnostic], file: WeightFile) -> list[Diagnostic]:
    """The first errors, and the number of others."""
    if len(diagnostics) <= MOST_REPORTED:
        return diagnostics
    count = len(diagnostics) - MOST_REPORTED
    more = f"{count:,} more arrays are missing, unexpected or of another shape"
    names = "`archc weights import --names` takes a table where only the names differ"
    hint = f"is it a file of this network? {names}" if file.backend is not None else None
    return [*diagnostics[:MOST_REPORTED], Diagnostic("ARC604", more, span_of(file.path), hint)]


# By order


def _by_order(
    file: WeightFile,
    entries: Mapping[str, Entry],
    expected: Sequence[ExpectedArray],
    costs: Costs,
    skipped: Set[str],
) -> dict[str, str]:
    """The names in the order of the file, where the network is a straight chain, the file has an
    order, and all shapes but those of `skipped` arrays agree; nothing otherwise. A file may also
    have none of the skipped arrays."""
    names = _in_order(file, entries, expected, costs, skipped)
    if skipped and not names:
        others = [one for one in expected if one.array.key not in skipped]
        names = _in_order(file, entries, others, costs, skipped)
    return names


def _in_order(
    file: WeightFile,
    entries: Mapping[str, Entry],
    expected: Sequence[ExpectedArray],
    costs: Costs,
    skipped: Set[str],
) -> dict[str, str]:
    form = file.format
    if not _is_chain(costs) or (form is not None and ORDER not in file.metadata):
        return {}
    ours, theirs = _layers(expected), _layers_of_file(entries)
    if form is not None and form.ordered_by_class:
        classes: dict[tuple[int, ...], set[type]] = {}
        for members in ours:
            rank = _ranks(tuple(one.layout.kept for one in members))
            classes.setdefault(rank, set()).add(type(members[0].array.node.op))
        if any(len(ops) > 1 for ops in classes.values()):
            return {}
        ours.sort(key=lambda members: _ranks(tuple(one.layout.kept for one in members)))
        theirs.sort(key=lambda names: _ranks(tuple(entries[name].shape for name in names)))
    names: dict[str, str] = {}
    for members, own_names in zip(ours, theirs, strict=False):
        suffixes = {name[len(layer_of(name)) :]: name for name in own_names}
        for one in members:
            name = suffixes.get(one.name[len(layer_of(one.name)) :])
            if name is None:
                return {}
            if entries[name].shape != one.layout.kept and one.array.key not in skipped:
                return {}
            names[one.array.key] = name
    return names if len(names) == len(expected) == len(entries) else {}


def _layers(expected: Sequence[ExpectedArray]) -> list[list[ExpectedArray]]:
    layers: dict[str, list[ExpectedArray]] = {}
    for one in expected:
        layers.setdefault(layer_of(one.name), []).append(one)
    return list(layers.values())


def _layers_of_file(entries: Mapping[str, Entry]) -> list[list[str]]:
    layers: dict[str, list[str]] = {}
    for name in entries:
        layers.setdefault(layer_of(name), []).append(name)
    return list(layers.values())


def _ranks(shapes: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    return tuple(map(len, shapes))


def _is_chain(costs: Costs) -> bool:
    """Whether every value has one user."""
    users = Uses(costs.graph).users
    return all(len(set(one)) == 1 for one in users)
