"""`extends`: the specs that a spec builds on, found beside it and merged under it.

Code: ARC410 an `extends` that cannot be followed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from archc.diagnostics import Diagnostic, SourceText, Span, SpecError
from archc.language.reader import read_text
from archc.language.values import Value, mapping

LONGEST_CHAIN = 16
ROOT = "specs"


class Files(NamedTuple):
    """Where specs are read: `real` gives the one path of a file, links followed; `read` its text,
    by a path, the name that messages use, and the folder that it must lie in."""

    real: Callable[[str], str]
    read: Callable[[str, str, str], SourceText]


def _read_inside(path: str, display: str, root: str) -> SourceText:
    return read_text(path, display=display, root=root)


ON_DISK = Files(os.path.realpath, _read_inside)


def root_of(real: str) -> str:
    """The nearest folder `specs` that holds the file, else the file's own: `extends` stays in it,
    and emitted headers name the spec from there on."""
    folder = os.path.dirname(real)
    above = folder
    while above != os.path.dirname(above):
        if os.path.basename(above) == ROOT:
            return above
        above = os.path.dirname(above)
    return folder


def follow(extends: Value, root: str, chain: list[str], files: Files) -> tuple[SourceText, str]:
    """The text that `extends` names, and its real path. Raises SpecError (ARC410)."""
    given = str(extends.data)

    def refuse(message: str, hint: str | None = None) -> SpecError:
        return SpecError([Diagnostic("ARC410", message, extends.span, hint)])

    if os.path.isabs(given) or "\\" in given or ":" in given or not given or "\0" in given:
        raise refuse("`extends` must be a relative path with forward slashes")
    if not given.endswith((".yaml", ".yml")):
        raise refuse("`extends` must name a .yaml file")
    target = os.path.normpath(os.path.join(os.path.dirname(chain[-1]), given))
    real = files.real(target)
    if os.path.commonpath([real, root]) != root:
        raise refuse(
            "`extends` leads out of the spec's folder", "keep both under one `specs` folder"
        )
    if real in chain:
        names = [os.path.basename(path) for path in chain[chain.index(real) :]]
        way = " -> ".join([*names, os.path.basename(real)])
        raise refuse(f"`extends` goes in a circle: {way}")
    if len(chain) >= LONGEST_CHAIN:
        raise refuse(f"`extends` chains more than {LONGEST_CHAIN} files")
    display = os.path.join(os.path.dirname(_shown(extends.span)), given)
    try:
        return files.read(target, os.path.normpath(display), root), real
    except SpecError as error:
        raise refuse(error.diagnostics[0].message) from None


def _shown(span: Span) -> str:
    return span.source.name


def merge(parent: Value, child: Value) -> Value:
    """`child` over `parent`: mappings merge key by key, all else is replaced. The axes of an input
    and the steps of a block are one value each, replaced as a whole."""
    merged = dict(mapping(parent))
    given = mapping(child)
    if "input" in given or "inputs" in given:
        merged.pop("input", None)
        merged.pop("inputs", None)
    merged.pop("extends", None)
    for key, value in given.items():
        if key in ("params", "blocks", "expect", "training") and key in merged:
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
