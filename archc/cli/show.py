"""`archc show`: a spec as it is carried out."""

from __future__ import annotations

import click

from archc.api import Network, load
from archc.cli import completing, streams
from archc.cli.options import read_settings, set_option
from archc.reports.resolved import Unwritable, resolved


@click.command("show", help="Show a spec with what it extends, or with everything expanded.")
@click.argument("spec", metavar="SPEC", shell_complete=completing.specs)
@click.option(
    "--resolved",
    "expanded",
    is_flag=True,
    help="Carry out parameters, conditions, repetitions and blocks.",
)
@set_option
def command(spec: str, expanded: bool, settings: tuple[str, ...]) -> int:
    """The spec on standard output; it is valid input again."""
    if settings and not expanded:
        raise click.UsageError("--set takes --resolved: the spec itself stays as it is")
    network = load(spec, read_settings(settings))
    if not expanded:
        streams.write(_merged(network))
        return 0
    try:
        streams.write(resolved(network.costs))
    except Unwritable as error:
        streams.tell(f"archc: {spec} cannot be written as one spec: {error}")
        return 1
    return 0


def _merged(network: Network) -> str:
    """The spec's own text, or with what it extends: then without the comments."""
    texts = network.spec.texts
    if len(texts) == 1:
        return texts[0] if texts[0].endswith("\n") else f"{texts[0]}\n"
    from archc.diagnostics import visible
    from archc.language.writer import document

    told = network.spec.merged.plain()
    assert isinstance(told, dict)
    return f"# {visible(network.spec.source)} with what it extends\n{document(told)}"
