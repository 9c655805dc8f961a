"""Contact sheets: pictures in rows with captions, as a PNG file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from archc.diagnostics import visible
from archc.training.report.files import Run, Validation
from archc.training.report.pictures import fit, picture, png

if TYPE_CHECKING:
    from PIL import ImageFont

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

SIDE = 112
"""The size of the square that each picture fits into."""
NARROWEST = 112
"""The least width of a cell, for its caption."""
GAP = 12
FONT_SIZE = 13
LINE = 17
COLUMNS = 8
GROUND, INK, QUIET = (255, 255, 255), (28, 32, 36), (89, 99, 110)
UNKNOWN = "\U0010ffff"
"""A character without a glyph in any font."""


class Cell(NamedTuple):
    """A picture, uint8 (height, width, 3), with the lines of its caption."""

    image: np.ndarray
    lines: tuple[str, ...]


def mistakes(run: Run, validation: Validation) -> bytes:
    """The worst mistakes, with true and predicted class and both probabilities."""
    cells = [
        Cell(picture(image), _mistake(run, validation, index))
        for image, index in zip(validation.images, validation.worst.tolist(), strict=True)
    ]
    return contact_sheet(cells)


def _mistake(run: Run, validation: Validation, index: int) -> tuple[str, ...]:
    """True and predicted class of a mistake, and their probabilities."""
    chances = validation.probabilities[index].tolist()
    label, predicted = int(validation.labels[index]), int(validation.predicted[index])
    return (
        f"is {run.class_name(label)}",
        f"predicted as {run.class_name(predicted)}",
        f"{chance(chances[label])} and {chance(chances[predicted])}",
    )


def chance(value: float) -> str:
    """A probability in percent; a question mark if it is invalid."""
    return f"{value:.1%}" if 0 <= value <= 1 else "?"


def contact_sheet(cells: Sequence[Cell], columns: int = COLUMNS) -> bytes:
    """The cells in rows, as PNG. Raises ImportError if Pillow is not installed."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(FONT_SIZE)
    pictures = [fit(cell.image, SIDE) for cell in cells]
    columns = min(columns, len(cells))
    width = max(NARROWEST, *(one.shape[1] for one in pictures))
    height = max(one.shape[0] for one in pictures)
    lines = max(len(cell.lines) for cell in cells)
    rows = -(-len(cells) // columns)
    across, down = width + GAP, height + lines * LINE + GAP + 4
    sheet = Image.new("RGB", (columns * across + GAP, rows * down + GAP), GROUND)
    pen = ImageDraw.Draw(sheet)
    for index, (cell, pixels) in enumerate(zip(cells, pictures, strict=True)):
        left = GAP + index % columns * across
        top = GAP + index // columns * down
        sheet.paste(Image.fromarray(np.ascontiguousarray(pixels)), (left, top))
        for number, line in enumerate(cell.lines):
            position = (left, top + height + 4 + number * LINE)
            pen.text(position, _cut(line, font, width), INK if number == 0 else QUIET, font)
    return png(np.asarray(sheet))


def _cut(text: str, font: Font, width: int) -> str:
    """A text truncated to a width, in characters that the font has."""
    printable = "".join(_drawable(char, font) for char in visible(text[:width]))
    if font.getlength(printable) <= width:
        return printable
    while printable and font.getlength(f"{printable}...") > width:
        printable = printable[:-1]
    return f"{printable}..."


@lru_cache(4096)
def _drawable(char: str, font: Font) -> str:
    """A character, escaped if the font has no glyph for it."""
    if char.isascii() or bytes(font.getmask(char)) != bytes(font.getmask(UNKNOWN)):
        return char
    return char.encode("unicode_escape").decode("ascii")
