"""Pictures in a terminal: half blocks in colour, or characters from light to dark."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.cells import set_cell_size

from archc.diagnostics import visible
from archc.training.report.pictures import shrunk
from archc.training.report.sheet import Cell

COLOURED_WIDTH = 18
"""Columns of a picture where a character has two pixels."""
PLAIN_WIDTH = 24
"""Columns of a picture where a character is one pixel wide and two high."""
APART = 2
HALF = "\u2580"
RAMP = " .:-=+*#%@"
RESET = "\x1b[0m"


def columns(width: int, *, colored: bool) -> int:
    """How many pictures stand side by side in a terminal of a width."""
    return max(1, (width + APART) // (_side(width, colored=colored) + APART))


def drawn(cells: Sequence[Cell], width: int, *, colored: bool) -> str:
    """The cells in rows, with the first of their lines below each, cut to its width."""
    side = _side(width, colored=colored)
    abreast = columns(width, colored=colored)
    told = []
    for start in range(0, len(cells), abreast):
        some = cells[start : start + abreast]
        pictures = [(_blocks if colored else _shades)(_resized(one.image, side)) for one in some]
        height = max(map(len, pictures))
        blank = " " * side
        for number in range(height):
            row = [one[number] if number < len(one) else blank for one in pictures]
            told.append((" " * APART).join(row).rstrip(" "))
        labels = (set_cell_size(visible(one.lines[0]), side) for one in some)
        told += [(" " * APART).join(labels).rstrip(), ""]
    return "".join(f"{line}\n" for line in told)


def _side(width: int, *, colored: bool) -> int:
    return max(1, min(width, COLOURED_WIDTH if colored else PLAIN_WIDTH))


def _resized(image: np.ndarray, side: int) -> np.ndarray:
    """A picture so many columns wide, an even number of rows high and at most as high as wide."""
    longest = max(image.shape[:2])
    if longest < side:
        image = image.repeat(side // longest, 0).repeat(side // longest, 1)
        longest = max(image.shape[:2])
    scale = min(1.0, side / longest)
    image = shrunk(image, max(1, int(image.shape[0] * scale)), max(1, int(image.shape[1] * scale)))
    filled: np.ndarray = np.zeros((image.shape[0] + image.shape[0] % 2, side, 3), np.uint8)
    left = (side - image.shape[1]) // 2
    filled[: image.shape[0], left : left + image.shape[1]] = image
    return filled


def _blocks(image: np.ndarray) -> list[str]:
    """A line for each two rows: the upper pixel is the ink, the lower one the ground."""
    lines = []
    for upper, lower in zip(image[::2].tolist(), image[1::2].tolist(), strict=True):
        line = ""
        before = None
        for pair in zip(upper, lower, strict=True):
            if pair != before:
                ink, ground = (";".join(map(str, pixel)) for pixel in pair)
                line += f"\x1b[38;2;{ink};48;2;{ground}m"
                before = pair
            line += HALF
        lines.append(line + RESET)
    return lines


def _shades(image: np.ndarray) -> list[str]:
    """A line for each two rows, the brighter the denser."""
    grey = image.reshape(image.shape[0] // 2, 2, image.shape[1], 3).mean((1, 3))
    steps = (grey * len(RAMP) / 256).astype(int)
    return ["".join(RAMP[step] for step in row) for row in steps.tolist()]
