"""The parts of training scripts that read data, as a module."""

from __future__ import annotations

import ast
import os
from types import ModuleType

from archc.training.script import PARTS


def load(**constants: object) -> ModuleType:
    """A new module with the definitions of the common parts; `constants` are those that a script
    has at its top. Needs NumPy."""
    module = ModuleType("archc.training.script.parts.common")
    vars(module).update(constants)
    names = os.listdir(os.path.join(PARTS, "common"))
    for name in sorted(one for one in names if one.endswith(".py")):
        add_part(module, f"common/{name}")
    return module


def add_part(module: ModuleType, name: str) -> None:
    """Execute a part in a module. Parts use each other's names, as in the single file of a
    script."""
    path = os.path.join(PARTS, *name.split("/"))
    with open(path, encoding="utf-8") as stream:
        tree = ast.parse(stream.read())
    tree.body = [one for one in tree.body if not _is_own_import(one)]
    exec(compile(tree, path, "exec"), vars(module))


def _is_own_import(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("archc")
