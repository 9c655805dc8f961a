"""The command line: one small module per command, imported when the command is called.

Exit codes: 0 success, 1 findings, 2 usage, input/output or internal error, 130 interrupted; 143
and 129 where SIGTERM or SIGHUP ended it.
"""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

import click

from archc import __version__
from archc.cli import streams
from archc.cli.signals import Termination, termination
from archc.diagnostics import SpecError, did_you_mean, visible
from archc.files.reading import OutputError
from archc.plugins import PluginError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

VERBS = {
    "validate": "Check specs: schema, names, shapes, expectations.",
    "build": "Write the emitted modules and the reports of specs.",
    "report": "Show the layers of a network with their costs.",
    "diff": "Compare two networks layer by layer.",
    "serve": "Show the specs of a folder in the browser, live.",
    "import": "Make a spec from a network in another format.",
    "weights": "Convert weights between file formats and frameworks.",
    "verify": "Run the emitted networks and compare every layer.",
    "train": "Train a network with the recipe in its spec.",
    "evaluate": "Score the network of a run on labelled images.",
    "predict": "Label images with the network of a run.",
    "data": "Inspect data before training.",
    "show": "Print a spec merged with its parents, or fully expanded.",
    "list": "List specs with their parameters, MACs and layers.",
    "new": "Create a spec from another one or from a small network.",
    "schema": "Print the JSON Schema of specs.",
    "ops": "Show all ops, or the fields of one.",
    "explain": "Explain an error code.",
    "completion": "Print the completion script of a shell.",
}


_OTHER_NAMES = {
    "check": "validate",
    "lint": "validate",
    "compile": "build",
    "generate": "build",
    "emit": "build",
    "summary": "report",
    "compare": "diff",
    "watch": "serve",
    "preview": "serve",
    "test": "verify",
    "fit": "train",
    "eval": "evaluate",
    "infer": "predict",
    "ls": "list",
    "init": "new",
    "create": "new",
    "layers": "ops",
}
"""What other programs call commands."""


class Verbs(click.Group):
    """The group of all commands; imports only the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        # A module `list` would shadow the built-in in this package, and `import` is a keyword.
        module = {"list": "listing", "import": "import_"}.get(cmd_name, cmd_name)
        command: click.Command = import_module(f"archc.cli.{module}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name in VERBS or name.startswith("-"):
            return super().resolve_command(ctx, args)
        message = f"no command {visible(name)!r}"
        hint = did_you_mean(name, VERBS, _OTHER_NAMES)
        if hint is None and (os.path.exists(name) or name.endswith((".yaml", ".yml"))):
            hint = f"a command comes first: archc report {visible(name)}"
        raise click.UsageError(f"{message}; {hint}" if hint else message, ctx)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        # Click would import every command for its help.
        items = [
            CompletionItem(name, help=doc)
            for name, doc in VERBS.items()
            if name.startswith(incomplete)
        ]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(
    cls=Verbs,
    subcommand_metavar="COMMAND [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, "-V", "--version", prog_name="archc")
@click.option("--debug", is_flag=True, help="Show the traceback of an internal error.")
def verbs(debug: bool) -> None:
    """Compile neural-network specs to PyTorch and Keras source and exact reports."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line. Returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    debug = "--debug" in options
    if debug:  # accepted in any position
        rest = [option for option in options if option != "--debug"]
        arguments = rest + arguments[len(options) :]
    streams.prepare()
    stdout, stderr = sys.stdout, sys.stderr
    collects = gc.isenabled()
    gc.disable()  # a short run creates little garbage, and collecting it takes a tenth of the time
    try:
        if any("\0" in argument for argument in arguments):
            raise click.UsageError("an argument contains a NUL")
        with termination():
            code = verbs.main(args=arguments, prog_name="archc", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except SystemExit:
        if sys.stdout is stdout:
            raise
        # Where the reader of its help has gone away, click wraps the streams and exits with 1.
        sys.stdout, sys.stderr = stdout, stderr
        streams.discard(stdout)
        return 0
    except BaseException as error:
        code, message = _outcome(error, debug)
        with suppress(OSError):  # where standard error is full, the exit code says it alone
            streams.print_message(message)
        return code
    finally:
        if collects:
            gc.enable()


def _outcome(error: BaseException, debug: bool) -> tuple[int, str]:
    """The exit code and the message of an error."""
    interrupts = (click.Abort, KeyboardInterrupt)
    if isinstance(error, interrupts) or isinstance(error.__context__, interrupts):
        return 130, "archc: interrupted"
    if isinstance(error, Termination):
        return error.exit_code, "archc: terminated"
    if isinstance(error, click.ClickException):
        shown = io.StringIO()
        error.show(shown)
        return 2, shown.getvalue()
    if isinstance(error, SpecError):
        from archc.diagnostics.formats import exit_code, full

        return exit_code(error.diagnostics), full(error.diagnostics, streams.colors(sys.stderr))
    if isinstance(error, PluginError):
        return 2, f"archc: {error}"
    if isinstance(error, OutputError):
        return 2, f"archc: {visible(str(error))}"
    from archc.cli.completing import VARIABLE

    if VARIABLE in os.environ and not isinstance(error, OSError):
        return 2, f"archc: {VARIABLE} is for the scripts of `archc completion` alone"
    message = f"archc: {_one_line(error)}"
    if debug:
        from traceback import format_exception

        message = f"{''.join(format_exception(error))}{message}"
    return 2, message


def _one_line(error: BaseException) -> str:

    if isinstance(error, OSError):
        where = "" if error.filename is None else f"{error.filename}: "
        return visible(f"{where}{error.strerror or error}")
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return visible(f"internal error: {what[:300]} (--debug shows the traceback)")
