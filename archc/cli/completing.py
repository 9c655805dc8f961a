"""Shell completion of arguments: paths of specs, ops, error codes."""

from __future__ import annotations

import os

import click

VARIABLE = "_ARCHC_COMPLETE"
"""The environment variable by which a shell's script requests completions."""


def specs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The specs and folders that match the incomplete path; for an empty one also those of the
    folder `specs`, and for the begin of a name also the names of specs."""
    from archc.language.library import known

    paths = _below(incomplete)
    if not incomplete and os.path.isdir("specs"):
        return [path for path in _below("specs/") if not path.endswith("/")] + paths
    return paths + [name for name in sorted(known()) if incomplete and name.startswith(incomplete)]


def _below(incomplete: str) -> list[str]:
    folder, prefix = os.path.split(incomplete)
    try:
        names = sorted(os.listdir(folder or "."))
    except OSError:
        return []
    paths = []
    for name in names:
        path = os.path.join(folder, name)
        if not name.startswith(prefix) or (name.startswith(".") and not prefix):
            continue
        if os.path.isdir(path):
            paths.append(f"{path}/")
        elif name.endswith((".yaml", ".yml")):
            paths.append(path)
    return paths


def ops(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The ops, and `training`, that match the incomplete name."""
    from archc.ops import OPS

    return [name for name in (*OPS, "training") if name.startswith(incomplete)]


def codes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The error codes that match the incomplete one, in either case."""
    from archc.diagnostics.codes import CODES

    return [code for code in CODES if code.startswith(incomplete.upper())]
