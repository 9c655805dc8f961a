"""`archc data`: inspection of data before training, and packing it into one file."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archc.cli import streams
from archc.cli.options import file_format_options
from archc.diagnostics import visible
from archc.language.recipe import LARGEST_SEED
from archc.training.file_format import FileFormat

if TYPE_CHECKING:
    from archc.training.report.data_view import DataView

ROWS = 4
"""Rows of images in a terminal, by default."""
WIDTH = 80
"""Columns if standard output is not a terminal."""
MOST_CLASSES = 40
"""Classes that are listed individually."""
BAR = 30


@click.group("data", help="Inspect data before training, or pack it into one file.")
def command() -> None:
    """The command group."""


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
    help="Seed of the random selection of images.",
)
@click.option("-o", "output", metavar="FILE.png", help="Write a PNG file. Needs Pillow.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@file_format_options
def view(
    path: str,
    count: int | None,
    seed: int,
    output: str | None,
    force: bool,
    label: str | None,
    separator: str | None,
    channels: str | None,
) -> int:
    """Show some of the images in PATH with their labels, and a summary of the data.

    PATH is as for `archc train`: a CSV file, MNIST's idx files, an .npz file, a folder with one
    folder per class, or images without labels. The same number of images is sampled at random from
    each class. In a folder of image files only the selected ones are decoded.
    """
    colored = streams.colors(sys.stdout) and _has_all_colors() and _can_write("\u2580")
    width = streams.terminal_width() or WIDTH
    error = None if output is None else _unwritable(output, force, ".png")
    for module, is_needed in (("numpy", True), ("PIL", output is not None)):
        if is_needed and find_spec(module) is None:
            error = f"{module} is not installed: pip install {module.replace('PIL', 'pillow')}"
    if error is not None:
        streams.print_message(f"archc: {visible(error)}")
        return 2
    from archc.training.report import terminal
    from archc.training.report.data_view import InvalidDataError, UnreadableDataError
    from archc.training.report.data_view import view as read

    if count is None and output is None:
        count = ROWS * terminal.columns(width, colored=colored)
    try:
        data_view = read(Path(path), count, seed, FileFormat(label, separator, channels))
    except (InvalidDataError, UnreadableDataError) as exception:
        streams.print_message(f"archc: {visible(str(exception))}")
        return 1 if isinstance(exception, InvalidDataError) else 2
    except MemoryError:
        streams.print_message(f"archc: {visible(path)}: not enough memory")
        return 2
    if output is None:
        streams.write(terminal.render(data_view.cells, width, colored=colored))
    else:
        from archc.files import replace_files
        from archc.training.report.sheet import contact_sheet

        folder, name = os.path.split(output)
        replace_files(folder, {name: contact_sheet(data_view.cells)})
    streams.write(_summary(data_view))
    if output is not None:
        streams.print_message(f"wrote {visible(output)}: {len(data_view.cells):,} images")
    return 0


@command.command("pack")
@click.argument("path", metavar="PATH", type=click.Path())
@click.option("-o", "output", required=True, metavar="FILE.npz", help="The file to write.")
@click.option(
    "--test", is_flag=True, help="Of a folder with two splits the test images, not the training's."
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@file_format_options
def pack(
    path: str,
    output: str,
    test: bool,
    force: bool,
    label: str | None,
    separator: str | None,
    channels: str | None,
) -> int:
    """Check the images in PATH, and write them to one .npz file.

    PATH is as for `archc train`, with images of one size. The file has `images`, the channels last,
    and `labels`, if there are any: what the scripts of `archc build --training` read. Of a folder
    with a folder for each class it also has their names, `classes`, and the files', `names`.
    """
    error = _unwritable(output, force, ".npz")
    if find_spec("numpy") is None:
        error = "numpy is not installed: pip install numpy"
    if error is not None:
        streams.print_message(f"archc: {visible(error)}")
        return 2
    from archc.training.data.pack import pack as write_archive
    from archc.training.errors import DataError, RunError

    try:
        file_format = FileFormat(label, separator, channels)
        data = write_archive(Path(path), Path(output), labelled=not test, file_format=file_format)
    except DataError as exception:
        streams.print_message(f"archc: {visible(str(exception))}")
        return 1
    except RunError as exception:
        streams.print_message(f"archc: {visible(str(exception))}")
        return 2
    except MemoryError:
        streams.print_message(f"archc: {visible(path)}: not enough memory")
        return 2
    for note in data.notes:
        streams.print_message(visible(f"{path}: {note}"))
    sizes = " \u00d7 ".join(map(str, data.images.shape[1:]))
    labels = "without labels" if data.labels is None else _count(len(set(data.labels.tolist())))
    images = f"{len(data.images):,} images, {sizes}, {labels}"
    streams.print_message(f"wrote {visible(output)}: {images}")
    return 0


def _count(classes: int) -> str:
    return "1 class" if classes == 1 else f"{classes:,} classes"


def _unwritable(output: str, force: bool, ending: str) -> str | None:
    """Why a file cannot be written."""
    if not output.endswith(ending):
        return f"{output}: the file name must end in {ending}"
    if os.path.lexists(output) and not force:
        return f"{output} exists already (--force overwrites it)"
    return None


def _has_all_colors() -> bool:
    return os.environ.get("COLORTERM", "") in ("truecolor", "24bit")


def _can_write(text: str) -> bool:
    """Whether standard output can encode these characters."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _summary(data_view: DataView) -> str:
    """The facts, and a bar for each class."""
    lines = [visible(fact) for fact in data_view.facts]
    if data_view.classes is None:
        lines.append("no labels")
    else:
        counts = [count for _, count in data_view.classes]
        fewest, most = min(counts), max(counts)
        between = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
        lines.append(f"{len(counts):,} classes of {between} images")
        some = data_view.classes[:MOST_CLASSES]
        wide = max(len(name) for name, _ in some)
        for name, count in some:
            bar = "#" * max(1, count * BAR // most)
            lines.append(f"  {name:{wide}}  {count:>{len(f'{most:,}')},}  {bar}")
        if len(some) < len(counts):
            lines.append(f"  and {len(counts) - len(some):,} more classes")
    return "".join(f"{line}\n" for line in lines)
