"""Watching specs and their parents for changes on disk."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

import click

from archc.cli import streams
from archc.diagnostics import SpecError, visible
from archc.files import OutputError
from archc.language import library
from archc.language.extends import LONGEST_CHAIN, root_of
from archc.language.reader import parse, read_text
from archc.language.values import mapping

INTERVAL = 0.2
"""Seconds between two polls: a `stat` of each file."""


def watch(specs: Sequence[str], run: Callable[[], int]) -> NoReturn:
    """Call `run` now and after each change, until interrupted. Errors of writing are reported and
    do not end the watch."""
    while True:
        paths = dict.fromkeys(path for spec in specs for path in chain(spec))
        before = [_state(path) for path in paths]
        try:
            run()
        except OSError as error:
            streams.print_message(f"archc: {visible(f'{error.filename}: {error.strerror}')}")
        except OutputError as error:
            streams.print_message(f"archc: {visible(str(error))}")
        except click.ClickException as error:
            error.show()
        files = "1 file" if len(paths) == 1 else f"{len(paths)} files"
        streams.print_message(f"watching {files}, press Ctrl-C to stop")
        # A change during `run` counts as well. A file that is still being written is waited for:
        # it must be unchanged between two polls.
        earlier = now = before
        while now == before or now != earlier:
            time.sleep(INTERVAL)
            earlier, now = now, [_state(path) for path in paths]


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


def _state(path: str) -> tuple[int, int, int] | None:
    """Modification time, size and inode of a file: an editor may replace it by another one."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
