"""The command line: every command with its arguments and options, as `--help` has them."""

from __future__ import annotations

from collections.abc import Iterator

import click

from archc.cli import VERBS, verbs
from docs.generate.markdown import code, prose, table


def commands() -> str:
    """A section for each command, in the order of `archc --help`."""
    root = click.Context(verbs, info_name="archc")
    summary = table(
        ["command", "what it does"],
        [[f"[`archc {name}`](#archc-{name})", prose(doc)] for name, doc in VERBS.items()],
    )
    return "\n".join([summary, *(section for name in VERBS for section in _command(name, root))])


def _command(name: str, parent: click.Context) -> Iterator[str]:
    group = parent.command
    assert isinstance(group, click.Group)
    command = group.get_command(parent, name)
    assert command is not None
    context = click.Context(command, info_name=name, parent=parent)
    path = context.command_path
    usage = command.get_usage(context).removeprefix("Usage: ")
    level = "##" if parent.parent is None else "###"
    records = [option.get_help_record(context) for option in command.get_params(context)]
    # The usage has the arguments already.
    rows = [[f"`{form}`", prose(doc)] for form, doc in filter(None, records) if doc]
    yield f"{level} {path}\n\n{prose(command.help or command.short_help or '')}\n"
    yield code(" ".join(usage.split()))
    if rows:
        yield table(["option", "meaning"], rows)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            yield from _command(below, context)
