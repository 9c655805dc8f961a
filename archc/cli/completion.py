"""`archc completion`: the script that makes a shell complete archc's command lines."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from archc.cli import streams

VARIABLE = "_ARCHC_COMPLETE"
"""By which the script asks archc what may come next."""
_DONE = "\n    return 0\n"
_PATHS = """
    # bash quotes what it takes for files, and goes on after a folder without a space.
    case "${COMPREPLY[*]}" in */*|*.yaml*|*.yml*) compopt -o filenames ;; esac
"""


@click.command("completion", help="Print what makes a shell complete archc's command lines.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="bash|zsh|fish")
def command(shell: str) -> int:
    """The script on standard output: `eval "$(archc completion bash)"` in ~/.bashrc, the same with
    zsh in ~/.zshrc, or `archc completion fish > ~/.config/fish/completions/archc.fish`."""
    from archc.cli import verbs

    made = get_completion_class(shell)
    assert made is not None
    # `source` would run the shell to ask for its version; the script itself is the same.
    script = made(verbs, {}, "archc", VARIABLE)
    told = script.source_template % script.source_vars()
    streams.write(told.replace(_DONE, _PATHS + _DONE) if shell == "bash" else told)
    return 0
