"""Reading images and labels: what is taken, and what is refused with its file and row."""

from __future__ import annotations

import gzip
import io
import os
import re
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archc.training.data import csv as csv_reader
from archc.training.data import folder as folder_reader
from archc.training.data import images as image_data
from archc.training.data import npz as npz_reader
from archc.training.data import read_data
from archc.training.data.images import InputFormat, all_classes, check_memory, machine_memory
from archc.training.data.splits import FitData, read_fit_data
from archc.training.errors import DataError
from archc.training.file_format import DEFAULT_FORMAT
from archc.training.run.options import FitSettings
from tests.training.samples import SAMPLE, takes

PIXELS = 16
HEADER = "label," + ",".join(f"pixel{index}" for index in range(PIXELS))
BARE = HEADER.removeprefix("label,")


FOUR = takes(4, 4, 1)
"""A network of 4 x 4 x 1."""


def values(label: object = 3, **others: object) -> list[str]:
    """A row: its label, and the pixels 0 to 15 with `others` in place of some."""
    pixels = [str(others.get(f"pixel{index}", index)) for index in range(PIXELS)]
    return [*([] if label is None else [str(label)]), *pixels]


def csv(*rows: list[str], header: str = HEADER, end: str = "\n") -> bytes:
    return (end.join([header, *(",".join(row) for row in rows)]) + end).encode()


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def refusal(expected: InputFormat, path: Path, *, labelled: bool = True, **known: object) -> str:
    """Why a file is refused, with its row, as told after the folder that it is in."""
    with pytest.raises(DataError) as refused:
        read_data(path, expected, labelled=labelled, **known)
    told = str(refused.value)
    assert told.startswith(str(path)) or path.is_dir() or "labels" in told
    return told.removeprefix(f"{path.parent}{os.sep}")


# CSV


@pytest.mark.parametrize("name", ["train.csv", "train.csv.gz"])
def test_csv_gives_images_and_labels(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, csv(values(3), values(9, pixel0=255), values(0)))
    data = read_data(path, FOUR, labelled=True)
    expected = np.stack([np.arange(PIXELS).reshape(4, 4, 1)] * 3)
    expected[1, 0, 0] = 255
    assert data.images.dtype == np.uint8
    np.testing.assert_array_equal(data.images, expected)
    assert data.labels is not None
    assert data.labels.dtype == np.int64
    assert data.labels.tolist() == [3, 9, 0]
    assert data.classes is None
    assert data.names is None


def test_csv_without_labels_is_there_to_predict(tmp_path: Path) -> None:
    path = write(tmp_path / "test.csv", csv(values(None), header=BARE))
    data = read_data(path, FOUR, labelled=False)
    assert data.images.shape == (1, 4, 4, 1)
    assert data.labels is None
    assert refusal(FOUR, path) == "test.csv: there are no labels"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_csv_may_end_its_lines_in_either_way(tmp_path: Path, end: str, last: bool) -> None:
    text = csv(values(3), values(4), end=end)
    path = write(tmp_path / "a.csv", text if last else text.removesuffix(end.encode()))
    data = read_data(path, FOUR, labelled=True)
    assert data.labels.tolist() == [3, 4]
    assert data.images.reshape(2, -1).tolist() == [list(range(PIXELS))] * 2


@pytest.mark.parametrize("place", [0, 1, 9, PIXELS + 1])
@pytest.mark.parametrize("name", ["id", "Unnamed: 0", ""])
@pytest.mark.parametrize("known", [FOUR, None])
def test_a_column_that_counts_the_rows_is_left_out(
    place: int, name: str, known: InputFormat | None, tmp_path: Path
) -> None:
    """Its numbers are larger than a pixel can be, and may be quoted."""
    header, rows = HEADER.split(","), [values(3), values(9, pixel0=255)]
    header.insert(place, name)
    for row, number in zip(rows, ("299", '"300"'), strict=True):
        row.insert(place, number)
    path = write(tmp_path / "a.csv", csv(*rows, header=",".join(header)))
    data = read_data(path, known, labelled=True)
    assert data.images.reshape(2, -1)[:, :3].tolist() == [[0, 1, 2], [255, 1, 2]]
    assert data.labels is not None
    assert data.labels.tolist() == [3, 9]
    assert data.notes == ("a column that counts the rows is left out",)
    path.write_bytes(csv(rows[0], rows[1][:-1], header=",".join(header)))
    told = f"a.csv:3: has {PIXELS + 1} values, and the header {PIXELS + 2}"
    with pytest.raises(DataError, match=re.escape(told)):
        read_data(path, known, labelled=True)


def test_csv_may_begin_with_a_byte_order_mark_and_quote_its_header(tmp_path: Path) -> None:
    header = ",".join(f'"{name}"' for name in HEADER.split(","))
    path = write(tmp_path / "a.csv", b"\xef\xbb\xbf" + csv(values(3), header=header))
    assert read_data(path, FOUR, labelled=True).labels.tolist() == [3]


def test_csv_is_the_same_wherever_blocks_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (300, PIXELS))
    labels = rng.integers(0, 10, 300)
    rows = [[str(label), *map(str, row)] for label, row in zip(labels, pixels, strict=True)]
    path = write(tmp_path / "a.csv", csv(*rows))
    for block in (1, 7, 64, 1 << 20):
        monkeypatch.setattr(csv_reader, "CSV_BLOCK", block)
        data = read_data(path, FOUR, labelled=True)
        np.testing.assert_array_equal(data.images.reshape(300, PIXELS), pixels)
        np.testing.assert_array_equal(data.labels, labels)


FAULTY_ROWS: dict[str, tuple[list[str] | str, str]] = {
    "ragged_short": (values(3)[:-1], "has 16 values, and the header 17"),
    "ragged_long": ([*values(3), "0"], "has 18 values, and the header 17"),
    "one_value": (["3"], "has 1 values, and the header 17"),
    "no_label": (values(""), "has no label"),
    "label_fraction": (values("3.5"), "label '3.5' is no whole number"),
    "label_text": (values("seven"), "label 'seven' is no whole number"),
    "label_huge": (values("9" * 30), f"label '{'9' * 30}' is no whole number"),
    "class_unseen": (values(10), "label 10 is not one of 0 to 9"),
    "class_negative": (values(-1), "label -1 is not one of 0 to 9"),
    "text": (values(3, pixel5="x"), "pixel5: 'x' is no whole number"),
    "missing": (values(3, pixel5=""), "pixel5 is empty"),
    "fraction": (values(3, pixel5="12.5"), "pixel5: '12.5' is no whole number"),
    "two_points": (values(3, pixel5="12.0.0"), "pixel5: '12.0.0' is no whole number"),
    "exponent": (values(3, pixel5="12e-1"), "pixel5: '12e-1' is no whole number"),
    "too_large_exponent": (values(3, pixel5="1e3"), "pixel5: 1e3 is not one of 0 to 255"),
    "hexadecimal": (values(3, pixel5="0x1"), "pixel5: '0x1' is no whole number"),
    "nan": (values(3, pixel5="nan"), "pixel5: 'nan' is no whole number"),
    "underscore": (values(3, pixel5="1_0"), "pixel5: '1_0' is no whole number"),
    "quoted": (values(3, pixel5='"1'), "pixel5: '\"1' is no whole number"),
    "quoted_twice": (values(3, pixel5='""1""'), "pixel5: '\"1\"' is no whole number"),
    "quoted_within": (values(3, pixel5='"1"2'), "pixel5: '\"1\"2' is no whole number"),
    "quoted_in_text": (values(3, pixel5='1"2"'), "pixel5: '1\"2\"' is no whole number"),
    "quoted_together": (values(3, pixel5='"1,2"')[:-1], "pixel5: '\"1' is no whole number"),
    "quoted_as_one": (['"3', *values(None)[:-1], '15"'], "label '\"3' is no whole number"),
    "comment": (values(3, pixel5="1 # one"), "pixel5: '1 # one' is no whole number"),
    "too_large": (values(3, pixel5="256"), "pixel5: 256 is not one of 0 to 255"),
    "negative": (values(3, pixel5="-1"), "pixel5: -1 is not one of 0 to 255"),
    "overflow": (values(3, pixel5="9" * 30), f"pixel5: {'9' * 30} is not one of 0 to 255"),
    "nul": (values(3, pixel5="1\0"), "holds a NUL byte"),
    "nul_label": (values("\0003"), "holds a NUL byte"),
    "other_digits": (values(3, pixel5="\u0663"), "holds characters that are no numbers"),
    "carriage_return": (values(3, pixel5="1\r2"), "pixel5: '1\\r2' is no whole number"),
    "endless": (values(3, pixel5="1" * 10_000), "is far longer than its values can be"),
}


@pytest.mark.parametrize("after", [0, 3])
@pytest.mark.parametrize("before", [0, 5])
@pytest.mark.parametrize("fault", FAULTY_ROWS)
def test_a_faulty_row_is_refused(
    tmp_path: Path, fault: str, before: int, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its line in the file, wherever it stands."""
    row, told = FAULTY_ROWS[fault]
    content = csv(*[values(1)] * before, row, *[values(2)] * after)
    if fault == "endless":
        monkeypatch.setattr(csv_reader, "CSV_BLOCK", 1 << 11)
    for name in ("train.csv", "train.csv.gz"):
        path = write(tmp_path / name, content)
        assert refusal(FOUR, path) == f"{name}:{before + 2}: {told}"


@pytest.mark.parametrize("block", [1, 64, 1 << 20])
@pytest.mark.parametrize("label", [None, 3])
@pytest.mark.parametrize("row", [[""], ["  "]])
def test_an_empty_row_is_refused(
    tmp_path: Path, row: list[str], label: int | None, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NumPy's reader would leave it out, and number all after it wrongly."""
    monkeypatch.setattr(csv_reader, "CSV_BLOCK", block)
    rows = [values(label), row, row, values(label)]
    path = write(tmp_path / "test.csv", csv(*rows, header=BARE if label is None else HEADER))
    assert refusal(FOUR, path, labelled=False) == "test.csv:3: is empty"


def test_a_blank_pixel_is_refused_where_it_is_the_only_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", b"label,pixel0\n3,1\n4, \n5,1\n")
    assert refusal(takes(1, 1, 1), path) == "a.csv:3: pixel0 is empty"
    path.write_bytes(b"label,pixel0,pixel1,pixel2,\n1,2,3,4,\n")  # as some programs end a row
    assert refusal(FOUR, path) == "a.csv:2: column 5 is empty"


FAULTY_FILES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "a.csv: is empty"),
    "header_alone": (csv(), "a.csv: has a header and no rows"),
    "two_labels": (
        csv(values(1), header=HEADER.replace("pixel15", "Class")),
        "a.csv:1: 'label' and 'Class' may have the labels: say which does with --label",
    ),
    "named_twice": (
        csv(values(1), header=HEADER.replace("pixel15", "pixel3")),
        "a.csv:1: 2 columns are called 'pixel3'",
    ),
    "no_number": (
        csv(values(1), header=",".join(values(1, pixel7="nan", pixel8=0))),
        "a.csv:1: 2 columns are called '1'",
    ),
    "another_label": (
        csv(values(1), header=HEADER.replace("label", "digit")),
        "a.csv:1: there is a column too many, perhaps 'digit': name it with --label if it has the "
        "labels, and leave it out of the file if it does not",
    ),
    "blank_header": (b"\n" + csv(values(1)), "a.csv:1: is empty"),
    "blank_alone": (csv([""], [" "]), "a.csv: has a header and no rows"),
    "label_alone": (b"label\n3\n", "a.csv:1: the header names no pixels"),
    "no_square": (
        b"label,a,b,c\n1,2,3,4\n",
        "a.csv:1: 3 values a row make no image for a network of 4 x 4 x 1",
    ),
    "nul_in_header": (b"label,pixel\x000\n1,2\n", "a.csv:1: holds a NUL byte"),
    "old_macintosh": (
        csv(values(1), values(2), end="\r"),
        "a.csv:1: lines end with a carriage return alone",
    ),
}


@pytest.mark.parametrize("fault", FAULTY_FILES)
def test_a_faulty_csv_file_is_refused(tmp_path: Path, fault: str) -> None:
    content, told = FAULTY_FILES[fault]
    assert refusal(FOUR, write(tmp_path / "a.csv", content)).startswith(told)


def test_an_endless_header_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_reader, "LONGEST_HEADER", 64)
    path = write(tmp_path / "a.csv", csv(values(1)))
    assert refusal(FOUR, path) == "a.csv:1: is far longer than a header can be"


def test_a_header_is_not_read_beyond_what_one_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A megabyte of it takes no megabyte of memory."""
    monkeypatch.setattr(csv_reader, "LONGEST_HEADER", 64)
    path = write(tmp_path / "a.csv", b"1," * (1 << 19))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="far longer than a header can be"):
            csv_reader.read_csv(path, None)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_gzip_cut_off_or_damaged_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(csv(*[values(1)] * 50))
    path = tmp_path / "train.csv.gz"
    path.write_bytes(whole[:-9])
    assert refusal(FOUR, path) == "train.csv.gz: is cut off: its gzip stream has no end"
    path.write_bytes(csv(values(1)))
    assert "is no sound gzip file" in refusal(FOUR, path)
    damaged = bytearray(whole)
    damaged[-6] ^= 1  # the checksum
    path.write_bytes(damaged)
    assert "is no sound gzip file" in refusal(FOUR, path)


def test_what_unpacks_to_far_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_data, "UNPACKED_BYTES", 1 << 12)
    monkeypatch.setattr(csv_reader, "CSV_BLOCK", 1 << 12)
    path = write(tmp_path / "a.csv.gz", csv(*[values(1)] * 20_000))
    assert re.fullmatch(r"a\.csv\.gz:\d+: unpacks to far more than images do", refusal(FOUR, path))


@pytest.mark.parametrize(
    ("expected", "pixels", "shape"),
    [
        (takes(32, 32, 1, pad=2), 784, (28, 28, 1)),
        (takes(6, 10, 1, pad=1), 32, (4, 8, 1)),
        (takes(6, 10, 1, pad=1), 36, (6, 6, 1)),
        (takes(3, 2, 3), 18, (3, 2, 3)),
        (takes(2, 8, 1, resize=8), 16, (4, 4, 1)),
        (takes(3, 3, 3), 48, (4, 4, 3)),
        (takes(7), 7, (7,)),
        (takes(2, 3, 4, 1), 24, (2, 3, 4, 1)),
    ],
)
def test_the_shape_of_a_row_follows_from_the_recipe(
    tmp_path: Path, expected: InputFormat, pixels: int, shape: tuple[int, ...]
) -> None:
    """By the network's input where it fits; a square otherwise."""
    row = [str(index % 256) for index in range(pixels)]
    header = ",".join(f"p{index}" for index in range(pixels))
    path = write(tmp_path / "a.csv", csv(row, header=header))
    images = read_data(path, expected, labelled=False).images
    assert images.shape == (1, *shape)
    assert images.ravel().tolist() == list(map(int, row))


# idx


def idx(array: np.ndarray, magic: bytes = b"\0\0\x08") -> bytes:
    shape = struct.pack(f">{array.ndim}I", *array.shape)
    return magic + bytes([array.ndim]) + shape + array.astype(np.uint8).tobytes()


IMAGES = np.arange(5 * 16).reshape(5, 4, 4)
LABELS = np.array([3, 1, 4, 1, 5])
IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("dot", ["-", "."])
def test_idx_of_a_folder(tmp_path: Path, end: str, dot: str) -> None:
    for name, array in zip(IDX, (IMAGES, LABELS), strict=True):
        write(tmp_path / (name.replace("-idx", f"{dot}idx") + end), idx(array))
    for path in (tmp_path, tmp_path / (IDX[0].replace("-idx", f"{dot}idx") + end)):
        data = read_data(path, FOUR, labelled=True)
        np.testing.assert_array_equal(data.images[..., 0], IMAGES)
        assert data.labels.tolist() == LABELS.tolist()


def test_the_sample_of_mnist() -> None:
    """Fitting reads the training digits, predicting the test digits."""
    train = read_data(SAMPLE, takes(), labelled=True)
    test = read_data(SAMPLE, takes(), labelled=False)
    assert train.images.shape == (1500, 28, 28, 1)
    assert test.images.shape == (500, 28, 28, 1)
    assert train.labels[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
    assert test.labels[:8].tolist() == [7, 2, 1, 0, 4, 1, 4, 9]
    assert round(float(train.images.mean()), 2) == 33.38
    named = read_data(SAMPLE / "t10k-images-idx3-ubyte.gz", takes(), labelled=True)
    np.testing.assert_array_equal(named.images, test.images)


def test_idx_images_without_labels_are_there_to_predict(tmp_path: Path) -> None:
    path = write(tmp_path / "some-images-idx3-ubyte", idx(IMAGES))
    assert read_data(path, FOUR, labelled=False).labels is None
    assert refusal(FOUR, path).endswith(": there are no labels")


def test_idx_for_a_network_of_features(tmp_path: Path) -> None:
    path = write(tmp_path / IDX[0], idx(IMAGES))
    images = read_data(path, takes(16), labelled=False).images
    np.testing.assert_array_equal(images, IMAGES.reshape(5, 16))


HUGE = struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**32 - 1)
FAULTY_IDX: dict[str, tuple[bytes, str, str]] = {
    "nothing": (b"", "is empty", "is empty"),
    "magic": (idx(IMAGES, b"\0\0\x0d"), *["begins with 00 00 0d 03, not with 00 00 08 03"] * 2),
    "labels_for_images": (idx(LABELS), *["begins with 00 00 08 01, not with 00 00 08 03"] * 2),
    "cut_in_magic": (b"\0\0", *["begins with 00 00, not with 00 00 08 03"] * 2),
    "cut_in_sizes": (idx(IMAGES)[:10], *["is cut off in its sizes"] * 2),
    "cut_off": (idx(IMAGES)[:-1], *["is cut off: its sizes tell of 5 x 4 x 4 values"] * 2),
    "longer": (
        idx(IMAGES) + b"\0",
        *["goes on behind the 5 x 4 x 4 values that its sizes tell of"] * 2,
    ),
    "lying": (
        b"\0\0\x08\x03" + HUGE + bytes(100),
        "is cut off: its sizes tell of 4294967295 x 4294967295 x 4294967295 values",
        "cannot hold so much: its sizes tell of 4294967295 x 4294967295 x 4294967295 values",
    ),
    "none": (idx(IMAGES[:0]), "there are no images", "there are no images"),
}


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("fault", FAULTY_IDX)
def test_a_faulty_idx_file_is_refused(tmp_path: Path, fault: str, end: str) -> None:
    content, plain, packed = FAULTY_IDX[fault]
    path = write(tmp_path / (IDX[0] + end), content)
    write(tmp_path / IDX[1], idx(LABELS if fault != "none" else LABELS[:0]))
    assert refusal(FOUR, path) == f"{path.name}: {packed if end else plain}"


def test_idx_cut_off_in_its_gzip_stream_is_refused(tmp_path: Path) -> None:
    path = tmp_path / f"{IDX[0]}.gz"
    path.write_bytes(gzip.compress(idx(IMAGES))[:-12])
    assert "is cut off" in refusal(FOUR, path)


def test_a_packed_idx_file_that_is_made_to_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_data, "UNPACKED_BYTES", 1 << 12)
    path = write(tmp_path / f"{IDX[0]}.gz", idx(np.zeros((5000, 40, 40))))
    assert "cannot hold so much: its sizes tell of 5000 x 40 x 40" in refusal(FOUR, path)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([3, 1, 4, 1], "5 images have labels of shape 4"),
        ([3, 1, 10, 1, 5], "IDX:3: label 10 is not one of 0 to 9"),
    ],
)
def test_faulty_idx_labels_are_refused(tmp_path: Path, labels: list[int], told: str) -> None:
    path = write(tmp_path / IDX[0], idx(IMAGES))
    write(tmp_path / IDX[1], idx(np.array(labels)))
    assert told.replace("IDX", IDX[1]) in refusal(FOUR, path)


# .npz


def npz(path: Path, packed: bool = False, **arrays: object) -> Path:
    (np.savez_compressed if packed else np.savez)(path, **arrays)
    return path


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("names", [("images", "labels"), ("x", "y"), ("x_train", "y_train")])
@pytest.mark.parametrize("axes", [(5, 4, 4), (5, 4, 4, 1)])
def test_npz(tmp_path: Path, packed: bool, names: tuple[str, str], axes: tuple[int, ...]) -> None:
    arrays = dict(zip(names, (IMAGES.astype(np.uint8).reshape(axes), LABELS), strict=True))
    data = read_data(npz(tmp_path / "a.npz", packed, **arrays), FOUR, labelled=True)
    assert data.images.dtype == np.uint8
    np.testing.assert_array_equal(data.images[..., 0], IMAGES)
    assert data.labels.tolist() == LABELS.tolist()


def test_npz_of_two_splits(tmp_path: Path) -> None:
    """As Keras' data sets come: labels may be a column."""
    path = npz(
        tmp_path / "mnist.npz",
        x_train=IMAGES,
        y_train=LABELS[:, np.newaxis],
        x_test=IMAGES[:2],
        y_test=LABELS[:2],
    )
    assert read_data(path, FOUR, labelled=True).labels.tolist() == LABELS.tolist()
    assert len(read_data(path, FOUR, labelled=False).images) == 2


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_npz_of_fractions(tmp_path: Path, dtype: type) -> None:
    images = np.linspace(-1, 1, 5 * 7).reshape(5, 7).astype(dtype)
    path = npz(tmp_path / "a.npz", images=images)
    data = read_data(path, takes(7), labelled=False)
    assert data.images.dtype == np.float32
    np.testing.assert_array_equal(data.images, images.astype(np.float32))


FAULTY_NPZ: dict[str, tuple[dict[str, object], str]] = {
    "objects": ({"images": np.array([{}] * 5)}, "images.npy holds objects, not numbers"),
    "objects_as_labels": (
        {"images": IMAGES, "labels": np.array([None] * 5)},
        "labels.npy holds objects, not numbers",
    ),
    "no_images": ({"pictures": IMAGES}, "has no array `images` (it has: pictures)"),
    "too_few_axes": ({"images": IMAGES[:, 0]}, "5 x 4 are no images for 4 x 4 x 1"),
    "too_many_axes": (
        {"images": np.zeros((5, 4, 4, 1, 1))},
        "5 x 4 x 4 x 1 x 1 are no images for 4 x 4 x 1",
    ),
    "text": ({"images": IMAGES.astype(str)}, "the images are <U21, not numbers"),
    "complex": ({"images": IMAGES + 1j}, "the images are complex128, not numbers"),
    "too_large": ({"images": IMAGES * 4}, "the images hold 0 to 316, not 0 to 255"),
    "negative": ({"images": IMAGES - 1}, "the images hold -1 to 78, not 0 to 255"),
    "nan": ({"images": IMAGES / [1, 1, 1, np.nan]}, "no finite numbers"),
    "infinite_in_float32": ({"images": IMAGES * 1e300}, "no finite numbers"),
    "none": ({"images": IMAGES[:0], "labels": LABELS[:0]}, "there are no images"),
    "no_labels": ({"images": IMAGES}, "there are no labels"),
    "lengths": ({"images": IMAGES, "labels": LABELS[1:]}, "5 images have labels of shape 4"),
    "one_hot": (
        {"images": IMAGES, "labels": np.eye(5, dtype=int)},
        "5 images have labels of shape 5 x 5",
    ),
    "label_fraction": (
        {"images": IMAGES, "labels": LABELS / 2},
        "labels are whole numbers, not float64",
    ),
    "class_unseen": (
        {"images": IMAGES, "labels": LABELS + 5},
        "a.npz:5: label 10 is not one of 0 to 9",
    ),
    "class_negative": (
        {"images": IMAGES, "labels": LABELS - 2},
        "a.npz:2: label -1 is not one of 0 to 9",
    ),
}


@pytest.mark.parametrize("fault", FAULTY_NPZ)
def test_a_faulty_npz_file_is_refused(tmp_path: Path, fault: str) -> None:
    arrays, told = FAULTY_NPZ[fault]
    path = npz(tmp_path / "a.npz", **arrays)
    assert told in refusal(FOUR, path)


def test_objects_are_never_built(tmp_path: Path) -> None:
    """An array of objects is a pickle: its head is looked at, and no more."""

    class Harm:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return Path.touch, (tmp_path / "harm",)  # type: ignore[return-value]

    path = npz(tmp_path / "a.npz", images=np.array([Harm()] * 5))
    assert "holds objects" in refusal(FOUR, path)
    assert not (tmp_path / "harm").exists()


def archive(path: Path, member: bytes, name: str = "images.npy") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(name, member)
    return path


def array_file(shape: str, content: bytes) -> bytes:
    head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + content


@pytest.mark.parametrize(
    ("member", "told"),
    [
        (array_file("(5, 4, 4)", bytes(79)), "images.npy is not as long as its shape tells"),
        (array_file("(9, 4, 4)", bytes(80)), "images.npy is not as long as its shape tells"),
        (
            array_file("(4294967296, 4294967296, 4294967296)", bytes(80)),
            "images.npy is not as long as its shape tells",
        ),
        (array_file("(-5, -4, 4)", bytes(80)), "is no sound .npz file"),
        (array_file("[5", bytes(80)), "is no sound .npz file"),
        (b"\x93NUMPY\x09\x00" + bytes(100), "images.npy is of an unknown version"),
        (b"", "is no sound .npz file"),
        (b"hello", "is no sound .npz file"),
    ],
)
def test_an_array_whose_head_is_wrong_is_refused(tmp_path: Path, member: bytes, told: str) -> None:
    assert told in refusal(FOUR, archive(tmp_path / "a.npz", member), labelled=False)


def test_an_archive_that_is_made_to_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npz_reader, "UNPACKED_BYTES", 1 << 12)
    path = npz(tmp_path / "a.npz", packed=True, images=np.zeros((9999, 4, 4), np.uint8))
    assert "images.npy unpacks to far more than images do" in refusal(FOUR, path)
    noise = np.random.default_rng(0).integers(0, 256, (9999, 4, 4), np.uint8)
    assert len(read_data(npz(path, packed=True, images=noise), FOUR, labelled=False).images) == 9999


@pytest.mark.parametrize("cut", [1, 40, 300])
def test_an_archive_that_is_cut_off_is_refused(tmp_path: Path, cut: int) -> None:
    path = npz(tmp_path / "a.npz", images=IMAGES, labels=LABELS)
    path.write_bytes(path.read_bytes()[:-cut])
    assert "is no sound .npz file" in refusal(FOUR, path)


def test_an_archive_with_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", images=IMAGES, labels=LABELS)
    content = path.read_bytes()
    place = content.index(IMAGES.tobytes()) + 8
    path.write_bytes(content[:place] + b"\7" + content[place + 1 :])
    assert "is no sound .npz file" in refusal(FOUR, path)


# Folders of images


def picture(path: Path, level: int = 7, size: tuple[int, int] = (4, 4), mode: str = "L") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, level if mode == "L" else (level,) * len(mode)).save(path)
    return path


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    folder = tmp_path / "animals"
    picture(folder / "dog" / "1.png", 10)
    picture(folder / "cat" / "b.bmp", 21)
    picture(folder / "cat" / "a.png", 20)
    (folder / "cat" / ".DS_Store").write_bytes(b"of the system")
    (folder / ".cache").mkdir()
    return folder


def test_a_folder_of_images_by_class(animals: Path) -> None:
    data = read_data(animals, FOUR, labelled=True)
    assert data.classes == ("cat", "dog")
    assert data.names == ("cat/a.png", "cat/b.bmp", "dog/1.png")
    assert data.labels.tolist() == [0, 0, 1]
    assert data.images.shape == (3, 4, 4, 1)
    assert data.images[:, 0, 0, 0].tolist() == [20, 21, 10]


def test_classes_that_are_known_number_the_folders(animals: Path) -> None:
    known = ("ant", "dog", "cat", *map(str, range(3, 10)))
    data = read_data(animals, FOUR, labelled=True, classes=known)
    assert data.labels.tolist() == [2, 2, 1]
    assert data.classes == known
    unknown = all_classes(("ant", "cat"), 10)
    assert refusal(FOUR, animals, classes=unknown) == (
        f"animals{os.sep}dog: is none of the classes that are known: ant, cat, 2, 3, 4, ..."
    )
    told = refusal(FOUR, animals, classes=all_classes(None, 10))
    assert told == (
        f"animals{os.sep}cat: is none of the classes that are known: 0, 1, 2, 3, 4, ..."
    )


@pytest.mark.parametrize("name", ["3", "9"])
def test_a_folder_called_like_another_class_is_refused(animals: Path, name: str) -> None:
    """Classes without a folder are called by their numbers."""
    picture(animals / name / "1.png")
    assert read_data(animals, takes(4, 4, 1, classes=3), labelled=True).classes == (
        name,
        "cat",
        "dog",
    )
    assert refusal(FOUR, animals) == (
        f"animals{os.sep}{name}: is called like a class that has no folder, by its number"
    )


def validated(data: Path, validation: Path) -> FitData:
    """Training data, with what they are validated with."""
    none = dict.fromkeys(FitSettings._fields)
    fields = {"data": data, "validation": validation, "seed": 0, "file_format": DEFAULT_FORMAT}
    settings = FitSettings(**{**none, **fields})
    return read_fit_data(settings, FOUR, 0.1)


def validation_refusal(data: Path, validation: Path) -> str:
    with pytest.raises(DataError) as refused:
        validated(data, validation)
    return str(refused.value).removeprefix(f"{validation.parent}{os.sep}")


def test_validation_data_have_the_classes_trained_with(animals: Path, tmp_path: Path) -> None:
    numbers = write(tmp_path / "a.csv", csv(values(0), values(1)))
    others = write(tmp_path / "b.csv", csv(*[values(label) for label in range(9)]))
    digits = tmp_path / "digits"
    picture(digits / "1" / "1.png")
    assert validated(numbers, digits).validation.labels.tolist() == [1]
    assert validated(animals, numbers).validation.labels.tolist() == [0, 1]
    assert validation_refusal(numbers, animals) == (
        f"animals{os.sep}cat: is none of the classes that are known: 0, 1, 2, 3, 4, ..."
    )
    few = "b.csv: has classes that no training image is of: 2, 3, 4, 5, 6, ..."
    assert validation_refusal(animals, others) == few
    assert validation_refusal(numbers, others) == few
    assert validation_refusal(others, write(tmp_path / "c.csv", csv(values(9)))) == (
        "c.csv: has classes that no training image is of: 9"
    )


def test_folders_that_are_numbers_are_these_classes(tmp_path: Path) -> None:
    for name in ("2", "10", "0"):
        picture(tmp_path / "digits" / name / "1.png", int(name))
    data = read_data(tmp_path / "digits", takes(4, 4, 1, classes=11), labelled=True)
    assert data.classes is None
    assert sorted(data.labels.tolist()) == [0, 2, 10]
    assert data.images[:, 0, 0, 0].tolist() == data.labels.tolist()
    assert "10: is none of the classes that are known" in refusal(FOUR, tmp_path / "digits")


def test_a_folder_of_images_alone_is_there_to_predict(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    for name, level in (("b.png", 2), ("a.png", 1)):
        picture(folder / name, level)
    data = read_data(folder, FOUR, labelled=False)
    assert data.names == ("a.png", "b.png")
    assert data.labels is None
    assert data.images[:, 0, 0, 0].tolist() == [1, 2]
    assert "holds no folders of images" in refusal(FOUR, folder)


@pytest.mark.parametrize(("channels", "shade"), [(1, [76]), (3, [255, 0, 0])])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_images_come_with_the_channels_of_the_network(
    tmp_path: Path, channels: int, shade: list[int], mode: str
) -> None:
    path = tmp_path / "new" / "a.png"
    path.parent.mkdir()
    Image.new("RGB", (4, 4), (255, 0, 0)).convert(mode).save(path)
    images = read_data(path.parent, takes(4, 4, channels), labelled=False).images
    assert images[0, 0, 0].tolist() == shade


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    image = Image.new("L", (4, 8))
    image.putpixel((0, 0), 255)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    image.save(tmp_path / "new" / "a.png", exif=exif)
    images = read_data(tmp_path / "new", FOUR, labelled=False).images
    assert images.shape == (1, 4, 8, 1)
    assert np.argwhere(images[0, :, :, 0]).tolist() == [[0, 7]]


def test_images_of_many_sizes_take_a_recipe_that_resizes(animals: Path) -> None:
    picture(animals / "dog" / "2.png", 90, (9, 5))
    assert refusal(FOUR, animals) == (
        f"animals{os.sep}dog{os.sep}2.png: is 5 x 9 x 1, and the first image is 4 x 4 x 1: "
        "resize them in the recipe"
    )
    images = read_data(animals, takes(4, 4, 1, resize=6), labelled=True).images
    assert images.shape == (4, 6, 6, 1)
    assert (images == np.array([20, 21, 10, 90]).reshape(4, 1, 1, 1)).all()


def test_many_images_come_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_reader, "FILES_AT_ONCE", 7)
    for index in range(40):
        picture(tmp_path / "new" / f"{index:02}.png", index)
    images = read_data(tmp_path / "new", FOUR, labelled=False).images
    assert images[:, 0, 0, 0].tolist() == list(range(40))


def text_file(folder: Path) -> None:
    (folder / "dog" / "2.png").write_text("no image")


def cut_off(folder: Path) -> None:
    rng = np.random.default_rng(0)
    whole = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (4, 4), np.uint8)).save(whole, "JPEG")
    (folder / "dog" / "2.png").write_bytes(whole.getvalue()[:-20])


def bomb(folder: Path) -> None:
    """A head of 20,000 x 20,000 pixels."""
    head = io.BytesIO()
    Image.new("1", (1, 1)).save(head, "PPM")
    (folder / "dog" / "2.png").write_bytes(b"P5 20000 20000 255\n")


def large(folder: Path) -> None:
    """One that Pillow would only warn of."""
    (folder / "dog" / "2.png").write_bytes(b"P5 10000 9000 255\n")


def deep(folder: Path) -> None:
    Image.fromarray(np.full((4, 4), 1000, np.uint16)).save(folder / "dog" / "2.png")


def script(folder: Path) -> None:
    (folder / "dog" / "2.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n")


def link_out(folder: Path) -> None:
    picture(folder.parent / "secret.png")
    (folder / "dog" / "2.png").symlink_to(folder.parent / "secret.png")


def link_to_folder(folder: Path) -> None:
    picture(folder.parent / "secrets" / "2.png")
    (folder / "dog" / "1.png").unlink()
    (folder / "dog").rmdir()
    (folder / "dog").symlink_to(folder.parent / "secrets")


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "dog" / "2.png")


def link_within(folder: Path) -> None:
    """Followed, it could lead around in a circle."""
    (folder / "dog" / "more").symlink_to(folder / "cat")


def no_images_left(folder: Path) -> None:
    (folder / "dog" / "1.png").rename(folder / "dog" / "1.txt")
    (folder / "dog" / "more").mkdir()


def beside(folder: Path) -> None:
    picture(folder / "2.png")


def undecodable(folder: Path) -> None:
    picture(folder / "dog" / "2\udcff.png")


def undecodable_class(folder: Path) -> None:
    picture(folder / "\udce9mu" / "1.png")


def empty_class(folder: Path) -> None:
    (folder / "emu").mkdir()


FAULTY_FOLDERS: list[tuple[Callable[[Path], None], str]] = [
    (text_file, "dog/2.png: is no image that can be read"),
    (cut_off, "dog/2.png: is no image that can be read"),
    (script, "dog/2.png: is no image that can be read"),
    (bomb, "dog/2.png: is too large"),
    (large, "dog/2.png: 10000 x 9000 are too large"),
    (deep, "dog/2.png: has pixels of more than 8 bits"),
    (link_out, "dog/2.png: is a link that leads out of the folder"),
    (link_to_folder, "dog: is a link that leads out of the folder"),
    (link_within, "dog/more: is a link to a folder, within that of a class"),
    (no_images_left, "dog: holds no images"),
    (pipe, "dog/2.png: is not a regular file"),
    (beside, "2.png: lies beside the classes' folders"),
    (empty_class, "emu: holds no images"),
    (undecodable, "dog/2\udcff.png: has a name that is no text in UTF-8"),
    (undecodable_class, "\udce9mu: has a name that is no text in UTF-8"),
]


@pytest.mark.parametrize(("spoil", "told"), FAULTY_FOLDERS, ids=lambda one: str(one)[:20])
@pytest.mark.filterwarnings("error")
def test_a_faulty_folder_is_refused(
    animals: Path, spoil: Callable[[Path], None], told: str
) -> None:
    spoil(animals)
    assert refusal(FOUR, animals).replace(os.sep, "/").startswith(f"animals/{told}")


def test_more_classes_than_the_network_knows_are_refused(animals: Path) -> None:
    told = refusal(takes(4, 4, 1, classes=1), animals)
    assert told == "animals: holds 2 classes, and the network knows 1"


def test_a_link_within_the_folder_is_followed(animals: Path) -> None:
    (animals / "dog" / "2.png").symlink_to(animals / "cat" / "a.png")
    assert read_data(animals, FOUR, labelled=True).labels.tolist() == [0, 0, 1, 1]


def test_image_files_are_no_input_for_a_network_of_features(animals: Path) -> None:
    told = refusal(takes(16), animals)
    assert told.endswith("a.png: is an image, and the network takes 16")


# Memory


def test_images_that_the_memory_cannot_hold_are_refused(
    animals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before they are read, with what they need and what there is."""
    files = [animals, npz(tmp_path / "a.npz", images=IMAGES.astype(np.uint8), labels=LABELS)]
    files += [write(tmp_path / IDX[0], idx(IMAGES)), write(tmp_path / "b-idx3.gz", idx(IMAGES))]
    monkeypatch.setattr(image_data, "machine_memory", lambda: 80)
    for path in files:
        read_data(path, FOUR, labelled=False)
    monkeypatch.setattr(image_data, "machine_memory", lambda: 40)
    for path in files:
        told = refusal(FOUR, path, labelled=False)
        assert told.startswith(f"{path.name}: the images need 0.0 GiB of memory")
    check_memory(tmp_path, 40)
    monkeypatch.setattr(image_data, "machine_memory", lambda: 23 << 30)
    with pytest.raises(DataError) as refused:
        check_memory(tmp_path, 220 << 30)
    assert str(refused.value) == (
        f"{tmp_path}: the images need 220.0 GiB of memory, and this machine has 23.0 GiB: "
        "take fewer of them, or smaller ones"
    )


@pytest.mark.parametrize("limit", ["1234567", "max", None])
def test_the_memory_is_that_of_the_container(
    limit: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_text(_: Path, **__: object) -> str:
        if limit is None:
            raise FileNotFoundError
        return f"{limit}\n"

    monkeypatch.setattr(Path, "read_text", read_text)
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert machine_memory() == (1234567 if limit == "1234567" else machine)
    monkeypatch.delattr(os, "sysconf")
    assert machine_memory() == (1234567 if limit == "1234567" else float("inf"))


# Which file it is


def test_a_folder_with_csv_files_has_one_to_train_and_one_to_predict_with(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", csv(values(3)))
    write(tmp_path / "test.csv.gz", csv(values(None), values(None), header=BARE))
    assert len(read_data(tmp_path, FOUR, labelled=True).images) == 1
    assert len(read_data(tmp_path, FOUR, labelled=False).images) == 2


def test_a_folder_with_the_same_twice_is_refused(tmp_path: Path) -> None:
    for name in ("train.csv", "train.csv.gz"):
        write(tmp_path / name, csv(values(3)))
    assert "holds both train.csv and train.csv.gz: name the one" in refusal(FOUR, tmp_path)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", b"1")
    assert refusal(FOUR, path).startswith("a.txt: is neither .csv, .npz nor an idx file")
    os.mkfifo(tmp_path / "b.csv")
    assert refusal(FOUR, tmp_path / "b.csv") == "b.csv: is not a regular file"


def test_a_missing_file_is_the_system_s_fault(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        read_data(tmp_path / "none.csv", FOUR, labelled=True)
    assert missing.value.filename == str(tmp_path / "none.csv")


# Damage of any kind


def sound_files(folder: Path) -> list[Path]:
    """One of each kind, each in a folder of its own."""
    rng = np.random.default_rng(1)
    rows = csv(*[values(label) for label in range(8)])
    files = [write(folder / name, rows) for name in ("a.csv", "b.csv.gz")]
    files += [write(folder / f"{name}-idx3", idx(IMAGES)) for name in ("c",)]
    files += [write(folder / "d-idx3.gz", idx(IMAGES))]
    files += [npz(folder / f"e{packed}.npz", packed, images=IMAGES) for packed in (True, False)]
    for form in ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM"):
        path = folder / form / "class" / "1.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(rng.integers(0, 256, (4, 4), np.uint8)).save(path, form)
        files.append(path)
    return files


@pytest.mark.filterwarnings("error")
def test_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    """Bytes changed, lost and put in: nothing but images and DataError comes out."""
    rng = np.random.default_rng(0)
    refused = 0
    for path in sound_files(tmp_path):
        sound = path.read_bytes()
        read = path.parents[1] if path.parent.name == "class" else path
        assert read_data(read, FOUR, labelled=False).images.shape[1:] == (4, 4, 1)
        for _ in range(80):
            content = bytearray(sound)
            for _ in range(rng.integers(1, 6)):
                place = rng.integers(len(content) + 1)
                lost = rng.integers(3) if rng.random() < 0.9 else len(content)
                content[place : place + lost] = rng.bytes(rng.integers(3))
            path.write_bytes(content)
            try:
                assert read_data(read, FOUR, labelled=False).images.ndim == 4
            except DataError:
                refused += 1
        path.unlink()
    assert refused > 500
