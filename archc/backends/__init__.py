"""The backends by name. A backend is a module with `emit(spec, costs) -> str`, imported when its
name is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archc.infer import Costs
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
