"""`archc schema`: the JSON Schema of specs, for editors."""

from __future__ import annotations

import click

from archc.cli import streams
from archc.language import schema


@click.command("schema", help="Print the JSON Schema of specs.")
def command() -> int:
    """The shipped schema on standard output."""
    streams.write(schema.text())
    return 0
