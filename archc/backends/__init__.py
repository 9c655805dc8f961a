"""The registry of backends: their names at once, each backend itself when it is asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archc.backends.base import Backend, Emitted
    from archc.ir.network import Network

BUILT_IN = {"torch": "archc.backends.torch", "keras": "archc.backends.keras"}
"""The folder of each backend that archc has itself, in the order in which they are listed."""


def names() -> tuple[str, ...]:
    """The names of all backends."""
    return tuple(BUILT_IN)


@cache
def backend(name: str) -> Backend:
    """The backend of a name, imported now. Raises KeyError for an unknown one."""
    loaded: Backend = import_module(BUILT_IN[name]).BACKEND
    return loaded


def compile_network(name: str, network: Network) -> Emitted:
    """What a backend makes of a network.

    Raises SpecError for what the backend cannot compute (ARC601), KeyError for an unknown one.
    """
    return backend(name).compile(network)
