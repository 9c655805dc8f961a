"""CSV with an image a row."""

from __future__ import annotations

import gzip
import math
import re
import warnings
from array import array
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, NoReturn, cast

import numpy as np

from archc.training.data.columns import NUMBER, Columns, read_columns
from archc.training.data.images import (
    MOST_CLASSES,
    WHITE,
    ImageData,
    InputFormat,
    check_label,
    check_memory,
    image_shape,
    largest_content,
    unpacking,
)
from archc.training.data.regular import open_regular
from archc.training.errors import DataError, shortened
from archc.training.file_format import DEFAULT_FORMAT, FileFormat

LONGEST_HEADER = 1 << 24
LONGEST_VALUE = 32  # characters, with what separates it
CSV_BLOCK = 1 << 20
LARGEST = 1e15  # to which all whole numbers are floats
COUNTED = "a column that counts the rows is left out"
IN_ORDER = "columns stand in another order than their numbers: read in that of their numbers"
NO_HEADER = "there is no header: the first line is a row"


def read_csv(
    path: Path, expected: InputFormat | None, file_format: FileFormat = DEFAULT_FORMAT
) -> ImageData:
    """Read `label,pixel0,pixel1 ...` below a header or without one, or pixels alone; `expected` is
    None without a network. Labels are whole numbers from 0, pixels those from 0 to 255."""
    packed = path.name.endswith(".gz")
    with open_regular(path) as file, unpacking(path):
        stream: IO[bytes] = cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if packed else file
        line = read_line(path, stream)
        columns = read_columns(path, line, expected, file_format)
        shape = image_shape(path, columns.features, expected)
        rows = CsvRows(path, stream, columns, expected)
        pixels = rows.parse("" if columns.has_header else f"{line}\n")
    if file_format.channels == "first" and len(shape) > 1:
        *spatial, channels = shape
        images = np.ascontiguousarray(np.moveaxis(pixels.reshape(-1, channels, *spatial), 1, -1))
    else:
        images = pixels.reshape(-1, *shape)
    notes: tuple[str, ...] = () if columns.has_header else (NO_HEADER,)
    notes += () if columns.order is None else (IN_ORDER,)
    notes += () if columns.counting is None else (COUNTED,)
    return ImageData(images, rows.found_labels(), notes=notes)


def read_line(path: Path, stream: IO[bytes]) -> str:
    """The first line, without its end."""
    line = stream.readline(LONGEST_HEADER)
    if not line:
        raise DataError(path, "is empty")
    fault = None
    text = line.decode("utf-8-sig", "replace").rstrip("\r\n")
    if len(line) == LONGEST_HEADER:
        fault = "is far longer than a header can be"
    elif b"\0" in line:
        fault = "holds a NUL byte"
    elif "\r" in text:
        fault = "lines end with a carriage return alone"
    if fault is not None:
        raise DataError(path, fault, 1)
    return text


class CsvRows:
    """The rows of a CSV file, counted, with their labels taken off."""

    def __init__(
        self, path: Path, stream: IO[bytes], columns: Columns, expected: InputFormat | None
    ) -> None:
        self.path = path
        self.stream = stream
        self.columns = columns
        self.classes = MOST_CLASSES if expected is None else expected.classes
        packed = path.name.endswith(".gz")
        self.left = largest_content(path) if packed else math.inf
        self.size = None if packed else path.stat().st_size
        self.row = int(columns.has_header)
        self.known: dict[str, int] = {}
        self.labels = array("q")
        self.are_bytes = True  # so far: labels as well as pixels
        self.are_fractions = False
        self.is_plain = False  # the block read last: whether rows in it need no closer look
        separator = re.escape(columns.separator)
        self.quoted = re.compile(
            rf'(?<![^{separator}])\s*"([^"{separator}]*)"\s*(?![^{separator}])'
        )

    def fail(self, fault: str) -> NoReturn:
        """Refuse a row."""
        raise DataError(self.path, fault, self.row)

    def found_labels(self) -> np.ndarray | None:
        """The labels of the rows, None where there are none."""
        return np.array(self.labels, np.int64) if self.columns.label is not None else None

    def parse(self, first: str) -> np.ndarray:
        """The pixels as uint8 (rows, columns) of the text that was read already and the stream."""
        pixels = bytearray()
        blank = None  # the first of blank rows at the end
        row = self.row + 1
        for lines in self.blocks(first):
            rows = list(lines)
            while rows and is_blank(rows[-1]):
                rows.pop()
            if rows:
                if blank is not None:
                    self.row = blank
                    self.fail("is empty")
                values = self.values(rows, row)
                self.check_memory(rows, values, len(pixels))
                pixels += values.data
            if len(rows) < len(lines) and blank is None:
                blank = row + len(rows)
            row += len(lines)
        if not pixels:
            raise DataError(self.path, "has a header and no rows")
        whole: np.ndarray = np.frombuffer(pixels, np.uint8)
        return whole.reshape(-1, self.columns.features)

    def blocks(self, rest: str) -> Iterator[list[str]]:
        """The lines of each block of the file, without their ends."""
        longest = 1024 + LONGEST_VALUE * len(self.columns.names)
        done = self.row
        while block := self.stream.read(CSV_BLOCK):
            self.left -= len(block)
            if self.left < 0:
                self.row = done + 1
                self.fail("unpacks to far more than images do")
            text = rest + block.decode("utf-8", "replace")
            self.is_plain = text.isascii() and "\0" not in text and '"' not in text
            *lines, rest = text.split("\n")
            done += len(lines)
            yield lines
            if len(rest) > longest:
                self.row = done + 1
                self.check_characters(rest)
                self.fail("is far longer than its values can be")
        if rest:
            self.is_plain = False
            yield [rest.removesuffix("\n")]

    def check_memory(self, rows: list[str], values: np.ndarray, before: int) -> None:
        """Refuse what the memory cannot hold: by the first rows, and by all so far."""
        needed = before + values.size
        if self.size is not None:
            if before:
                return
            # The others may be twice as long: a value takes two to four characters.
            needed = self.size * values.size // (2 * sum(map(len, rows)))
        check_memory(self.path, needed)

    def values(self, rows: list[str], first: int) -> np.ndarray:
        """The pixels of some rows, the `first` of which has this number."""
        try:
            return self.parse_rows(rows)
        except ValueError:
            for self.row, line in enumerate(rows, first):
                self.check_row(line)
            self.row = first
            self.fail("cannot be read as numbers, or one of the rows below")

    def parse_rows(self, rows: list[str]) -> np.ndarray:
        """The pixels of some rows. Raises ValueError, as the label may be that one of them has."""
        if not self.is_plain:
            if not all(line.isascii() and "\0" not in line for line in rows):
                raise ValueError
            rows = [self.unquoted(line) if '"' in line else line for line in rows]
        if self.columns.counting is not None:
            rows = [self.without(line, self.columns.counting) for line in rows]
        if self.are_bytes:
            with suppress(ValueError):
                return self.in_order(self.load_bytes(rows))
            self.are_bytes = False
        labels: list[int] = []
        if self.columns.label is not None:
            rows = self.split(rows, labels)
        values = self.load(rows)
        if values.shape != (len(rows), self.columns.features):
            raise ValueError
        self.labels.extend(labels)
        return self.in_order(values)

    def in_order(self, values: np.ndarray) -> np.ndarray:
        """Pixels as they make the image, of those as the columns stand."""
        order = self.columns.order
        return values if order is None else np.ascontiguousarray(values[:, order])

    def load_bytes(self, rows: list[str]) -> np.ndarray:
        """The pixels of some rows, where all they hold are whole numbers to 255. Raises ValueError
        for others, before a label is noted."""
        label = self.columns.label
        values = load_text(rows, np.uint8, self.columns.separator)
        if values.shape != (len(rows), len(self.columns.names)):
            raise ValueError
        if label is None:
            return values
        labels = values[:, label]
        if labels.max() >= self.classes:
            raise ValueError
        self.labels.frombytes(labels.astype(np.int64).tobytes())
        pixels: np.ndarray = np.delete(values, label, axis=1)
        return pixels

    def without(self, line: str, index: int) -> str:
        """A row without the value of a column. Raises ValueError where it has none."""
        separator = self.columns.separator
        values = line.split(separator, index + 1)
        if len(values) <= index:
            raise ValueError
        return separator.join([*values[:index], *values[index + 1 :]])

    def unquoted(self, line: str) -> str:
        """A row without the quotes around values."""
        separator, count = self.columns.separator, self.columns.written
        line = line.rstrip("\r")
        between = f'"{separator}"'
        if line[0] == line[-1] == '"' and line.count(between) == count - 1:
            plain = line[1:-1].replace(between, separator)
            if '"' not in plain:
                return plain
        return self.quoted.sub(r"\1", line)

    def split(self, rows: list[str], labels: list[int]) -> list[str]:
        """Take the labels off some rows. Raises ValueError."""
        separator, column, known = self.columns.separator, self.columns.label, self.known
        assert column is not None
        pixels = []
        for line in rows:
            if column == 0:
                label, _, others = line.partition(separator)
            else:
                before = line.split(separator, column)
                if len(before) <= column:
                    raise ValueError
                label, comma, after = before.pop().partition(separator)
                others = separator.join([*before, after] if comma else before)
            if label not in known:
                number = read_label(label)
                if not 0 <= number < self.classes:
                    raise ValueError
                known[label] = number
            labels.append(known[label])
            pixels.append(others)
        return pixels

    def load(self, rows: list[str]) -> np.ndarray:
        """The numbers of some rows as uint8. Raises ValueError for any that are not."""
        if not self.are_fractions:
            with suppress(ValueError):
                return load_text(rows, np.uint8, self.columns.separator)
        values = load_text(rows, np.float64, self.columns.separator)
        with np.errstate(invalid="ignore"):
            whole: np.ndarray = values.astype(np.uint8)
        if not (whole == values).all():
            raise ValueError
        self.are_fractions = True  # 0.0 for 0, which the others will have as well
        return whole

    def check_row(self, line: str) -> None:
        """Refuse a row for its first fault."""
        self.check_characters(line)
        if is_blank(line):
            self.fail("is empty")
        names, count = self.columns.names, self.columns.written
        cells = line.rstrip("\r").split(self.columns.separator)
        if len(cells) != count:
            other = "header" if self.columns.has_header else "first row"
            self.fail(f"has {len(cells)} values, and the {other} {count}")
        if self.columns.counting is not None:
            del cells[self.columns.counting]
        for index, (name, cell) in enumerate(zip(names, cells, strict=True)):
            text = cell.strip()
            if len(text) > 1 and text[0] == text[-1] == '"':
                text = text[1:-1].strip()
            if index == self.columns.label:
                self.check_label(text)
            else:
                self.check_pixel(shortened(name) or f"column {index + 1}", text)

    def check_characters(self, line: str) -> None:
        """Refuse what is no text of numbers."""
        if "\0" in line:
            self.fail("holds a NUL byte")
        if not line.isascii():
            self.fail("holds characters that are no numbers")

    def check_label(self, text: str) -> None:
        """Refuse a label that is none."""
        if not text:
            self.fail("has no label")
        try:
            label = read_label(text)
        except ValueError as error:
            self.fail(f"{error}")
        check_label(self.path, label, self.classes, self.row)

    def check_pixel(self, name: str, text: str) -> None:
        """Refuse a pixel that is none."""
        if not text:
            self.fail(f"{name} is empty")
        value = float(text) if NUMBER.fullmatch(text) else math.nan
        if not (value.is_integer() or math.isinf(value)):
            self.fail(f"{name}: {shortened(text)!r} is no whole number")
        if not 0 <= value <= WHITE:
            self.fail(f"{name}: {shortened(text)} is not one of 0 to {WHITE}")


def is_blank(line: str) -> bool:
    """Whether there is nothing in a line."""
    return not line or line.isspace()


def read_label(text: str) -> int:
    """A row's label. Raises ValueError."""
    text = text.strip()
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        return int(text)
    if NUMBER.fullmatch(text) and float(text).is_integer() and abs(float(text)) < LARGEST:
        return int(float(text))
    raise ValueError(f"label {shortened(text)!r} is no whole number")


def load_text(rows: list[str], dtype: type[np.generic], separator: str) -> np.ndarray:
    """The numbers of some rows. Raises ValueError."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            values: np.ndarray = np.loadtxt(
                rows, dtype, comments=None, delimiter=separator, ndmin=2
            )
        except Warning as error:  # of rows without anything
            raise ValueError from error
    return values
