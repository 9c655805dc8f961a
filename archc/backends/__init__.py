"""The registry of backends: their names at once, each backend itself when it is asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from archc.plugins import Plugin, PluginError, plugins

if TYPE_CHECKING:
    from archc.backends.base import Backend, Emitted
    from archc.ir.network import Network

BUILT_IN = {
    "torch": "archc.backends.torch",
    "keras": "archc.backends.keras",
    "onnx": "archc.backends.onnx",
}
"""The folder of each backend that archc has itself, in the order in which they are listed."""


def names() -> tuple[str, ...]:
    """The names of all backends: archc's own, then those of packages from outside. Raises
    PluginError for one whose name is taken."""
    return (*BUILT_IN, *_foreign())


@cache
def _foreign() -> dict[str, Plugin]:
    known: dict[str, Plugin] = {}
    for plugin in plugins("archc.backends"):
        owner = "archc" if plugin.name in BUILT_IN else None
        if plugin.name in known:
            owner = f"the package {known[plugin.name].package}"
        if owner is not None or plugin.name == "all":
            message = f"the package {plugin.package} gives a backend `{plugin.name}`"
            raise PluginError(f"{message}, a name that {owner or 'archc'} has already")
        known[plugin.name] = plugin
    return known


@cache
def backend(name: str) -> Backend:
    """The backend of a name, imported now. Raises KeyError for an unknown one, PluginError for one
    of a package that cannot be loaded."""
    if name in BUILT_IN:
        own: Backend = import_module(BUILT_IN[name]).BACKEND
        return own
    from archc.backends.base import Backend

    plugin = _foreign()[name]
    loaded = plugin.load()
    where = f"`{plugin.entry_point.value}` of the package {plugin.package}"
    if not isinstance(loaded, Backend):
        raise PluginError(f"{where} is no `Backend`")
    if loaded.name != name:
        raise PluginError(f"{where} is called `{loaded.name}` itself, not `{name}`")
    return loaded


def title(name: str) -> str:
    """What the framework of a backend is called; of an unknown backend the name."""
    return backend(name).title if name in names() else name


def compile_network(name: str, network: Network) -> Emitted:
    """What a backend makes of a network.

    Raises SpecError for what the backend cannot compute (ARC601), KeyError for an unknown one.
    """
    return backend(name).compile(network)
