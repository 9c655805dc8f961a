"""Weights of a network read from a file into canonical layout, and written from it.

What is read is checked before any array is loaded; what is written is written beside its place and
renamed, so that no partial file stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from archc import backends
from archc.backends.layouts import to_canonical, unchanged
from archc.backends.runtime.safetensors import write_safetensors
from archc.backends.storage import every_variable
from archc.files import OutputError, staging
from archc.ir.arrays import arrays
from archc.ir.costs import Costs
from archc.ir.network import Network
from archc.weights.files import FORMAT, VERSION, Stored, formats, opened, reject
from archc.weights.names import ExpectedArray, match_entries

NO_TABLE: Mapping[str, str] = {}


class Loaded(NamedTuple):
    """Arrays of a network in canonical layout, by their keys. `in_order` tells that the names in
    the file are others, and that the order of the layers there has stood for them."""

    weights: dict[str, Any]
    in_order: bool


def load(path: str, network: Network, table: Mapping[str, str] = NO_TABLE) -> dict[str, Any]:
    """The arrays of a network in canonical layout, by their keys, from a file of any format.
    `table` gives the names that the file has for layers. Raises SpecError (ARC001, ARC602 to
    ARC604)."""
    return read(path, network, table).weights


def read(path: str, network: Network, table: Mapping[str, str] = NO_TABLE) -> Loaded:
    """As `load`, with how the names were found."""
    with opened(path) as stored:
        expected = _expected(stored, network)
        match = match_entries(stored, expected, network.costs, table)
        weights = {
            one.array.key: to_canonical(
                _array(stored, match.entries[one.array.key].read), one.layout
            )
            for one in expected
        }
        return Loaded(weights, match.in_order)


def ordering_note(path: str) -> str:
    """What is to be reported where the order of a file's layers has stood for their names."""
    return f"{path}: its names are others; the layers are taken in their order"


def _array(stored: Stored, read: Any) -> Any:
    try:
        return read()
    except (OSError, RuntimeError, ValueError) as error:
        reject(stored.path, f"it is damaged ({' '.join(str(error).split())[:200]})")


def _expected(stored: Stored, network: Network) -> list[ExpectedArray]:
    """The arrays of a network as a file of that format has them."""
    costs = network.costs
    if stored.backend is None or stored.format is None:
        return [ExpectedArray(one, unchanged(one.variable.shape), one.key) for one in arrays(costs)]
    emitted = backends.compile_network(stored.backend, network)
    variables = every_variable(stored.backend, costs, emitted)
    names = stored.format.names(costs, emitted)
    return [ExpectedArray(one, variables[one.key].layout, names[one.key]) for one in arrays(costs)]


def save(path: str, weights: Mapping[str, Any], network: Network, backend: str | None) -> None:
    """Write arrays in canonical layout as the emitted network of a backend loads them, which must
    have a format of weights; in the neutral form where `backend` is None. Raises OutputError, and
    SpecError (ARC601, ARC602)."""
    if backend is None:
        save_neutral(path, weights, network.costs)
        return
    form = formats()[backend]
    emitted = backends.compile_network(backend, network)
    every_variable(backend, network.costs, emitted)
    with staging(path) as temporary:
        try:
            form.save(temporary, weights, network.costs, emitted)
        except OutputError as error:
            raise OutputError(f"{path}: {error.message}", error.hint) from None


def save_neutral(path: str, weights: Mapping[str, Any], costs: Costs) -> None:
    """Write arrays in canonical layout, with the network's name and the digest of its spec."""
    about = costs.graph.about
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "name": about.name,
        "spec": about.source,
        "sha256": about.digest,
    }
    with staging(path) as temporary:
        write_safetensors(temporary, weights, metadata)
