"""The files that a spec is read from, and whether they have changed on disk."""

from __future__ import annotations

import os
from typing import TypeAlias

from archc.diagnostics import SpecError
from archc.language import library
from archc.language.extends import LONGEST_CHAIN, root_of
from archc.language.reader import parse, read_text
from archc.language.values import mapping

State: TypeAlias = "tuple[int, int, int] | None"
"""Modification time, size and inode of a file: an editor may replace it by another one."""


def chain(spec: str) -> list[str]:
    """A spec and its chain of parents, as far as they can be read."""
    paths = [os.path.normpath(library.find(spec))]
    root = root_of(os.path.realpath(paths[0]))
    while len(paths) <= LONGEST_CHAIN:
        try:
            text = read_text(paths[-1], root=root if len(paths) > 1 else None)
            extends = mapping(parse(text)).get("extends")
        except SpecError:
            break
        if extends is None or not isinstance(extends.data, str) or "\0" in extends.data:
            break
        parent = os.path.normpath(os.path.join(os.path.dirname(paths[-1]), extends.data))
        if parent in paths:
            break
        paths.append(parent)
    return paths


def state(path: str) -> State:
    """The state of a file; None where there is none that can be read."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
