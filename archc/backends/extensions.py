"""How ops of packages from outside are lowered on a backend: what the entry points of the group
`archc.lowerings` stand for, whose names are those of backends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from archc.backends.base import Lowering
from archc.ops.base import Op
from archc.plugins import PluginError, plugins


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """What packages add to a backend: the lowerings of their ops, or the reason for which one
    cannot be computed; and the classes or functions that are pasted into an emitted file where it
    uses them, each in a file of its own, by their names: import statements, two empty lines, the
    definition."""

    lowerings: Mapping[type[Op], Lowering] = field(default_factory=dict)
    refused: Mapping[type[Op], str] = field(default_factory=dict)
    helpers: Mapping[str, str] = field(default_factory=dict)


@cache
def extension(backend: str) -> Extension:
    """What all packages add to a backend. Raises PluginError for a package that cannot be loaded,
    and for two that lower one op or bring a helper of one name."""
    lowerings: dict[type[Op], Lowering] = {}
    refused: dict[type[Op], str] = {}
    helpers: dict[str, str] = {}
    owners: dict[str, str] = {}
    for plugin in plugins("archc.lowerings"):
        if plugin.name != backend:
            continue
        loaded = plugin.load()
        if not isinstance(loaded, Extension):
            where = f"`{plugin.entry_point.value}` of the package {plugin.package}"
            raise PluginError(f"{where} is no `Extension`")
        ops = [*loaded.lowerings, *loaded.refused]
        for name in (*(op.name for op in ops), *loaded.helpers):
            if owners.setdefault(name, plugin.package) != plugin.package:
                message = f"the packages {owners[name]} and {plugin.package} both bring `{name}`"
                raise PluginError(f"{message} to the {backend} backend")
        lowerings |= loaded.lowerings
        refused |= loaded.refused
        helpers |= loaded.helpers
    return Extension(lowerings=lowerings, refused=refused, helpers=helpers)
