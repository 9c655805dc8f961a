"""`archc serve`: the reports of a folder of specs in the browser, live."""

from __future__ import annotations

import errno
import gc
import os

import click

from archc.cli import streams
from archc.cli.options import max_steps_option
from archc.diagnostics import visible
from archc.language import library
from archc.language.extends import ROOT

PORT = 8000


@click.command("serve")
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False))
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="N",
    help=f"The port, 0 for any free one.  [default: {PORT}, or a free one where it is taken]",
)
@click.option("--open", "opens", is_flag=True, help="Open the browser.")
@max_steps_option
def command(folder: str | None, port: int | None, opens: bool, most_steps: int) -> int:
    """Show the specs of a folder in the browser, live as files are saved.

    Their figures, reports, errors and differences, at an address of this machine alone. By default
    the folder `specs`, and without one the specs that come with archc.
    """
    from archc.server.folder import Folder
    from archc.server.http import Server

    path = folder or (ROOT if os.path.isdir(ROOT) else library.folder())
    served = Folder(path, most_steps)
    try:
        server = Server(served, PORT if port is None else port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        if port is not None:
            raise click.UsageError(f"port {port} is taken; --port 0 takes a free one") from None
        server = Server(served, 0)
    gc.enable()  # this run is no short one
    with server:
        message = f"{server.url} shows {visible(path)}, press Ctrl-C to stop"
        streams.print_message(message)
        if opens:
            import webbrowser

            webbrowser.open(server.url)
        server.serve_forever()
    return 0
