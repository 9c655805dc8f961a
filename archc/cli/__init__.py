"""The command line: one small module a verb, imported when the verb is called.

Exit codes: 0 clean, 1 findings, 2 usage, input/output or internal error, 130 interrupted.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

import click

from archc import __version__
from archc.cli import streams
from archc.diagnostics import SpecError
from archc.plugins import PluginError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

VERBS = {
    "validate": "Check specs: schema, names, shapes, expectations.",
    "build": "Write the emitted modules and the reports of specs.",
    "report": "Show the layers of a network with their costs.",
    "diff": "Compare two networks layer by layer.",
    "weights": "Move weights between files, frameworks and the neutral form.",
    "verify": "Run the emitted networks and compare every layer.",
    "train": "Train a network by the recipe in its spec.",
    "predict": "Label images with the network of a run.",
    "data": "Look at data before training with it.",
    "show": "Show a spec with what it extends, or with everything expanded.",
    "list": "List the specs at hand with their figures.",
    "new": "Start a spec, from another one or from a small network.",
    "schema": "Print the JSON Schema of specs.",
    "ops": "Show all ops, or the fields of one.",
    "explain": "Explain an error code.",
    "completion": "Print what makes a shell complete archc's command lines.",
}


class Verbs(click.Group):
    """Knows all verbs, and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        # A module called like the built-in would hide it in this package.
        module = "listing" if cmd_name == "list" else cmd_name
        command: click.Command = import_module(f"archc.cli.{module}").command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        # Click would import every verb for its help.
        found = [
            CompletionItem(name, help=told)
            for name, told in VERBS.items()
            if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=Verbs, subcommand_metavar="VERB [ARGS]...")
@click.version_option(__version__, prog_name="archc")
@click.option("--debug", is_flag=True, help="Show the traceback of an internal error.")
def verbs(debug: bool) -> None:
    """Compile neural-network specs to PyTorch and Keras source and exact reports."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = given[: given.index("--")] if "--" in given else given
    debug = "--debug" in options
    if debug:  # taken wherever it stands
        rest = [option for option in options if option != "--debug"]
        given = rest + given[len(options) :]
    streams.use_utf8()
    collects = gc.isenabled()
    gc.disable()  # a short run makes little garbage, and looking for it takes a tenth of the time
    try:
        code = verbs.main(args=given, prog_name="archc", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except (click.Abort, KeyboardInterrupt):
        streams.tell("archc: interrupted")
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except SpecError as error:
        from archc.diagnostics.formats import exit_code, full

        streams.tell(full(error.diagnostics, streams.colors(sys.stderr)))
        return exit_code(error.diagnostics)
    except PluginError as error:
        streams.tell(f"archc: {error}")
        return 2
    except Exception as error:
        if debug:
            from traceback import format_exc

            streams.tell(format_exc())
        streams.tell(f"archc: {_one_line(error)}")
        return 2
    finally:
        if collects:
            gc.enable()


def _one_line(error: Exception) -> str:
    from archc.diagnostics import visible

    if isinstance(error, OSError):
        where = "" if error.filename is None else f"{error.filename}: "
        return visible(f"{where}{error.strerror or error}")
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return visible(f"internal error: {what[:300]} (--debug shows where)")
