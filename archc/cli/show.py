"""`archc show`: a spec merged with its parents, or fully expanded."""

from __future__ import annotations

import click

from archc.api import Network, load
from archc.cli import completing, streams
from archc.cli.options import max_steps_option, read_settings, set_option
from archc.reports.resolved import UnwritableError, resolved


@click.command("show", help="Print a spec merged with its parents, or fully expanded.")
@click.argument("spec", metavar="SPEC", shell_complete=completing.specs)
@click.option(
    "--resolved",
    "expanded",
    is_flag=True,
    help="Expand parameters, conditions, repetitions and blocks.",
)
@set_option
@max_steps_option
def command(spec: str, expanded: bool, settings: tuple[str, ...], most_steps: int) -> int:
    """The spec on standard output, valid input itself."""
    if settings and not expanded:
        raise click.UsageError("--set needs --resolved")
    network = load(spec, read_settings(settings), most_steps)
    if not expanded:
        streams.write(_merged(network))
        return 0
    try:
        streams.write(resolved(network.costs))
    except UnwritableError as error:
        streams.print_message(f"archc: {spec} cannot be written as one spec: {error}")
        return 1
    return 0


def _merged(network: Network) -> str:
    """The spec's own text; without its comments where it is merged with its parents, or where a
    log would take a line of it for a command."""
    from archc.diagnostics import visible
    from archc.diagnostics.characters import has_command

    text, *parents = network.spec.texts
    if not parents and not any(map(has_command, text.split("\n"))):
        return text if text.endswith("\n") else f"{text}\n"
    from archc.language.writer import document

    merged = network.spec.merged.plain()
    assert isinstance(merged, dict)
    return f"# {visible(network.spec.source)} merged with its parents\n{document(merged)}"
