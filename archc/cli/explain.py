"""`archc explain`: what an error code means, and how the fault is mended."""

from __future__ import annotations

import click

from archc.cli import completing, streams
from archc.diagnostics.codes import CODES


@click.command("explain", help="Explain an error code; without one, list them all.")
@click.argument("code", required=False, metavar="[CODE]", shell_complete=completing.codes)
def command(code: str | None) -> int:
    """The explanation on standard output."""
    if code is None:
        streams.write("".join(f"{key}  {told.title}\n" for key, told in CODES.items()))
        return 0
    found = CODES.get(code.upper())
    if found is None:
        raise click.UsageError(f"no error has the code {code!r}; `archc explain` lists all codes")
    example = "\n".join(f"    {line}".rstrip() for line in found.example.split("\n"))
    streams.write(f"{code.upper()}: {found.title}\n\n{found.text}\n\n{example}\n")
    return 0
