"""Small data for the pages: images with a bright line for each class, as Kaggle's two CSV files."""

from __future__ import annotations

import random
from pathlib import Path

SIDE = 28
PER_CLASS = 12
UNLABELLED = 20


def write_digits(folder: Path) -> None:
    """`train.csv`, with labels, and `test.csv`, without."""
    draws = random.Random(0)
    folder.mkdir(parents=True)
    header = [f"pixel{number}" for number in range(SIDE * SIDE)]
    labels = [label for label in range(10) for _ in range(PER_CLASS)]
    rows = [[label, *_image(label, draws)] for label in labels]
    _write(folder / "train.csv", ["label", *header], rows)
    images = [_image(draws.randrange(10), draws) for _ in range(UNLABELLED)]
    _write(folder / "test.csv", header, images)


def _image(label: int, draws: random.Random) -> list[int]:
    """A dark image whose two rows of a class are bright."""
    bright = (2 * label + 4, 2 * label + 5)
    pixels = [(row, draws.randrange(60)) for row in range(SIDE) for _ in range(SIDE)]
    return [noise + (180 if row in bright else 0) for row, noise in pixels]


def _write(path: Path, header: list[str], rows: list[list[int]]) -> None:
    lines = [",".join(map(str, row)) for row in rows]
    path.write_text("\n".join([",".join(header), *lines]) + "\n", encoding="utf-8")
