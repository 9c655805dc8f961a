"""The specs of a folder: which there are, whether they have changed, and their figures."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from archc.api import Network, load
from archc.diagnostics import SpecError, count
from archc.files.reading import files_below, read_regular
from archc.language.chain import State, chain, state
from archc.reports import catalog
from archc.reports.catalog import Entry

MOST_SPECS = 2_000
"""Specs of a folder that are listed: browsers are slow with more."""
LISTED_FOR = 1.0
"""Seconds for which a list of the folder's files is not made anew."""
PATIENCE = 0.3
"""Seconds after which `entries` answers with what it has."""


class Version(NamedTuple):
    """The files that a spec is read from, and their states."""

    files: tuple[str, ...]
    states: tuple[State, ...]


@dataclass
class Folder:
    """A folder with specs. Its methods may be called from several threads.

    A spec's name is its path below the folder, with slashes.
    """

    path: str
    most_steps: int
    _listed: tuple[float, tuple[str, ...]] = (-LISTED_FOR, ())
    _versions: dict[str, Version] = field(default_factory=dict)
    _entries: dict[str, tuple[Version, Entry]] = field(default_factory=dict)
    _computing: threading.Lock = field(default_factory=threading.Lock)

    def names(self) -> tuple[str, ...]:
        """The specs, sorted, the first MOST_SPECS of them; other YAML files are passed over."""
        when, names = self._listed
        if time.monotonic() - when >= LISTED_FOR:
            files = files_below(self.path, ".yaml")
            names = tuple(map(self._name, _first(MOST_SPECS, filter(_is_spec, files))))
            self._listed = (time.monotonic(), names)
        return names

    def has(self, name: str) -> bool:
        """Whether it is a spec of the folder, or was one; nothing else is ever read."""
        return name in self.names() or name in self._versions

    def file(self, name: str) -> str:
        """The path of a spec."""
        return os.path.join(self.path, *name.split("/"))

    def version(self, name: str) -> Version:
        """The version of a spec; it changes when its file or one of its parents is saved."""
        path = self.file(name)
        known = self._versions.get(name)
        if known is None or known.states != _states(known.files):
            files = tuple(chain(path))
            known = self._versions[name] = Version(files, _states(files))
        return known

    def load(self, name: str) -> Network:
        """The network of a spec. Raises SpecError."""
        return load(self.file(name), {}, self.most_steps)

    def entries(self) -> tuple[list[Entry], bool]:
        """The specs with their figures, and whether these are all: what takes longer than a moment
        is left to the next call."""
        until = time.monotonic() + PATIENCE
        entries = []
        names = self.names()
        with self._computing:
            for name in names:
                version = self.version(name)
                known = self._entries.get(name)
                if known is None or known[0] != version:
                    if time.monotonic() > until:
                        continue
                    known = self._entries[name] = (version, self._entry(name))
                entries.append(known[1])
        return entries, len(entries) == len(names)

    def _entry(self, name: str) -> Entry:
        try:
            return catalog.entry(name, name, self.load(name).costs)
        except SpecError as error:
            return Entry(name, name, errors=count(error.diagnostics))

    def token(self, names: Iterable[str] = ()) -> str:
        """A text that changes when one of these specs does; without names, when one of the folder
        does or comes or goes."""
        every = tuple(names) or self.names()
        versions = [(name, self.version(name).states) for name in every]
        return sha256(repr(versions).encode("utf-8", "surrogateescape")).hexdigest()[:16]

    def _name(self, path: str) -> str:
        return os.path.relpath(path, self.path).replace(os.sep, "/")


def _states(files: Iterable[str]) -> tuple[State, ...]:
    return tuple(map(state, files))


def _first(most: int, paths: Iterable[str]) -> list[str]:
    return [path for path, _ in zip(paths, range(most), strict=False)]


BEGIN = 4_096
"""Bytes in which a spec says that it is one."""


def _is_spec(path: str) -> bool:
    """Whether a file says near its begin that it is a spec of archc: a folder may have others."""
    try:
        begin = read_regular(path, BEGIN)
    except OSError:
        return False
    return any(line.startswith(b"archc:") for line in begin.splitlines())
