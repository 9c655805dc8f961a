"""Contact sheets: pictures in rows, with lines below each, as a PNG file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from archc.diagnostics import visible
from archc.training.report.files import Run, Validation
from archc.training.report.pictures import fitted, picture, png

if TYPE_CHECKING:
    from PIL import ImageFont

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

SIDE = 112
"""The square that each picture fits in."""
NARROWEST = 112
"""A cell is as wide, so that its lines have room."""
GAP = 12
FONT_SIZE = 13
LINE = 17
COLUMNS = 8
GROUND, INK, QUIET = (255, 255, 255), (28, 32, 36), (89, 99, 110)
UNKNOWN = "\U0010ffff"
"""A character that no font has a picture of."""


class Cell(NamedTuple):
    """A picture, uint8 (height, width, 3), with the lines below it."""

    image: np.ndarray
    lines: tuple[str, ...]


def mistakes(run: Run, validation: Validation) -> bytes:
    """The worst mistakes: true class, what it was taken for, and both probabilities."""
    cells = [
        Cell(picture(image), _mistake(run, validation, place))
        for image, place in zip(validation.images, validation.worst.tolist(), strict=True)
    ]
    return contact_sheet(cells)


def _mistake(run: Run, validation: Validation, place: int) -> tuple[str, ...]:
    """What was mistaken for what, and how probable the network held both."""
    chances = validation.probabilities[place].tolist()
    label, predicted = int(validation.labels[place]), int(validation.predicted[place])
    return (
        f"is {run.class_name(label)}",
        f"taken for {run.class_name(predicted)}",
        f"{chance(chances[label])} and {chance(chances[predicted])}",
    )


def chance(value: float) -> str:
    """A probability as people read it; a question mark for what can be none."""
    return f"{value:.1%}" if 0 <= value <= 1 else "?"


def contact_sheet(cells: Sequence[Cell], columns: int = COLUMNS) -> bytes:
    """The cells in rows, as PNG. Raises ImportError where Pillow is not installed."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(FONT_SIZE)
    pictures = [fitted(cell.image, SIDE) for cell in cells]
    columns = min(columns, len(cells))
    width = max(NARROWEST, *(one.shape[1] for one in pictures))
    height = max(one.shape[0] for one in pictures)
    lines = max(len(cell.lines) for cell in cells)
    rows = -(-len(cells) // columns)
    across, down = width + GAP, height + lines * LINE + GAP + 4
    drawn = Image.new("RGB", (columns * across + GAP, rows * down + GAP), GROUND)
    pen = ImageDraw.Draw(drawn)
    for index, (cell, pixels) in enumerate(zip(cells, pictures, strict=True)):
        left = GAP + index % columns * across
        top = GAP + index // columns * down
        drawn.paste(Image.fromarray(np.ascontiguousarray(pixels)), (left, top))
        for number, line in enumerate(cell.lines):
            place = (left, top + height + 4 + number * LINE)
            pen.text(place, _cut(line, font, width), INK if number == 0 else QUIET, font)
    return png(np.asarray(drawn))


def _cut(text: str, font: Font, width: int) -> str:
    """As much of a text as there is room for, in characters that the font has."""
    shown = "".join(_drawable(char, font) for char in visible(text[:width]))
    if font.getlength(shown) <= width:
        return shown
    while shown and font.getlength(f"{shown}...") > width:
        shown = shown[:-1]
    return f"{shown}..."


@lru_cache(4096)
def _drawable(char: str, font: Font) -> str:
    """A character, escaped where the font has no picture of it."""
    if char.isascii() or bytes(font.getmask(char)) != bytes(font.getmask(UNKNOWN)):
        return char
    return char.encode("unicode_escape").decode("ascii")
