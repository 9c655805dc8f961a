"""Forms of data that are in wide circulation: CSV files as others write them, .npz files as Keras
and MedMNIST have them, arrays with their channels first, folders with more in them than images."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from archc.cli import main
from archc.cli.predict import command as predict
from archc.training.data import VALIDATION, read_data
from archc.training.data import csv as csv_reader
from archc.training.data.images import ImageData, InputFormat
from archc.training.errors import DataError
from archc.training.file_format import DEFAULT_FORMAT, FileFormat
from tests.training.samples import takes

Capture = pytest.CaptureFixture[str]
COUNT, PIXELS = 6, 16
FOUR = takes(4, 4, 1)
IMAGES = (np.arange(COUNT * PIXELS).reshape(COUNT, PIXELS) * 37 % 256).astype(np.uint8)
LABELS = np.array([3, 1, 4, 1, 5, 9])
NAMES = [f"pixel{number}" for number in range(PIXELS)]


def table(
    *,
    images: np.ndarray = IMAGES,
    names: Sequence[str] | None = NAMES,
    label: tuple[int, str] | None = (0, "label"),
    separator: str = ",",
    end: str = "\n",
    value: str = "{}",
) -> bytes:
    """A CSV file of the images; `label`: in which column, and how it is called."""
    rows = [[value.format(one) for one in row] for row in images]
    if label is not None:
        for row, number in zip(rows, LABELS, strict=True):
            row.insert(label[0], value.format(number))
    if names is not None:
        header = list(names)
        if label is not None:
            header.insert(*label)
        rows.insert(0, header)
    return "".join(separator.join(row) + end for row in rows).encode()


def read(
    path: Path,
    content: bytes,
    expected: InputFormat = FOUR,
    file_format: FileFormat = DEFAULT_FORMAT,
    labelled: bool = True,
) -> ImageData:
    path.write_bytes(content)
    return read_data(path, expected, labelled=labelled, file_format=file_format)


def refusal(
    path: Path,
    content: bytes,
    expected: InputFormat = FOUR,
    file_format: FileFormat = DEFAULT_FORMAT,
) -> str:
    with pytest.raises(DataError) as refused:
        read(path, content, expected, file_format, labelled=False)
    return str(refused.value).removeprefix(f"{path.parent}/")


def check(data: ImageData, images: np.ndarray = IMAGES) -> None:
    np.testing.assert_array_equal(data.images, images.reshape(COUNT, 4, 4, 1))
    assert data.images.dtype == np.uint8
    assert data.labels is not None
    assert data.labels.tolist() == LABELS.tolist()


# CSV


def test_without_a_header_the_first_row_is_data(tmp_path: Path) -> None:
    """As pjreddie's MNIST and A-Z Handwritten have it: the label first."""
    data = read(tmp_path / "mnist_train.csv", table(names=None))
    check(data)
    assert data.notes == ("there is no header: the first line is a row",)
    check(read(tmp_path / "a.csv", b"\xef\xbb\xbf" + table(names=None, end="\r\n")))
    one = read(tmp_path / "b.csv", table(names=None).splitlines()[0])
    assert len(one.images) == 1
    bare = read(tmp_path / "c.csv", table(names=None, label=None), labelled=False)
    assert bare.labels is None
    np.testing.assert_array_equal(bare.images.reshape(COUNT, -1), IMAGES)
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(table(names=None)))
    check(read_data(tmp_path / "d.csv.gz", FOUR, labelled=True))


def test_a_faulty_row_without_a_header_is_told_by_its_number(tmp_path: Path) -> None:
    lines = table(names=None).splitlines()
    lines[3] = lines[3].replace(b",", b",x", 1)
    assert refusal(tmp_path / "a.csv", b"\n".join(lines)) == (
        "a.csv:4: column 2: 'x240' is no whole number"
    )
    assert refusal(tmp_path / "a.csv", table(names=None) + b"1,2\n") == (
        "a.csv:7: has 2 values, and the first row 17"
    )


@pytest.mark.parametrize(
    ("expected", "features", "told"),
    [
        (takes(4, 4, 1, resize=4), 18, "18 values a row make no image for the network, with a"),
        (takes(7), 9, "9 values a row make no image for the network, with a label or without"),
    ],
)
def test_without_a_header_rows_must_make_images(
    tmp_path: Path, expected: InputFormat, features: int, told: str
) -> None:
    row = ",".join("1" * features).encode()
    assert told in refusal(tmp_path / "a.csv", row + b"\n" + row, expected)


def test_without_header_and_network_labels_must_be_told(tmp_path: Path, capsys: Capture) -> None:
    """26 x 26 pixels, or a label and 15 x 15 pixels of three colours."""
    path = tmp_path / "a.csv"
    path.write_bytes((",".join("1" * 676) + "\n").encode() * 3)
    assert main(["data", "view", str(path)]) == 1
    assert "676 values a row may begin with a label or not: --label 1" in capsys.readouterr().err
    assert main(["data", "view", str(path), "--label", "1"]) == 0
    assert "3 images, 15 \u00d7 15 \u00d7 3" in capsys.readouterr().out
    path.write_bytes((",".join("1" * 785) + "\n").encode() * 3)
    assert main(["data", "view", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "3 images, 28 \u00d7 28 \u00d7 1" in shown
    assert "there is no header" in shown


def test_a_header_of_numbers_is_one(tmp_path: Path) -> None:
    """As pandas writes a table whose columns have no names: 256 is no pixel."""
    count = 400
    header = ",".join(map(str, range(count)))
    row = ",".join(["7"] * count)
    data = read(tmp_path / "a.csv", f"{header}\n{row}\n".encode(), takes(20, 20, 1), labelled=False)
    assert len(data.images) == 1
    assert data.notes == ()


@pytest.mark.parametrize("value", ['"{}"', ' "{}" ', "{}.0", "{}.", "{}.000", '"{}.0"', "{}.0e+00"])
@pytest.mark.parametrize("column", [0, 5, PIXELS])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_numbers_may_be_written_otherwise(
    tmp_path: Path, value: str, column: int, end: str
) -> None:
    content = table(value=value, label=(column, "label"), end=end)
    check(read(tmp_path / "a.csv", content))


def test_what_numpy_writes_is_read(tmp_path: Path) -> None:
    """With spaces between numbers that have 18 places."""
    stream = io.BytesIO()
    np.savetxt(stream, np.column_stack([LABELS, IMAGES]))
    check(read(tmp_path / "a.csv", stream.getvalue(), file_format=FileFormat(separator=" ")))


@pytest.mark.parametrize("block", [1, 100, 1 << 20])
def test_some_rows_may_be_written_otherwise(
    tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_reader, "CSV_BLOCK", block)
    forms = [table(value=value).splitlines() for value in ("{}", "{}.0", '"{}"', '"{}.0"')]
    lines = [forms[number % 4][number] for number in range(COUNT + 1)]
    content = b"\n".join(lines)
    check(read(tmp_path / "a.csv", content))
    faulty = content.replace(b'"', b"'")
    assert refusal(tmp_path / "a.csv", faulty).startswith("a.csv:3: label \"'1'\" is no whole")


@pytest.mark.parametrize("blank", ["\n", "\n\n", "  \n", "\r\n", " ", "\n" * 300])
@pytest.mark.parametrize("block", [1, 64, 1 << 20])
def test_blank_lines_may_end_a_file(
    tmp_path: Path, blank: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_reader, "CSV_BLOCK", block)
    check(read(tmp_path / "a.csv", table() + blank.encode()))


@pytest.mark.parametrize("column", [0, 1, 7, PIXELS])
@pytest.mark.parametrize("name", ["label", "Label", "labels", "class", "target"])
def test_labels_are_found_by_their_name(tmp_path: Path, name: str, column: int) -> None:
    check(read(tmp_path / "a.csv", table(label=(column, name))))


@pytest.mark.parametrize("column", [0, 1, 7, PIXELS])
def test_labels_may_be_named(tmp_path: Path, column: int) -> None:
    named = FileFormat(label="digit")
    check(read(tmp_path / "a.csv", table(label=(column, "digit")), file_format=named))
    numbered = FileFormat(label=str(column + 1))
    bare = table(names=None, label=(column, ""))
    check(read(tmp_path / "a.csv", bare, file_format=numbered))
    content = table(names=["label", *NAMES[1:]], label=(column, "digit"))
    check(read(tmp_path / "a.csv", content, file_format=named))


def test_a_label_that_is_not_there_is_told(tmp_path: Path) -> None:
    named = FileFormat(label="digit")
    assert refusal(tmp_path / "a.csv", table(), file_format=named) == (
        "a.csv:1: no column is called 'digit'"
    )
    for number in ("0", "18", "digit", "\u0663"):
        assert refusal(
            tmp_path / "a.csv", table(names=None), file_format=FileFormat(label=number)
        ) == ("a.csv:1: there is no header, and --label is a column's number from 1 to 17")


@pytest.mark.parametrize("separator", [";", "\t", "|", " "])
def test_other_separators_are_told(tmp_path: Path, separator: str) -> None:
    for names in (NAMES, None):
        content = table(separator=separator, names=names)
        assert refusal(tmp_path / "a.csv", content) == (
            f"a.csv:1: values are separated by {separator!r}: say so with --separator"
        )
        for column in (0, 7, PIXELS):
            for value in ("{}", '"{}"', "{}.0"):
                content = table(
                    separator=separator, names=names, label=(column, "label"), value=value
                )
                number = None if names else str(column + 1)
                file_format = FileFormat(label=number, separator=separator)
                check(read(tmp_path / "a.csv", content, file_format=file_format))
    assert refusal(tmp_path / "a.csv", table(), file_format=FileFormat(separator=separator)) == (
        "a.csv:1: values are separated by ',': say so with --separator"
    )


@pytest.mark.parametrize("text", [";;", "", "a", "3", ".", "-", '"', "\n"])
def test_what_separates_is_one_character(tmp_path: Path, text: str) -> None:
    for command in (["data", "view", str(tmp_path)], ["data", "pack", str(tmp_path), "-o", "a"]):
        assert main([*command, "--separator", text]) == 2


def test_the_command_line_has_the_options(tmp_path: Path, capsys: Capture) -> None:
    content = table(separator="\t", label=(3, "digit"))
    (tmp_path / "a.csv").write_bytes(content)
    options = ["--separator", "tab", "--label", "digit"]
    output = tmp_path / "a.npz"
    assert main(["data", "pack", str(tmp_path / "a.csv"), "-o", str(output), *options]) == 0
    check(read_data(output, FOUR, labelled=True))
    assert main(["data", "view", str(tmp_path / "a.csv"), *options]) == 0
    assert "6 images, 4 \u00d7 4 \u00d7 1" in capsys.readouterr().out
    for name in ("--separator", "--label", "--channels", "--force"):
        assert name in CliRunner().invoke(predict, ["--help"]).output


def test_pixels_are_put_in_order_by_name(tmp_path: Path) -> None:
    """As pandas writes them where it has sorted the columns' names."""
    for prefix, start in (("pixel", 0), ("p", 1), ("", 0)):
        names = [f"{prefix}{number + start}" for number in range(PIXELS)]
        order = np.argsort(names)
        assert names[order[2]].endswith("1" + str(start))
        shuffled = table(images=IMAGES[:, order], names=[names[index] for index in order])
        data = read(tmp_path / "a.csv", shuffled)
        check(data)
        assert "another order" in data.notes[0]
        assert not read(tmp_path / "a.csv", table(names=names)).notes


def test_pixels_whose_names_tell_no_order_stay(tmp_path: Path) -> None:
    for names in (
        [f"{row}x{column}" for column in range(4) for row in range(4)],
        [f"{letter}7" for letter in "qponmlkjihgfedcb"],
        ["b", *NAMES[1:]],
    ):
        data = read(tmp_path / "a.csv", table(names=names))
        check(data)
        assert data.notes == ()


def test_a_row_may_have_its_channels_first(tmp_path: Path) -> None:
    images = np.arange(2 * 27, dtype=np.uint8).reshape(2, 3, 3, 3)
    names = [f"pixel{number}" for number in range(27)]
    rows = [names, *(map(str, image.ravel()) for image in images)]
    content = "".join(",".join(row) + "\n" for row in rows).encode()
    for channels, expected in (("first", images.transpose(0, 2, 3, 1)), ("last", images)):
        file_format = FileFormat(channels=channels)
        data = read(tmp_path / "a.csv", content, takes(3, 3, 3), file_format, labelled=False)
        np.testing.assert_array_equal(data.images, expected)


# .npz


def npz(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


def splits(images: str, labels: str, names: Sequence[str]) -> dict[str, np.ndarray]:
    """A file's splits of 3, 2 and 1 images; the level of each tells which it is."""
    arrays = {}
    for number, name in enumerate(names):
        count = 3 - number
        arrays[images.format(name)] = np.full((count, 4, 4), 10 * count, np.uint8)
        arrays[labels.format(name)] = np.full((count, 1), count, np.uint8)
    return arrays


@pytest.mark.parametrize(
    ("images", "labels", "names", "validation"),
    [
        ("{}_images", "{}_labels", ("train", "val", "test"), 2),  # MedMNIST
        ("x_{}", "y_{}", ("train", "test"), 2),  # Keras: what is there to test validates
    ],
)
def test_each_task_has_its_split(
    tmp_path: Path, images: str, labels: str, names: Sequence[str], validation: int
) -> None:
    path = npz(tmp_path / "a.npz", **splits(images, labels, names))
    train = read_data(path, FOUR, labelled=True)
    assert train.images.shape == (3, 4, 4, 1)
    assert train.labels is not None
    assert train.labels.tolist() == [3, 3, 3]
    test = read_data(path, FOUR, labelled=False)
    assert len(test.images) == 4 - len(names)
    held_out = read_data(path, FOUR, labelled=True, splits=VALIDATION)
    assert len(held_out.images) == validation


def test_a_run_is_validated_with_test_digits_where_both_lie_in_a_folder(tmp_path: Path) -> None:
    for split, count in (("train", 5), ("t10k", 3)):
        for kind, rank in (("images-idx3", 3), ("labels-idx1", 1)):
            sizes = np.array([count, 4, 4][:rank], ">u4").tobytes()
            content = b"\0\0\x08" + bytes([rank]) + sizes + bytes(count * (1, 0, 16)[rank - 1])
            (tmp_path / f"{split}-{kind}-ubyte").write_bytes(content)
    assert len(read_data(tmp_path, FOUR, labelled=True).images) == 5
    assert len(read_data(tmp_path, FOUR, labelled=True, splits=VALIDATION).images) == 3


COLOURS = np.arange(2 * 3 * 5 * 6, dtype=np.uint8).reshape(2, 3, 5, 6)
LAST = COLOURS.transpose(0, 2, 3, 1)


@pytest.mark.parametrize(
    ("expected", "images"),
    [
        (takes(5, 6, 3), LAST),
        (takes(3, 5, 3), LAST[:, :3, :5]),  # images are larger than the input
        (takes(8, 8, 3, resize=8), LAST),
        (takes(9, 10, 3, pad=2), LAST),
        (takes(4, 4, 1), LAST[..., :1]),
    ],
)
def test_the_channels_axis_is_recognised(
    tmp_path: Path, expected: InputFormat, images: np.ndarray
) -> None:
    last = npz(tmp_path / "last.npz", images=images)
    first = npz(tmp_path / "first.npz", images=np.moveaxis(images, -1, 1))
    for path in (last, first):
        data = read_data(path, expected, labelled=False)
        np.testing.assert_array_equal(data.images, images)
        assert len(data.notes) == (path == first)


def test_volumes_may_have_their_channels_first(tmp_path: Path) -> None:
    volumes = np.arange(2 * 4 * 5 * 6 * 2).reshape(2, 4, 5, 6, 2) % 251
    for images in (volumes, np.moveaxis(volumes, -1, 1)):
        data = read_data(npz(tmp_path / "a.npz", images=images), takes(4, 5, 6, 2), labelled=False)
        np.testing.assert_array_equal(data.images, volumes)


def test_a_shape_that_leaves_doubt_is_asked_for(tmp_path: Path, capsys: Capture) -> None:
    images = np.arange(2 * 27, dtype=np.uint8).reshape(2, 3, 3, 3)
    path = npz(tmp_path / "a.npz", images=images)
    with pytest.raises(DataError) as refused:
        read_data(path, takes(3, 3, 3), labelled=False)
    assert str(refused.value).endswith(
        "images of 3 x 3 x 3 may have their channels first or last: say so with --channels"
    )
    for channels, expected in (("first", images.transpose(0, 2, 3, 1)), ("last", images)):
        file_format = FileFormat(channels=channels)
        data = read_data(path, takes(3, 3, 3), labelled=False, file_format=file_format)
        np.testing.assert_array_equal(data.images, expected)
    assert main(["data", "view", str(path)]) == 1
    assert "say so with --channels" in capsys.readouterr().err
    assert main(["data", "view", str(path), "--channels", "first"]) == 0


@pytest.mark.parametrize("sizes", [(3, 32, 32), (1, 28, 28), (13, 20, 64)])
def test_without_a_network_the_shortest_axis_has_the_channels(
    sizes: tuple[int, int, int], tmp_path: Path
) -> None:
    first = np.arange(2 * np.prod(sizes)).reshape(2, *sizes) % 251
    for images in (first, np.moveaxis(first, 1, -1)):
        path = npz(tmp_path / "a.npz", images=images)
        output = tmp_path / "b.npz"
        assert main(["data", "pack", str(path), "-o", str(output), "--force"]) == 0
        with np.load(output) as arrays:
            np.testing.assert_array_equal(arrays["images"], np.moveaxis(first, 1, -1))


# Folders


def picture(path: Path, level: int = 7, size: tuple[int, int] = (4, 4), mode: str = "L") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, level if mode == "L" else (level,) * len(mode)).save(path)
    return path


def image_folder(folder: Path) -> list[tuple[str, int]]:
    """The images that torchvision's ImageFolder finds, by its documented rules: for each class, in
    the order of the names, all files with its endings, in folders within as well."""
    endings = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
    found = []
    classes = sorted(one.name for one in folder.iterdir() if one.is_dir())
    for number, name in enumerate(classes):
        below = [one for one in (folder / name).rglob("*") if one.name.lower().endswith(endings)]
        below.sort(key=lambda one: (str(one.parent), one.name))
        found += [(one.relative_to(folder).as_posix(), number) for one in below]
    return found


def test_folders_are_read_as_torchvision_s_image_folder_reads_them(tmp_path: Path) -> None:
    folder = tmp_path / "animals"
    for name in ("dog/1.png", "dog/more/0.png", "dog/more-/3.png", "cat/b.PNG", "cat/a.bmp"):
        picture(folder / name)
    expected = image_folder(folder)
    assert len(expected) == 5
    for name in ("dog/Thumbs.db", "dog/more/desktop.ini", "cat/.DS_Store", "README", "cat/._b.png"):
        (folder / name).write_bytes(b"of the system")
    picture(folder / "__MACOSX" / "dog" / "._1.png")
    (folder / ".ipynb_checkpoints").mkdir()
    data = read_data(folder, FOUR, labelled=True)
    assert data.labels is not None
    assert data.names is not None
    assert list(zip(data.names, data.labels.tolist(), strict=True)) == expected
    assert data.classes == ("cat", "dog")
    assert data.notes == (
        "left out 7 that are no images: .ipynb_checkpoints, README, __MACOSX, cat/.DS_Store, "
        "cat/._b.png, ...",
    )


def test_images_alone_may_have_others_beside_them(tmp_path: Path, capsys: Capture) -> None:
    picture(tmp_path / "new" / "a.png")
    (tmp_path / "new" / "Thumbs.db").write_bytes(b"")
    data = read_data(tmp_path / "new", FOUR, labelled=False)
    assert data.names == ("a.png",)
    assert data.notes == ("left out 1 that are no images: Thumbs.db",)
    assert main(["data", "view", str(tmp_path / "new")]) == 0
    assert "left out 1 that are no images: Thumbs.db\n" in capsys.readouterr().out
    assert main(["data", "pack", str(tmp_path / "new"), "-o", str(tmp_path / "a.npz")]) == 0
    assert "left out 1 that are no images: Thumbs.db\n" in capsys.readouterr().err


# What is told of data


def long_files(folder: Path) -> list[Path]:
    """Files in which everything that a message could repeat is long."""
    text = "q" * 5000
    files = []
    for number, content in enumerate(
        (
            table().replace(b"37", text.encode()),
            table(label=(0, text)).replace(b"255", b"x"),
            table(label=(0, text)),
            table(label=(0, "label"), names=[f"{text}{n}" for n in range(16)]).replace(b"37", b""),
            table(names=[text] * 16),
            table(value=f'"{{}}{text}"'),
            table(value="{}" + "0" * 400),
            text.encode(),
            b"label,p\n" + text.encode() + b",1",
        )
    ):
        (folder / f"{number}.csv").write_bytes(content)
        files.append(folder / f"{number}.csv")
    longest = "n" * 60_000
    dtype = np.dtype([("f" * 3000, "u1")])
    arrays = (
        {longest: IMAGES},
        {f"name{number}{'z' * 3000}": IMAGES for number in range(9)},
        {"images": np.zeros(6, dtype)},
        {"images": np.zeros((1,) * 60, np.uint8)},
        {"images": IMAGES.reshape(6, 4, 4), "labels": np.zeros((1,) * 60, int)},
    )
    files += [npz(folder / f"{number}.npz", **one) for number, one in enumerate(arrays)]
    for number, member in enumerate((b"\x93NUMPY\x01\x00\xff\x7f" + b"{'" + b"h" * 40_000, b"j")):
        with zipfile.ZipFile(folder / f"bad{number}.npz", "w") as archive:
            archive.writestr("images.npy" if number == 0 else longest, member)
        files.append(folder / f"bad{number}.npz")
    whole = (folder / "bad1.npz").read_bytes()
    (folder / "bad2.npz").write_bytes(whole.replace(b"nnnn", b"mmmm", 1))
    (folder / "classes").mkdir()
    for number in range(9):
        picture(folder / "classes" / f"{number}{'c' * 250}" / "1.png")
    return [*files, folder / "bad2.npz", folder / "classes"]


def test_no_message_repeats_more_than_200_characters_of_the_data(tmp_path: Path) -> None:
    known = tuple(f"{number}{'k' * 4000}" for number in range(10))
    for path in long_files(tmp_path):
        with pytest.raises(DataError) as refused:
            read_data(path, FOUR, labelled=True, classes=known)
        # Behind the file, or the folder of a class in it.
        fault = re.sub(r"^(/\d+c+)?(:\d+)?: ", "", str(refused.value).removeprefix(str(path)))
        assert 5 < len(fault) <= 200, path
