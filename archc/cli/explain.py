"""`archc explain`: what an error code means, and how to fix the error."""

from __future__ import annotations

import click

from archc.cli import completing, streams
from archc.diagnostics.codes import CODES


@click.command("explain", help="Explain an error code; without one, list them all.")
@click.argument("code", required=False, metavar="[CODE]", shell_complete=completing.codes)
def command(code: str | None) -> int:
    """The explanation on standard output."""
    if code is None:
        streams.write(
            "".join(f"{key}  {explanation.title}\n" for key, explanation in CODES.items())
        )
        return 0
    explanation = CODES.get(code.upper())
    if explanation is None:
        raise click.UsageError(f"unknown error code {code!r}; `archc explain` lists all codes")
    example = "\n".join(f"    {line}".rstrip() for line in explanation.example.split("\n"))
    streams.write(f"{code.upper()}: {explanation.title}\n\n{explanation.text}\n\n{example}\n")
    return 0
