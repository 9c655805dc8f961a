"""Watching specs and their parents for changes on disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NoReturn

import click

from archc.cli import streams
from archc.diagnostics import visible
from archc.files import OutputError
from archc.language.chain import chain, state

INTERVAL = 0.2
"""Seconds between two polls: a `stat` of each file."""


def watch(specs: Sequence[str], run: Callable[[], int]) -> NoReturn:
    """Call `run` now and after each change, until interrupted. Errors of writing are reported and
    do not end the watch."""
    while True:
        paths = dict.fromkeys(path for spec in specs for path in chain(spec))
        before = [state(path) for path in paths]
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
            earlier, now = now, [state(path) for path in paths]
