"""The fenced blocks of a Markdown page, and what running them comes to.

A page runs from top to bottom in one folder, which has the folder `digits` alone. A `yaml`, `toml`
or `python` block whose info string or first line, a comment, names a file is written there. The
commands of a `console` block, behind `$ `, are run and their output, errors included, is compared
with the lines below, where `...` stands for any text, and alone for that of a command that exits
with 0; `sh` blocks and other `python` blocks are run. A `text` block is shown alone, and so is
`yaml` without a name; a directive of the page's generator, `{name}`, is none of them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs"
FENCE = re.compile(r"^(?P<ticks>`{3,})(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=ticks)\s*$", re.M | re.S)
FILE = re.compile(r"# (?P<name>[\w./-]+\.\w+)\n")
FILES = ("yaml", "toml", "python")
"""The languages of blocks that may be files."""
COMMAND = "$ "
ANY = "..."
SHOWN = ("text", "yaml")
"""The languages of blocks that are shown alone."""
LONGEST = 120
"""Seconds that one command may take."""


class Block(NamedTuple):
    """A fenced block: its language, the rest of its info string, its text, and its first line."""

    language: str
    argument: str
    text: str
    line: int


class Result(NamedTuple):
    """A command that ran: its output with the errors, and its exit code."""

    output: str
    code: int


def blocks_of(page: str) -> Iterator[Block]:
    """The fenced blocks of a page, from top to bottom."""
    for match in FENCE.finditer(page):
        language, _, argument = match["info"].strip().partition(" ")
        line = page.count("\n", 0, match.start()) + 1
        yield Block(language, argument.strip(), match["text"], line)


def file_of(block: Block) -> str | None:
    """The file that a block is to be."""
    if block.language not in FILES:
        return None
    if block.argument:
        return block.argument
    match = FILE.match(block.text)
    return match["name"] if match else None


def commands_of(block: Block) -> Iterator[tuple[str, str]]:
    """The commands of a `console` block, each with the output that the page shows."""
    command, shown = "", ""
    for line in block.text.splitlines(keepends=True):
        if not line.startswith(COMMAND):
            shown += line
            continue
        if command:
            yield command, shown
        command, shown = line.removeprefix(COMMAND), ""
    yield command, shown


def agrees(output: str, shown: str) -> bool:
    """Whether an output is what a page shows: equal but for what `...` stands for."""
    pattern = ".*".join(re.escape(part) for part in shown.split(ANY))
    return re.fullmatch(pattern, output, re.S) is not None


def run(command: list[str], folder: Path) -> Result:
    """Run a program in a page's folder, where `archc` is the one under test."""
    programs = folder.parent / "bin"
    programs.mkdir(exist_ok=True)
    for name, arguments in (("archc", "-m archc "), ("python", "")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}"$@"\n')
        program.chmod(0o755)
    environment = os.environ | {
        "PATH": os.pathsep.join((str(programs), os.environ["PATH"])),
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "PYTHONUTF8": "1",
    }
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LONGEST,
        text=True,
        encoding="utf-8",
        check=False,
    )
    return Result(done.stdout, done.returncode)


def faults(page: Path, folder: Path) -> Iterator[str]:
    """Run a page in a folder: what does not do what it says, with the line of its block."""
    for block in blocks_of(page.read_text(encoding="utf-8")):
        place = f"{page.name}:{block.line}"
        name = file_of(block)
        if name is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            for command, shown in commands_of(block):
                result = run(["bash", "-c", command], folder)
                if not agrees(result.output, shown):
                    yield f"{place}: $ {command}shown:\n{shown}printed:\n{result.output}"
                elif result.code and shown.strip() == ANY:
                    yield f"{place}: $ {command}exit code {result.code}\n{result.output}"
        elif block.language in ("sh", "python"):
            program = ["bash", "-ec"] if block.language == "sh" else [sys.executable, "-c"]
            result = run([*program, block.text], folder)
            if result.code:
                yield f"{place}: exit code {result.code}\n{result.output}"
        elif block.language not in SHOWN and not block.language.startswith("{"):
            yield f"{place}: a block of `{block.language}`, which is not run"
