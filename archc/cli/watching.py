"""Doing something again whenever a spec, or what it extends, changes on disk."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

import click

from archc.cli import streams
from archc.diagnostics import SpecError, visible
from archc.language.extends import LONGEST_CHAIN
from archc.language.reader import parse, read_text
from archc.language.values import mapping

INTERVAL = 0.2
"""Seconds between two looks at the files: a `stat` of each."""


def watch(specs: Sequence[str], run: Callable[[], int]) -> NoReturn:
    """Call `run` now and after each change, until interrupted. What the system refuses is told, and
    does not end the watch."""
    while True:
        paths = dict.fromkeys(path for spec in specs for path in chain(spec))
        before = [_state(path) for path in paths]
        try:
            run()
        except OSError as error:
            streams.tell(f"archc: {visible(f'{error.filename}: {error.strerror}')}")
        except click.ClickException as error:
            error.show()
        files = "1 file" if len(paths) == 1 else f"{len(paths)} files"
        streams.tell(f"watching {files}, Ctrl-C ends")
        # A change while `run` went on counts as well. A file that is still being written is waited
        # for: it is the same at two looks.
        earlier = now = before
        while now == before or now != earlier:
            time.sleep(INTERVAL)
            earlier, now = now, [_state(path) for path in paths]


def chain(spec: str) -> list[str]:
    """A spec and what it extends, one after the other, as far as it can be read."""
    paths = [os.path.normpath(spec)]
    while len(paths) <= LONGEST_CHAIN:
        try:
            extends = mapping(parse(read_text(paths[-1]))).get("extends")
        except SpecError:
            break
        if extends is None or not isinstance(extends.data, str) or "\0" in extends.data:
            break
        parent = os.path.normpath(os.path.join(os.path.dirname(paths[-1]), extends.data))
        if parent in paths:
            break
        paths.append(parent)
    return paths


def _state(path: str) -> tuple[int, int, int] | None:
    """When a file was changed, its size, and its inode: an editor may put another in its place."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
