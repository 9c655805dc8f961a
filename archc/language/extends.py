"""`extends`: reading the parents of a spec and merging them.

Code: ARC410 an `extends` that cannot be followed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from archc.diagnostics import Diagnostic, SourceText, SpecError
from archc.language.reader import read_spec_text
from archc.language.values import Value, mapping

LONGEST_CHAIN = 16
ROOT = "specs"


class Files(NamedTuple):
    """How files are read: `real` resolves the links of a path; `read` gives a file's text by its
    path, the name for messages, and the folder that it must be inside."""

    real: Callable[[str], str]
    read: Callable[[str, str, str], SourceText]


def _read_inside(path: str, display: str, root: str) -> SourceText:
    return read_spec_text(path, display=display, root=root)


ON_DISK = Files(os.path.realpath, _read_inside)


def root_of(real: str) -> str:
    """The nearest folder `specs` around the file, else the file's own. `extends` must stay inside,
    and emitted headers name the spec relative to it."""
    folder = os.path.dirname(real)
    above = folder
    while above != os.path.dirname(above):
        if os.path.basename(above) == ROOT:
            return above
        above = os.path.dirname(above)
    return folder


def follow(extends: Value, root: str, chain: list[str], files: Files) -> tuple[SourceText, str]:
    """The text of the parent that `extends` names, and its real path. Raises SpecError (ARC410)."""
    path = str(extends.data)

    def error(message: str, hint: str | None = None) -> SpecError:
        return SpecError([Diagnostic("ARC410", message, extends.span, hint)])

    if os.path.isabs(path) or "\\" in path or ":" in path or not path or "\0" in path:
        raise error("`extends` must be a relative path with forward slashes")
    if not path.endswith((".yaml", ".yml")):
        raise error("`extends` must name a .yaml file")
    target = os.path.normpath(os.path.join(os.path.dirname(chain[-1]), path))
    real = files.real(target)
    if os.path.commonpath([real, root]) != root:
        raise error("`extends` leaves the spec's folder", "keep both under one `specs` folder")
    if real in chain:
        names = [os.path.basename(file) for file in chain[chain.index(real) :]]
        cycle = " -> ".join([*names, os.path.basename(real)])
        raise error(f"`extends` is cyclic: {cycle}")
    if len(chain) >= LONGEST_CHAIN:
        raise error(f"`extends` chains more than {LONGEST_CHAIN} files")
    display = os.path.join(os.path.dirname(extends.span.source.name), path)
    try:
        return files.read(target, os.path.normpath(display), root), real
    except SpecError as unreadable:
        raise error(unreadable.diagnostics[0].message) from None


def merge(parent: Value, child: Value) -> Value:
    """`child` merged over `parent`: mappings are merged key by key, other values are replaced. The
    axes of an input and the steps of a block are replaced as a whole."""
    merged = dict(mapping(parent))
    fields = mapping(child)
    if "input" in fields or "inputs" in fields:
        merged.pop("input", None)
        merged.pop("inputs", None)
    merged.pop("extends", None)
    for key, value in fields.items():
        if key in ("params", "blocks", "expect", "training", "checkpoints") and key in merged:
            deeper = key in ("blocks", "expect")
            value = _merge_entries(merged[key], value, deeper=deeper)
        if key != "extends":
            merged[key] = value
    return Value(merged, child.span, child.key_span)


def _merge_entries(parent: Value, child: Value, *, deeper: bool) -> Value:
    merged = dict(mapping(parent))
    for key, value in mapping(child).items():
        both = key in merged and isinstance(merged[key].data, dict) and isinstance(value.data, dict)
        if deeper and both and key != "output":
            value = _merge_entries(merged[key], value, deeper=True)
        merged[key] = value
    return Value(merged, child.span, child.key_span)
