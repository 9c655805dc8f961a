"""The backends by name. A backend is a module with `emit` and `places`, imported when its name is
asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archc.backends.base import Placement
    from archc.ir.costs import Costs
    from archc.spec import Spec

BACKENDS = {
    "keras": "archc.backends.keras",
    "torch": "archc.backends.torch",
}


def emit(backend: str, spec: Spec, costs: Costs) -> str:
    """The source text of the module that computes the network on a backend.

    Raises SpecError (ARC601) for what the backend cannot compute, KeyError for an unknown one.
    """
    source: str = import_module(BACKENDS[backend]).emit(spec, costs)
    return source


def places(backend: str, spec: Spec, costs: Costs) -> dict[int, tuple[Placement, ...]]:
    """The stages of every node where they stand in the emitted network, by the node's index.

    Raises SpecError (ARC601) for what the backend cannot compute, KeyError for an unknown one.
    """
    found: dict[int, tuple[Placement, ...]] = import_module(BACKENDS[backend]).places(spec, costs)
    return found
