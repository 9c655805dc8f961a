"""What shells complete: the paths of specs, ops, error codes."""

from __future__ import annotations

import os

import click


def specs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The specs and folders whose path begins with what is typed; before anything is typed, those
    of the folder `specs` as well."""
    found = _below(incomplete)
    if not incomplete and os.path.isdir("specs"):
        found = [path for path in _below("specs/") if not path.endswith("/")] + found
    return found


def _below(incomplete: str) -> list[str]:
    folder, begun = os.path.split(incomplete)
    try:
        names = sorted(os.listdir(folder or "."))
    except OSError:
        return []
    found = []
    for name in names:
        path = os.path.join(folder, name)
        if not name.startswith(begun) or (name.startswith(".") and not begun):
            continue
        if os.path.isdir(path):
            found.append(f"{path}/")
        elif name.endswith((".yaml", ".yml")):
            found.append(path)
    return found


def ops(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The ops, and the recipe, whose name begins with what is typed."""
    from archc.ops import OPS

    return [name for name in (*OPS, "training") if name.startswith(incomplete)]


def codes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The error codes that begin with what is typed, in small letters too."""
    from archc.diagnostics.codes import CODES

    return [code for code in CODES if code.startswith(incomplete.upper())]
