"""CSV with an image a row."""

from __future__ import annotations

import gzip
import math
import re
import warnings
from array import array
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import IO, NoReturn, cast

import numpy as np

from archc.training.data.images import (
    WHITE,
    ImageData,
    InputFormat,
    check_label,
    image_shape,
    largest_content,
    unpacking,
)
from archc.training.errors import DataError

LONGEST_HEADER = 1 << 24
CSV_BLOCK = 1 << 20


def read_csv(path: Path, expected: InputFormat) -> ImageData:
    """Read `label,pixel0,pixel1 ...` below a header, or pixels alone.

    Labels are whole numbers from 0, pixels those from 0 to 255.
    """
    packed = path.name.endswith(".gz")
    with unpacking(path), path.open("rb") as file:
        stream: IO[bytes] = cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if packed else file
        largest = largest_content(path) if packed else None
        rows = CsvRows(path, stream, expected.classes, largest)
        pixels = rows.parse()
    shape = image_shape(path, pixels.shape[1], expected)
    labels = np.array(rows.labels, np.int64) if rows.labelled else None
    return ImageData(pixels.reshape(-1, *shape), labels)


class CsvRows:
    """The rows of a CSV file, counted, with their labels taken off."""

    def __init__(self, path: Path, stream: IO[bytes], classes: int, largest: int | None) -> None:
        self.path = path
        self.stream = stream
        self.classes = classes
        self.left = math.inf if largest is None else largest
        self.row = 1
        self.line = ""
        names = self.read_header()
        self.labelled = names[0] == "label"
        self.names = names
        self.known: dict[str, int] = {}
        self.labels = array("q")

    def fail(self, fault: str) -> NoReturn:
        """Refuse the row that was read last."""
        raise DataError(self.path, fault, self.row)

    def read_header(self) -> list[str]:
        """Names of the columns."""
        line = self.stream.readline(LONGEST_HEADER)
        if not line:
            raise DataError(self.path, "is empty")
        if len(line) == LONGEST_HEADER:
            self.fail("is far longer than a header can be")
        if b"\0" in line:
            self.fail("holds a NUL byte")
        text = line.decode("utf-8-sig", "replace").rstrip("\r\n")
        if "\r" in text:
            self.fail("lines end with a carriage return alone")
        names = [name.strip().strip('"') for name in text.split(",")]
        if all(re.fullmatch(r"-?[\d.]*", name) for name in names):
            self.fail("there is no header: label,pixel0,pixel1 ...")
        if "label" in names[1:]:
            self.fail("the column `label` is the first one, and the only one")
        if names == ["label"]:
            self.fail("the header names no pixels")
        return names

    def lines(self) -> Iterator[str]:
        """Each line below the header, without its end."""
        longest = 1024 + 16 * len(self.names)  # characters that a line can have
        rest = ""
        while block := self.stream.read(CSV_BLOCK):
            self.left -= len(block)
            if self.left < 0:
                self.fail("unpacks to far more than images do")
            clean = block.isascii() and b"\0" not in block
            *lines, rest = (rest + block.decode("utf-8", "replace")).split("\n")
            for line in lines:
                self.row += 1
                if not clean:
                    self.check_characters(line)
                yield line
            if len(rest) > longest:
                self.row += 1
                self.check_characters(rest)
                self.fail("is far longer than its values can be")
        if rest:
            self.row += 1
            self.check_characters(rest)
            yield rest

    def check_characters(self, line: str) -> None:
        """Refuse what is no text of numbers."""
        if "\0" in line:
            self.fail("holds a NUL byte")
        if not line.isascii():
            self.fail("holds characters that are no numbers")

    def pixels(self) -> Iterator[str]:
        """What of each row follows the label."""
        for line in self.lines():
            self.line = pixels = line
            if self.labelled:
                label, _, pixels = line.partition(",")
                number = self.known.get(label)
                if number is None:
                    number = self.known[label] = self.read_label(label)
                self.labels.append(number)
            if not pixels or pixels.isspace():  # NumPy would leave the row out
                self.fail_blank()
            yield pixels

    def read_label(self, text: str) -> int:
        """A row's label."""
        text = text.strip()
        if not text:
            self.fail("has no label" if self.line.strip() else "is empty")
        if not re.fullmatch(r"[+-]?\d{1,18}", text):
            self.fail(f"label {text[:40]!r} is no whole number")
        check_label(self.path, int(text), self.classes, self.row)
        return int(text)

    def parse(self) -> np.ndarray:
        """The pixels as uint8 (rows, columns)."""
        pixels = self.pixels()
        first = next(pixels, None)
        if first is None:
            raise DataError(self.path, "has a header and no rows")
        self.check_count()
        with warnings.catch_warnings():
            # NumPy does no more than warn of a fraction where a whole number belongs.
            warnings.simplefilter("error")
            try:
                values: np.ndarray = np.loadtxt(
                    chain((first,), pixels),
                    np.uint8,
                    comments=None,
                    delimiter=",",
                    ndmin=2,
                )
                return values
            except (ValueError, Warning) as error:
                self.check_count()
                self.check_pixels()
                self.fail(f"{error}")

    def fail_blank(self) -> NoReturn:
        """Refuse a row that has no pixels."""
        if not self.line.strip():
            self.fail("is empty")
        self.check_count()
        self.fail(f"{self.names[-1]} is empty")

    def check_count(self) -> None:
        """Refuse a row with more values than the header has names, or with fewer."""
        count = self.line.count(",") + 1
        if count != len(self.names):
            self.fail(f"has {count} values, and the header {len(self.names)}")

    def check_pixels(self) -> None:
        """Refuse a row for its first faulty pixel."""
        cells = zip(self.names, self.line.split(","), strict=True)
        for name, cell in islice(cells, int(self.labelled), None):
            text = cell.strip()
            if not text:
                self.fail(f"{name} is empty")
            if not re.fullmatch(r"[+-]?\d+", text):
                self.fail(f"{name}: {text[:40]!r} is no whole number")
            if not re.fullmatch(r"[+-]?0*\d{1,3}", text) or not 0 <= int(text) <= WHITE:
                self.fail(f"{name}: {text[:40]} is not one of 0 to {WHITE}")
