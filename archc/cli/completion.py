"""`archc completion`: the completion script of a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from archc.cli import streams
from archc.cli.completing import VARIABLE

_DONE = "\n    return 0\n"
_PATHS = """
    # bash then quotes paths, and adds no space after a folder.
    case "${COMPREPLY[*]}" in */*|*.yaml*|*.yml*) compopt -o filenames ;; esac
"""


@click.command("completion", help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="bash|zsh|fish")
def command(shell: str) -> int:
    """The script on standard output. Put `eval "$(archc completion bash)"` into ~/.bashrc, the same
    with zsh into ~/.zshrc, or run
    `archc completion fish > ~/.config/fish/completions/archc.fish`."""
    from archc.cli import verbs

    completion = get_completion_class(shell)
    assert completion is not None
    # `source` would run the shell to ask for its version; the script itself is the same.
    script = completion(verbs, {}, "archc", VARIABLE)
    source = script.source_template % script.source_vars()
    streams.write(source.replace(_DONE, _PATHS + _DONE) if shell == "bash" else source)
    return 0
