"""`archc data`: looking at data before anything is trained with it."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archc.cli import streams
from archc.diagnostics import visible
from archc.language.recipe import LARGEST_SEED

if TYPE_CHECKING:
    from archc.training.report.data_view import Shown

ROWS = 4
"""Rows of images in a terminal where no number is given."""
WIDTH = 80
"""Columns where standard output is no terminal."""
MOST_CLASSES = 40
"""Classes that are told each."""
BAR = 30


@click.group("data", help="Look at data before training with it.")
def command() -> None:
    """The group; its command follows."""


@command.command("view")
@click.argument("path", metavar="PATH", type=click.Path())
@click.option(
    "--count",
    type=click.IntRange(1, 1000),
    metavar="N",
    help=f"How many images: by default {ROWS} rows; with -o 8 of each class, or 64.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, LARGEST_SEED),
    default=0,
    metavar="N",
    help="Another number shows other images.",
)
@click.option("-o", "output", metavar="FILE.png", help="Draw to a PNG file. Needs Pillow.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def view(path: str, count: int | None, seed: int, output: str | None, force: bool) -> int:
    """Show some of the images in PATH with their labels, and what the data come to.

    PATH is what `archc train` takes: a CSV file, MNIST's idx files, an .npz, a folder with a folder
    for each class, or images without labels. From each class as many are shown as from any other,
    drawn at random, in the order of the classes. Of a folder of image files only those shown are
    decoded.
    """
    colored = streams.colors(sys.stdout) and _has_all_colors() and _can_write("\u2580")
    width = streams.terminal_width() or WIDTH
    fault = None if output is None else _unwritable(output, force)
    for module, needed in (("numpy", True), ("PIL", output is not None)):
        if needed and find_spec(module) is None:
            fault = f"{module} is not installed: pip install {module.replace('PIL', 'pillow')}"
    if fault is not None:
        streams.tell(f"archc: {visible(fault)}")
        return 2
    from archc.training.report import terminal
    from archc.training.report.data_view import DataFault, NotReadable
    from archc.training.report.data_view import view as read

    if count is None and output is None:
        count = ROWS * terminal.columns(width, colored=colored)
    try:
        shown = read(Path(path), count, seed)
    except (DataFault, NotReadable) as error:
        streams.tell(f"archc: {visible(str(error))}")
        return 1 if isinstance(error, DataFault) else 2
    except MemoryError:
        streams.tell(f"archc: {visible(path)}: not enough memory")
        return 2
    if output is None:
        streams.write(terminal.drawn(shown.cells, width, colored=colored))
    else:
        from archc.files import replace_files
        from archc.training.report.sheet import contact_sheet

        folder, name = os.path.split(output)
        replace_files(folder, {name: contact_sheet(shown.cells)})
    streams.write(_told(shown))
    if output is not None:
        streams.tell(f"wrote {visible(output)}: {len(shown.cells):,} images")
    return 0


def _unwritable(output: str, force: bool) -> str | None:
    """Why a file is not to be written."""
    if not output.endswith(".png"):
        return f"{output}: the name of a sheet ends in .png"
    if os.path.lexists(output) and not force:
        return f"{output} is there already (--force writes over it)"
    return None


def _has_all_colors() -> bool:
    return os.environ.get("COLORTERM", "") in ("truecolor", "24bit")


def _can_write(text: str) -> bool:
    """Whether standard output's encoding has these characters."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _told(shown: Shown) -> str:
    """The facts, and the classes with a bar each."""
    lines = list(shown.facts)
    if shown.classes is None:
        lines.append("no labels")
    else:
        counts = [count for _, count in shown.classes]
        fewest, most = min(counts), max(counts)
        between = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
        lines.append(f"{len(counts):,} classes of {between} images")
        some = shown.classes[:MOST_CLASSES]
        wide = max(len(name) for name, _ in some)
        for name, count in some:
            bar = "#" * max(1, count * BAR // most)
            lines.append(f"  {name:{wide}}  {count:>{len(f'{most:,}')},}  {bar}")
        if len(some) < len(counts):
            lines.append(f"  and {len(counts) - len(some):,} classes more")
    return "".join(f"{line}\n" for line in lines)
