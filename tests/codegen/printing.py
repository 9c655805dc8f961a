"""What the tests of the printer share: hostile texts, and ruff as the judge of a layout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from archc.codegen.printer import render
from archc.codegen.tree import (
    Assign,
    Expr,
    Module,
    Ref,
)

A, B, C, X = Ref("a"), Ref("b"), Ref("c"), Ref("x")


def printed(expr: Expr) -> str:
    return render(Module(body=(Assign(X, expr),))).removeprefix("x = ").rstrip("\n")


def ruff(folder: Path, command: str, *options: str) -> str:
    """What ruff says of the files in `folder`; empty where it has no complaint."""
    run = subprocess.run(
        [sys.executable, "-m", "ruff", command, "--isolated", "--no-cache", *options, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if run.returncode == 0 else run.stdout + run.stderr


HOSTILE = [
    "",
    "plain",
    "it's",
    'say "hi"',
    '"\'"',
    '"""',
    "'''",
    '"""\n__import__("os").system("id")\n"""',
    "\\",
    '\\"',
    "ends in \\",
    "a\nb\r\nc\td",
    "\x00\x1b[31m\x7f",
    "caf\u00e9 \u2028 \u202e \U0001f600 \ud800",
    "{x!r}",
    "{{}}",
    "# coding: utf-7",
    "%s $(id) `id`",
]
