"""Reads the weights of a network from files, and writes them to files, in canonical layout.

A file is checked before any array is loaded; output is written to a temporary file beside its path
and renamed, so that no partial file remains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from archc import backends
from archc.backends.layouts import to_canonical, unchanged
from archc.backends.runtime.safetensors import write_safetensors
from archc.backends.storage import every_variable
from archc.diagnostics import Diagnostic, SpecError
from archc.files import OutputError, staging
from archc.ir.arrays import arrays
from archc.ir.checkpoints import Table, tables
from archc.ir.costs import Costs
from archc.ir.network import Network
from archc.weights.files import (
    FORMAT,
    VERSION,
    Entry,
    WeightFile,
    formats,
    open_weights,
    reject,
    span_of,
)
from archc.weights.names import AliasInFile, Match, WrongFileError, match_entries
from archc.weights.sources import ExpectedArray


class CanonicalWeights(NamedTuple):
    """Arrays of a network in canonical layout, by their keys. `in_order` says that
    the file has other names, and its layers were matched by their order; `checkpoint` is the one
    of the spec's `checkpoints` whose names it has, if any."""

    weights: dict[str, Any]
    in_order: bool
    checkpoint: str | None


def load(path: str, network: Network, table: Table | None = None) -> dict[str, Any]:
    """The arrays of a network in canonical layout, by their keys, from a file of any format.
    `table` maps the paths of ops to the names of layers in the file; without it, the spec's own
    `checkpoints` do, as far as one fits. Raises SpecError (ARC001, ARC602 to ARC604)."""
    return read(path, network, table).weights


def read(
    path: str,
    network: Network,
    table: Table | None = None,
    skip: Sequence[str] = (),
) -> CanonicalWeights:
    """As `load`, with how the arrays were matched; without the arrays in the parts `skip`, which
    the file need not have. Raises SpecError also for a part that is none (ARC605)."""
    with open_weights(path) as file:
        checkpoint, match, expected = match_file(file, network, table, skip)
        for name, (key, entry) in match.copies.items():
            _require_equal(file, name, key, entry, match.entries[key])
        weights: dict[str, Any] = {}
        for one in expected:
            key = one.array.key
            if key in match.entries:
                array = to_canonical(_array(file, match.entries[key].read), one.layout)
                weights[key] = match.sources[key].adapted(array)
        return CanonicalWeights(weights, match.in_order, checkpoint)


def match_file(
    file: WeightFile,
    network: Network,
    table: Table | None = None,
    skip: Sequence[str] = (),
) -> tuple[str | None, Match, list[ExpectedArray]]:
    """The name of the spec's table by which a file matches, its entries matched to the arrays of a
    network, and these. Raises SpecError as `read` does; nothing is loaded."""
    expected, aliases = _expected(file, network)
    known: dict[str | None, Table] = {None: table or Table()}
    if table is None and file.format is not None:
        known = {**tables(network.costs.graph), None: Table()}
    checkpoint, match = _fitting(file, expected, aliases, network.costs, known, skip)
    return checkpoint, match, expected


def _fitting(
    file: WeightFile,
    expected: Sequence[ExpectedArray],
    aliases: Sequence[AliasInFile],
    costs: Costs,
    known: Mapping[str | None, Table],
    skip: Sequence[str],
) -> tuple[str | None, Match]:
    """The first of some tables by which a file matches, with its name. Raises SpecError (ARC604)
    with what is wrong by the one that comes closest."""
    errors: list[WrongFileError] = []
    for name, table in known.items():
        try:
            return name, match_entries(file, expected, costs, table, skip, aliases)
        except WrongFileError as error:
            errors.append(error)
    raise min(errors, key=lambda error: error.count)


def ordering_note(path: str) -> str:
    """The note for a file whose layers were matched by their order."""
    return f"{path}: its names are different; layers are matched by their order"


def _array(file: WeightFile, read: Any) -> Any:
    try:
        return read()
    except (OSError, RuntimeError, ValueError) as error:
        reject(file.path, f"it is damaged ({' '.join(str(error).split())[:200]})")


def _require_equal(file: WeightFile, name: str, key: str, copy: Entry, entry: Entry) -> None:
    """Refuse (SpecError, ARC604) a file in which what a network shares has two values."""
    import numpy

    one, other = _array(file, copy.read), _array(file, entry.read)
    if one.shape != other.shape or not numpy.array_equal(one, other, equal_nan=True):
        message = f"`{name}` is not equal to `{key}`, whose values the network uses there"
        hint = "a network without `weights` has both"
        raise SpecError([Diagnostic("ARC604", message, span_of(file.path), hint)])


def _expected(file: WeightFile, network: Network) -> tuple[list[ExpectedArray], list[AliasInFile]]:
    """The arrays of a network in the format of a file, and where else it may have them."""
    costs = network.costs
    if file.backend is None or file.format is None:
        own = [ExpectedArray(one, unchanged(one.variable.shape), one.key) for one in arrays(costs)]
        return own, []
    emitted = backends.compile_network(file.backend, network)
    variables = every_variable(backends.backend(file.backend), costs, emitted)
    names = file.format.names(costs, emitted)
    own = [ExpectedArray(one, variables[one.key].layout, names[one.key]) for one in arrays(costs)]
    aliases = [
        AliasInFile(one.key, one.path, f"{one.stored.layer}.{one.stored.name}")
        for one in emitted.aliases
    ]
    return own, aliases


def save(path: str, weights: Mapping[str, Any], network: Network, backend: str | None) -> None:
    """Write arrays in canonical layout to a file that the emitted network of a backend loads; the
    backend must have a format of weights. In the neutral format where `backend` is None. Raises
    OutputError, and SpecError (ARC601, ARC602)."""
    if backend is None:
        save_neutral(path, weights, network.costs)
        return
    form = formats()[backend]
    emitted = backends.compile_network(backend, network)
    every_variable(backends.backend(backend), network.costs, emitted)
    with staging(path) as temporary:
        try:
            form.save(temporary, weights, network.costs, emitted)
        except OutputError as error:
            raise OutputError(f"{path}: {error.message}", error.hint) from None


def save_neutral(path: str, weights: Mapping[str, Any], costs: Costs) -> None:
    """Write arrays in canonical layout, with the network's name and the digest of its spec."""
    with staging(path) as temporary:
        write_safetensors(temporary, weights, neutral_metadata(costs))


def neutral_metadata(costs: Costs) -> dict[str, str]:
    """What a file in the neutral format says of its network."""
    about = costs.graph.about
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": about.name,
        "spec": about.source,
        "sha256": about.digest,
    }
