"""Packages from outside that add to archc, by the entry points that they declare.

`archc.ops`: the ops of a family, by the family's name. `archc.lowerings`: how a package's ops are
lowered on a backend, by the backend's name. `archc.backends`: a backend, by its own name.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

DECLARATION = b"[archc."
"""What stands in the file of entry points of a package that adds to archc."""


class PluginError(Exception):
    """A package that adds to archc cannot be loaded, or takes a name that is taken."""


class Plugin(NamedTuple):
    """One entry point: its name, and the package that declares it."""

    name: str
    package: str
    entry_point: EntryPoint

    def load(self) -> object:
        """What the entry point stands for. Raises PluginError."""
        try:
            loaded: object = self.entry_point.load()
        except Exception as error:
            what = " ".join(f"{type(error).__name__}: {error}".split())
            where = f"`{self.entry_point.value}` of the package {self.package}"
            raise PluginError(f"{where} cannot be loaded: {what}") from error
        return loaded


@cache
def plugins(group: str) -> tuple[Plugin, ...]:
    """The entry points of a group, in the order of their packages and names."""
    if not _is_any_declared():
        return ()
    from importlib.metadata import entry_points

    return tuple(
        sorted(
            Plugin(one.name, one.dist.name if one.dist is not None else "?", one)
            for one in entry_points(group=group)
        )
    )


@cache
def _is_any_declared() -> bool:
    """Whether a package declares anything for archc: looked up in the files themselves, since
    `importlib.metadata` takes 25 ms to import, a fifth of the time that a report takes."""
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            if name.endswith((".dist-info", ".egg-info")) and _declares(folder, name):
                return True
    return False


def _declares(folder: str, name: str) -> bool:
    try:
        with open(os.path.join(folder, name, "entry_points.txt"), "rb") as stream:
            return DECLARATION in stream.read()
    except OSError:
        return False
