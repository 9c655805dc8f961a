"""The specs that are installed with archc: their names alone find them, from any folder.

A file or folder of the user's comes first, then a spec of that name in the user's folder `specs`.
"""

from __future__ import annotations

import os
import re

from archc.diagnostics import SourceText, did_you_mean
from archc.files.reading import files_below
from archc.language.extends import ON_DISK, ROOT, Files
from archc.language.names import PATTERN
from archc.language.reader import read_spec_text

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_INSTALLED = os.path.join(_PACKAGE, ROOT)
_CHECKED_OUT = os.path.join(os.path.dirname(_PACKAGE), ROOT)


def folder() -> str:
    """The folder of the specs: in the installed package, and beside it in a checkout."""
    return _INSTALLED if os.path.isdir(_INSTALLED) else _CHECKED_OUT


def known() -> dict[str, str]:
    """The paths of the specs that a name finds, by the name: the user's in `specs`, and the
    installed ones."""
    return installed() | _in_folder(ROOT)


def installed() -> dict[str, str]:
    """The paths of the installed specs, by their names."""
    return _in_folder(folder())


def _in_folder(parent: str) -> dict[str, str]:
    paths = [path for path in files_below(parent, ".yaml") if os.path.dirname(path) == parent]
    return {os.path.basename(path).removesuffix(".yaml"): path for path in paths}


def find(path: str) -> str:
    """The path of the spec that a name finds; any other path, and one that exists, as it is."""
    if not re.fullmatch(PATTERN, path) or os.path.lexists(path):
        return path
    for parent in (ROOT, folder()):
        candidate = os.path.join(parent, f"{path}.yaml")
        if os.path.lexists(candidate):
            return candidate
    return path


def read(path: str) -> tuple[SourceText, Files]:
    """The text of a spec that a name has found, called as in emitted headers, and how its parents
    are read. Raises SpecError."""
    parent, file = os.path.split(path)
    display = f"{ROOT}/{file}"
    if parent == _INSTALLED:
        # Installers may give one file several hard links.
        return read_spec_text(path, display=display), _PACKAGED
    return read_spec_text(path, display=display, root=parent), ON_DISK


def _read_packaged(path: str, display: str, root: str) -> SourceText:
    return read_spec_text(path, display=display)


_PACKAGED = Files(os.path.realpath, _read_packaged)


def unknown_hint(path: str) -> str | None:
    """What to do about a name or a path that finds nothing; None for the path of no known spec."""
    if re.fullmatch(PATTERN, path):
        return did_you_mean(path, known()) or "`archc list` shows the specs that come with archc"
    stem, ending = os.path.splitext(path)
    if ending in (".yaml", ".yml"):
        for other in (".yaml", ".yml"):
            if other != ending and os.path.isfile(f"{stem}{other}"):
                return f'did you mean "{stem}{other}"?'
    return _with_folder(os.path.basename(path if ending not in (".yaml", ".yml") else stem))


def _with_folder(name: str) -> str | None:
    """The hint with a spec of this name, or one written nearly so, as papers write it (`GPT-2`,
    `Qwen2.5`): a path in the user's folder, or the name of an installed one."""
    name = re.sub("[^a-z0-9]+", "_", name.lower()).strip("_")
    if not re.fullmatch(PATTERN, name):
        return None
    specs = known().items()
    shown = {one: path if os.path.dirname(path) == ROOT else one for one, path in specs}
    return did_you_mean(name, (), shown)
