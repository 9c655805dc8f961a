"""What a file of images does not tell of itself."""

from __future__ import annotations

from typing import NamedTuple

CHANNELS = ("first", "last")
LABELS = ("label", "labels", "class", "target")
"""What columns of labels are called, in small letters, where nothing else is said."""


class FileFormat(NamedTuple):
    """How files are read, where that does not follow from them.

    `label`: the column of a CSV file that has the labels, by its name, or without a header by its
    number from 1. `separator`: what stands between the values of a row, by default a comma.
    `channels`: whether the channels of an image are its "first" axis or its "last".
    """

    label: str | None = None
    separator: str | None = None
    channels: str | None = None


DEFAULT_FORMAT = FileFormat()
"""Files that tell all of themselves."""
