"""Where an emitted network keeps each array.

Code: ARC602 an array whose position in an emitted network is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from archc.backends.base import Backend, Emitted, LoweredLayer, Placement, StoredVariable
from archc.backends.layouts import Layout
from archc.diagnostics import Diagnostic, SpecError
from archc.ir.arrays import Array, arrays
from archc.ir.costs import Costs


def stored_variables(
    costs: Costs,
    placements: Mapping[int, tuple[Placement, ...]],
    layout_of: Callable[[Array, LoweredLayer], Layout],
) -> dict[str, StoredVariable]:
    """Where each array of a network is kept, by its key, as the lowerings of the ops say it. An
    array that no layer keeps, or more than one, is left out. `layout_of` gives the layout of an
    array in a layer that has no layout of its own for it."""
    stored: dict[str, StoredVariable] = {}
    for array in arrays(costs):
        keepers = list(_keepers(array, placements.get(array.node.index, ()), layout_of))
        if len(keepers) == 1:
            stored[array.key] = keepers[0]
    return stored


def every_variable(
    backend: Backend, costs: Costs, emitted: Emitted
) -> Mapping[str, StoredVariable]:
    """Where each array of a network that a backend computes with is kept, by its key. Raises
    SpecError (ARC602) for those whose position is not known for certain."""
    unknown = [
        Diagnostic(
            "ARC602",
            f"it is not known where the {backend.name} backend keeps `{array.key}`",
            array.node.origin.span,
        )
        for array in used_arrays(backend, costs)
        if array.key not in emitted.variables
    ]
    if unknown:
        raise SpecError(unknown)
    return emitted.variables


def used_arrays(backend: Backend, costs: Costs) -> tuple[Array, ...]:
    """The arrays of a network that a backend computes with: all of them, or those of an
    evaluation."""
    if backend.trains:
        return arrays(costs)
    alone = costs.graph.training_only
    return tuple(array for array in arrays(costs) if array.node.index not in alone)


def _keepers(
    array: Array,
    placements: tuple[Placement, ...],
    layout_of: Callable[[Array, LoweredLayer], Layout],
) -> Iterator[StoredVariable]:
    variable = array.variable.name
    for lowered, path in placements:
        if path is not None and variable in lowered.variables:
            layout = lowered.layouts.get(variable) or layout_of(array, lowered)
            yield StoredVariable(path, lowered.variables[variable], layout)
