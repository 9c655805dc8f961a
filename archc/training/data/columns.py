"""The columns of a CSV file with an image a row: which of them has the labels, and in which order
the others make the image."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from archc.training.data.images import WHITE, InputFormat, row_shape, square
from archc.training.errors import DataError, shortened
from archc.training.file_format import LABELS, FileFormat

COMMA = ","
SEPARATORS = (";", "\t", "|", " ")
"""Those that are in use besides the comma."""
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
NUMBERED = re.compile(r"([^0-9]*)([0-9]{1,9})")
COUNTING = frozenset({"", "id", "index", "imageid", "image_id", "unnamed: 0"})
"""What columns are called that count the rows, as pandas writes them and as competitions do."""


class Columns(NamedTuple):
    """The columns of a file. `names`: as the header has them, or else by their numbers, without the
    one that counts the rows, whose index is `counting`. `label`: the index in `names` of the one
    with the labels. `order`: of the others the indices of those with the first pixel, the second
    and so on, where they stand in another order."""

    names: tuple[str, ...]
    separator: str
    has_header: bool
    label: int | None
    order: np.ndarray | None = None
    counting: int | None = None

    @property
    def features(self) -> int:
        """The number of values of an image."""
        return len(self.names) - (self.label is not None)

    @property
    def written(self) -> int:
        """The number of values of a row."""
        return len(self.names) + (self.counting is not None)


def read_columns(
    path: Path, line: str, expected: InputFormat | None, file_format: FileFormat
) -> Columns:
    """The columns of a file by its first line, which is a header or a row of numbers. Raises
    DataError."""

    def fail(fault: str) -> NoReturn:
        raise DataError(path, fault, 1)

    separator = file_format.separator or COMMA
    if not line.strip():
        fail("is empty")
    for other in (COMMA, *SEPARATORS):
        if separator not in line and other in line.strip():
            fail(f"values are separated by {other!r}: say so with --separator")
    cells = [cell.strip().strip('"') for cell in line.split(separator)]
    if is_row(cells):
        try:
            label = numbered_label(len(cells), expected, file_format.label)
        except ValueError as error:
            fail(f"there is no header, and {error}")
        names = tuple(f"column {number}" for number in range(1, len(cells) + 1))
        if len(names) == 1 and label is not None:
            fail("a row has no pixels")
        return Columns(names, separator, False, label)
    for name, count in Counter(cells).items():
        if count > 1:
            fail(f"{count} columns are called {shortened(name)!r}")
    try:
        label = named_label(cells, file_format.label)
    except ValueError as error:
        fail(f"{error}")
    counting = counting_column(cells, label, expected)
    if counting is not None:
        del cells[counting]
        label = label - 1 if label is not None and label > counting else label
    pixels = [name for index, name in enumerate(cells) if index != label]
    if not pixels:
        fail("the header names no pixels")
    is_one_more = row_shape(len(pixels) - 1, expected) is not None
    if label is None and row_shape(len(pixels), expected) is None and is_one_more:
        others = [name for name in pixels if not NUMBERED.fullmatch(name)]
        which = f", perhaps {shortened(others[0])!r}" if others else ""
        fail(
            f"there is a column too many{which}: name it with --label if it has the labels, and "
            "leave it out of the file if it does not"
        )
    return Columns(tuple(cells), separator, True, label, column_order(pixels), counting)


def is_row(cells: Sequence[str]) -> bool:
    """Whether cells are numbers, and none that tell the columns' numbers."""
    if not all(NUMBER.fullmatch(cell) for cell in cells):
        return False
    numbers = range(len(cells))
    return len(cells) <= WHITE + 1 or list(cells) != list(map(str, numbers))


def numbered_label(count: int, expected: InputFormat | None, label: str | None) -> int | None:
    """The column of labels without a header: the first one, where the others make an image. Raises
    ValueError."""
    if label is not None:
        if not re.fullmatch("[0-9]{1,9}", label) or not 0 < int(label) <= count:
            raise ValueError(f"--label is a column's number from 1 to {count}")
        return int(label) - 1
    is_labelled, is_bare = (is_image(features, expected) for features in (count - 1, count))
    if is_labelled and not is_bare:
        return 0
    if is_bare and not is_labelled:
        return None
    raise ValueError(
        f"{count} values a row may begin with a label or not: --label 1 says that they do"
        if is_bare or expected is None
        else f"{count} values a row make no image for the network, with a label or without"
    )


def is_image(features: int, expected: InputFormat | None) -> bool:
    """Whether so many values make an image; without a network a square one."""
    if expected is None:
        return features > 0 and any(square(features, channels) for channels in (1, 3))
    return row_shape(features, expected) is not None


def named_label(names: Sequence[str], label: str | None) -> int | None:
    """The column of labels by its name. Raises ValueError."""
    if label is not None:
        if label not in names:
            raise ValueError(f"no column is called {shortened(label)!r}")
        return names.index(label)
    found = [index for index, name in enumerate(names) if name.lower() in LABELS]
    if len(found) > 1:
        both = " and ".join(repr(names[index]) for index in found[:2])
        raise ValueError(f"{both} may have the labels: say which does with --label")
    return found[0] if found else None


def counting_column(
    names: Sequence[str], label: int | None, expected: InputFormat | None
) -> int | None:
    """The column that counts the rows: called so, and one too many for an image; without a network,
    beside columns with numbers in their names."""
    found = [
        index for index, name in enumerate(names) if index != label and name.lower() in COUNTING
    ]
    others = [name for index, name in enumerate(names) if index not in (label, *found)]
    if len(found) != 1 or not others:
        return None
    if expected is None:
        is_other = all(map(NUMBERED.fullmatch, others))
    else:
        whole, without = (row_shape(len(others) + one, expected) for one in (1, 0))
        is_other = whole is None and without is not None
    return found[0] if is_other else None


def column_order(names: Sequence[str]) -> np.ndarray | None:
    """The order of columns that are called alike but for a number, by that; None for columns that
    stand in their order, or are called otherwise."""
    matches = [NUMBERED.fullmatch(name) for name in names]
    if len({match and match[1] for match in matches}) > 1 or matches[0] is None:
        return None
    numbers = np.array([int(match[2]) for match in matches if match])
    order = np.argsort(numbers, kind="stable")
    return None if (np.diff(order) == 1).all() else order
