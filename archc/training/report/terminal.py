"""Pictures in a terminal: half blocks in colour, or ASCII shades."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.cells import set_cell_size

from archc.diagnostics import visible
from archc.training.report.pictures import shrink
from archc.training.report.sheet import Cell

COLOURED_WIDTH = 18
"""Columns of a picture with two pixels per character."""
PLAIN_WIDTH = 24
"""Columns of a picture with one pixel per character."""
APART = 2
HALF = "\u2580"
RAMP = " .:-=+*#%@"
RESET = "\x1b[0m"


def columns(width: int, *, colored: bool) -> int:
    """The number of pictures side by side in a terminal."""
    return max(1, (width + APART) // (_side(width, colored=colored) + APART))


def render(cells: Sequence[Cell], width: int, *, colored: bool) -> str:
    """The cells in rows, each with the first line of its caption, truncated."""
    side = _side(width, colored=colored)
    abreast = columns(width, colored=colored)
    lines = []
    for start in range(0, len(cells), abreast):
        some = cells[start : start + abreast]
        pictures = [(_blocks if colored else _shades)(_resize(one.image, side)) for one in some]
        height = max(map(len, pictures))
        blank = " " * side
        for number in range(height):
            row = [one[number] if number < len(one) else blank for one in pictures]
            lines.append((" " * APART).join(row).rstrip(" "))
        labels = (set_cell_size(visible(one.lines[0]), side) for one in some)
        lines += [(" " * APART).join(labels).rstrip(), ""]
    return "".join(f"{line}\n" for line in lines)


def _side(width: int, *, colored: bool) -> int:
    return max(1, min(width, COLOURED_WIDTH if colored else PLAIN_WIDTH))


def _resize(image: np.ndarray, side: int) -> np.ndarray:
    """A picture of `side` columns and an even number of rows, at most as high as wide."""
    longest = max(image.shape[:2])
    if longest < side:
        image = image.repeat(side // longest, 0).repeat(side // longest, 1)
        longest = max(image.shape[:2])
    scale = min(1.0, side / longest)
    image = shrink(image, max(1, int(image.shape[0] * scale)), max(1, int(image.shape[1] * scale)))
    canvas: np.ndarray = np.zeros((image.shape[0] + image.shape[0] % 2, side, 3), np.uint8)
    left = (side - image.shape[1]) // 2
    canvas[: image.shape[0], left : left + image.shape[1]] = image
    return canvas


def _blocks(image: np.ndarray) -> list[str]:
    """A line for every two rows: the upper pixel is the foreground, the lower one the
    background."""
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
    """A line for every two rows, denser characters for brighter pixels."""
    grey = image.reshape(image.shape[0] // 2, 2, image.shape[1], 3).mean((1, 3))
    steps = (grey * len(RAMP) / 256).astype(int)
    return ["".join(RAMP[step] for step in row) for row in steps.tolist()]
