"""`archc data view`: all kinds of data, and the same errors as in training."""

from __future__ import annotations

import gzip
import importlib.util
import io
import os
import re
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.cells import cell_len

from archc.cli import main
from archc.diagnostics import visible
from archc.training.report import terminal
from archc.training.report.data_view import InvalidDataError, sample, view
from archc.training.report.sheet import Cell, contact_sheet
from tests.training.samples import SAMPLE

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def digits() -> tuple[np.ndarray, np.ndarray]:
    """The first 60 digits of the sample and their labels."""
    images, labels = sample_bytes()
    return images[: 60 * 784].reshape(60, 28, 28), labels[:60]


def sample_bytes() -> tuple[np.ndarray, np.ndarray]:
    """The pixels and the labels of the sample, without the heads of their files."""
    images, labels = (
        gzip.decompress((SAMPLE / f"train-{name}-ubyte.gz").read_bytes())
        for name in ("images-idx3", "labels-idx1")
    )
    return np.frombuffer(images, np.uint8, -1, 16), np.frombuffer(labels, np.uint8, -1, 8)


def as_csv(images: np.ndarray, labels: np.ndarray | None) -> bytes:
    names = [f"pixel{number}" for number in range(images[0].size)]
    rows = [names, *([str(value) for value in image.reshape(-1)] for image in images)]
    if labels is not None:
        rows = [[str(head), *row] for head, row in zip(["label", *labels], rows, strict=True)]
    return "".join(",".join(row) + "\n" for row in rows).encode()


def run(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    code = main(["data", "view", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_mnist_in_numbers(capsys: Capture) -> None:
    code, out, err = run(capsys, str(SAMPLE))
    assert (code, err) == (0, "")
    images, labels = sample_bytes()
    assert "1,500 images, 28 \u00d7 28 \u00d7 1, uint8" in out
    assert f"values 0 to 255, mean {images.mean():.5g}, deviation {images.std():.5g}" in out
    for label, count in enumerate(np.bincount(labels)):
        assert re.search(rf"^  {label}  {count}  #+$", out, re.MULTILINE)


def test_every_kind_is_read_alike(
    tmp_path: Path, digits: tuple[np.ndarray, np.ndarray], capsys: Capture
) -> None:
    images, labels = digits
    (tmp_path / "plain.csv").write_bytes(as_csv(images, labels))
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(as_csv(images, labels)))
    np.savez(tmp_path / "pair.npz", images=images, labels=labels)
    np.savez(tmp_path / "split.npz", x_train=images, y_train=labels, x_test=images[:1])
    (tmp_path / "kaggle").mkdir()
    (tmp_path / "kaggle/train.csv").write_bytes(as_csv(images, labels))
    (tmp_path / "kaggle/test.csv").write_bytes(as_csv(images[:1], None))
    for image, label, number in zip(images, labels, range(60), strict=True):
        folder = tmp_path / "folder" / f"{label}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number:02}.png")
    outputs = {}
    for name in ("plain.csv", "packed.csv.gz", "pair.npz", "split.npz", "kaggle", "folder"):
        code, out, err = run(capsys, str(tmp_path / name), "--count", "60")
        assert (code, err) == (0, ""), name
        outputs[name] = out.replace(", uint8", "")
        assert "60 images, 28 \u00d7 28 \u00d7 1" in out
    assert outputs["folder"].splitlines()[-11:] == outputs["plain.csv"].splitlines()[-11:]
    del outputs["folder"]  # its images are ordered by name
    assert len(set(outputs.values())) == 1


def test_what_has_no_labels(
    tmp_path: Path, digits: tuple[np.ndarray, np.ndarray], capsys: Capture
) -> None:
    images, _ = digits
    (tmp_path / "test.csv").write_bytes(as_csv(images, None))
    np.savez(tmp_path / "test.npz", x_test=images)
    (tmp_path / "images").mkdir()
    for number in range(3):
        Image.fromarray(images[number]).save(tmp_path / "images" / f"digit{number}.png")
    for name in ("test.csv", "test.npz", "images", "."):
        code, out, _ = run(capsys, str(tmp_path / name), "--count", "3")
        assert code == 0
        assert out.endswith("no labels\n")
        assert ("digit1.png" in out) == (name == "images")


def test_colour_and_vectors(tmp_path: Path, capsys: Capture) -> None:
    generator = np.random.default_rng(0)
    colours = generator.integers(0, 256, (20, 8, 8, 3)).astype(np.uint8)
    colours[..., 2] = 7
    (tmp_path / "colours.csv").write_bytes(as_csv(colours, np.arange(20) % 2))
    _, out, _ = run(capsys, str(tmp_path / "colours.csv"))
    assert "20 images, 8 \u00d7 8 \u00d7 3, uint8" in out
    assert "2 classes of 10 images\n" in out
    means = " / ".join(f"{mean:.5g}" for mean in colours.mean((0, 1, 2)))
    assert f"mean {means}, deviation " in out
    assert out.splitlines()[-4].endswith(" / 0")  # of the third channel
    features = generator.random((20, 30))
    np.savez(tmp_path / "features.npz", x=features, y=np.arange(20) % 2)
    _, out, _ = run(capsys, str(tmp_path / "features.npz"))
    assert "20 images, 30 values, float32" in out
    assert f"mean {features.mean():.5g}, deviation {features.std():.5g}" in out
    (tmp_path / "features.csv").write_bytes(as_csv(colours[:, 0, :7, 0], np.arange(20) % 2))
    _, out, _ = run(capsys, str(tmp_path / "features.csv"))
    assert "20 images, 7 values, uint8" in out


def test_images_of_several_sizes(tmp_path: Path, capsys: Capture) -> None:
    """Training resizes them; here they keep their size, and only the selected ones are read."""
    for number, name in enumerate(["cat", "dog"]):
        (tmp_path / name).mkdir()
        for index in range(3):
            Image.new("RGB", (20 + number, 30), (10, 20, 30)).save(tmp_path / name / f"{index}.png")
    (tmp_path / "dog/2.png").write_bytes(b"no image")
    data_view = view(tmp_path, 2, 0)
    assert data_view.facts[0].startswith("6 images, 2 sizes from 30 \u00d7 20 \u00d7 3 to 30")
    assert data_view.facts[1] == (
        "values 10 to 30, mean 10 / 20 / 30, deviation 0 / 0 / 0 (of the 2 shown)"
    )
    assert data_view.classes == (("cat", 3), ("dog", 3))
    code, _, err = run(capsys, str(tmp_path), "--count", "6")
    assert code == 1
    assert "dog/2.png: is no image that can be read" in err


# ---------------------------------------------------------------------------------------------
# Sampling.


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(1, 70), st.integers(0, 9))
def test_classes_take_turns(labels: list[int], count: int, seed: int) -> None:
    array = np.array(labels)
    chosen = sample(array, len(labels), count, seed)
    assert len(chosen) == len(set(chosen)) == min(count, len(labels))
    selected = array[chosen].tolist()
    assert selected == sorted(selected)
    left = {label: labels.count(label) - selected.count(label) for label in labels}
    for label, more in left.items():
        if more:  # none has two more than one that could have had them
            assert max(selected.count(other) for other in labels) - selected.count(label) <= 1
    assert chosen == sample(array, len(labels), count, seed)


def test_the_seed_chooses() -> None:
    labels = np.arange(1000) % 10
    assert sample(labels, 1000, 20, 0) != sample(labels, 1000, 20, 1)
    assert sample(None, 1000, 20, 0) != sample(None, 1000, 20, 1)
    assert sample(None, 1000, 20, 0) == sorted(sample(None, 1000, 20, 0))
    assert len({labels[one] for seed in range(9) for one in sample(labels, 1000, 3, seed)}) > 3


def test_a_sheet_has_a_row_for_each_class() -> None:
    data_view = view(SAMPLE, None, 0)
    expected = [str(label) for label in range(10) for _ in range(8)]
    assert [cell.lines[0] for cell in data_view.cells] == expected


# ---------------------------------------------------------------------------------------------
# Drawing.


def test_a_sheet(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "sheet.png"
    code, out, err = run(capsys, str(SAMPLE), "-o", str(path), "--count", "10")
    assert code == 0
    assert "1,500 images" in out.splitlines()[0]
    assert err == f"wrote {path}: 10 images\n"
    sheet = np.asarray(Image.open(path))
    for index, cell in enumerate(view(SAMPLE, 10, 0).cells):
        left, top = 12 + index % 8 * 124, 12 + index // 8 * (112 + 2 * 17 + 16)
        assert (sheet[top : top + 112 : 4, left : left + 112 : 4] == cell.image).all()
    before = path.read_bytes()
    assert run(capsys, str(SAMPLE), "-o", str(path))[0] == 2
    assert path.read_bytes() == before
    assert run(capsys, str(SAMPLE), "-o", str(path), "--force")[0] == 0
    assert path.read_bytes() != before


def test_text_is_escaped_where_it_is_drawn() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    for hostile, escaped in (("a\nb", "a\\nb"), ("\x1b[1m", "\\x1b[1m"), ("\u202ea", "\\u202ea")):
        one, other = [Cell(image, (hostile,))], [Cell(image, (escaped,))]
        assert contact_sheet(one) == contact_sheet(other)
        for colored in (True, False):
            drawn = terminal.render(one, 80, colored=colored)
            assert drawn == terminal.render(other, 80, colored=colored)


def test_images_are_reported_by_their_numbers_or_files(tmp_path: Path) -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(12, 1, 1) * np.ones((1, 4, 4), np.uint8)
    np.savez(tmp_path / "a.npz", images=pixels, labels=np.arange(12) % 2)
    cells = view(tmp_path / "a.npz", 6, 0).cells
    assert [cell.lines for cell in cells] == [
        (f"{cell.image[0, 0, 0] % 2}", f"#{cell.image[0, 0, 0] + 1}") for cell in cells
    ]
    (tmp_path / "all").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "all" / "\x1b[1m.png")
    assert view(tmp_path / "all", 1, 0).cells[0].lines == ("\\x1b[1m.png",)


def test_text_on_a_sheet_stays_in_its_cell() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    for name in ("W" * 300, "\u202e\x1b[31m", "\U0001f408" * 30, "\u732b"):
        long = contact_sheet([Cell(image, (name,)), Cell(image, ("",))])
        short = contact_sheet([Cell(image, ("",)), Cell(image, ("",))])
        one, other = (np.asarray(Image.open(io.BytesIO(content))) for content in (long, short))
        differs = np.flatnonzero((one != other).any((0, 2)))
        assert len(differs)
        assert differs.min() >= 12 - 2
        assert differs.max() < 12 + 112 + 2


PIXEL = re.compile(r"\x1b\[38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m(\u2580+)")


def test_half_blocks_have_the_pixels_colours() -> None:
    image = np.random.default_rng(0).integers(0, 256, (18, 18, 3)).astype(np.uint8)
    output = terminal.render([Cell(image, ("name",))], 80, colored=True)
    lines = output.splitlines()
    assert len(lines) == 9 + 2
    for number, line in enumerate(lines[:9]):
        pixels = [tuple(map(int, one[:6])) for one in PIXEL.findall(line)]
        expected = np.concatenate([image[2 * number], image[2 * number + 1]], 1)
        assert np.array_equal(pixels, expected)
        assert line.endswith("\x1b[0m")
    assert lines[9] == "name"


def test_shades_are_the_denser_the_brighter() -> None:
    image = np.repeat(np.linspace(0, 255, 24).astype(np.uint8)[None, :, None], 24, 0).repeat(3, 2)
    lines = terminal.render([Cell(image, ("name",))], 80, colored=False).splitlines()
    assert len(lines) == 12 + 2
    steps = [terminal.RAMP.index(char) for char in lines[0]]
    assert steps == sorted(steps)
    assert set(steps) == set(range(10))


@settings(deadline=None)
@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(1, 200),
    st.booleans(),
    st.text(max_size=40),
)
def test_no_line_is_wider_than_the_terminal(
    height: int, width: int, columns: int, colored: bool, name: str
) -> None:
    cells = [Cell(np.full((height, width, 3), 200, np.uint8), (name,))] * 5
    output = terminal.render(cells, columns, colored=colored)
    plain = re.sub(r"\x1b\[[\d;]*m", "", output)
    assert "\x1b" not in plain
    assert max(map(cell_len, plain.split("\n"))) <= columns
    assert "\u2580" in plain or not colored
    assert not plain.replace(visible(name), "").isspace()


@pytest.mark.parametrize(
    ("variables", "colored"),
    [
        ({"COLORTERM": "truecolor", "CLICOLOR_FORCE": "1"}, True),
        ({"COLORTERM": "24bit", "CLICOLOR_FORCE": "1"}, True),
        ({"CLICOLOR_FORCE": "1"}, False),
        ({"COLORTERM": "truecolor"}, False),  # a pipe
        ({"COLORTERM": "truecolor", "CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_when_there_is_colour(variables: dict[str, str], colored: bool) -> None:
    left = {"NO_COLOR", "CLICOLOR_FORCE", "COLORTERM"}
    environment = {name: value for name, value in os.environ.items() if name not in left}
    done = subprocess.run(
        [sys.executable, "-m", "archc", "data", "view", str(SAMPLE), "--count", "2"],
        env={**environment, **variables},
        capture_output=True,
        check=True,
    )
    assert (b"\x1b[38;2;" in done.stdout) == colored
    assert b"1,500 images, 28 \xc3\x97 28" in done.stdout


# ---------------------------------------------------------------------------------------------
# Errors.


def test_names_are_harmless_in_a_terminal(tmp_path: Path, capsys: Capture) -> None:
    for name in ("\x1b[31mred", "\u202eevil", "tab\tbed", "line\nbreak"):
        (tmp_path / name).mkdir()
        Image.new("L", (4, 4)).save(tmp_path / name / "\x1b]0;title\x07.png")
    code, out, err = run(capsys, str(tmp_path), "--count", "4")
    assert (code, err) == (0, "")
    assert all(char.isprintable() or char == "\n" for char in out)
    assert "\\x1b[31mred" in out
    assert "\\u202eevil" in out
    (tmp_path / "\x1b[31mred" / "a.png").write_bytes(b"")
    code, out, err = run(capsys, str(tmp_path), "--count", "9")
    assert (code, out) == (1, "")
    assert "\\x1b[31mred" in err
    assert "\x1b" not in err


def test_invalid_rows_are_reported(
    tmp_path: Path, digits: tuple[np.ndarray, np.ndarray], capsys: Capture
) -> None:
    lines = as_csv(*digits).splitlines(keepends=True)
    path = tmp_path / "train.csv"
    for row, spoiled, expected in (
        (7, lines[6][:-1] + b",1\n", "has 786 values, and the header 785"),
        (8, b"1.5" + lines[7][1:], "label '1.5' is no whole number"),
        (1, b"\n", "is empty"),
    ):
        path.write_bytes(b"".join([*lines[: row - 1], spoiled, *lines[row:]]))
        code, out, err = run(capsys, str(path))
        assert (code, out) == (1, "")
        assert err.startswith(f"archc: {path}:{row}: {expected}")
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"label\n1\n", "names no pixels"),
        ("a.csv", b"label,pixel0\n100000,1\n", "label 100000 is not one of 0 to 99999"),
        ("a.csv.gz", b"label,pixel0\n", "no sound gzip"),
        ("a.npz", b"", "no sound .npz"),
        ("a.txt", b"1", "is neither .csv, .npz nor an idx file"),
        ("t-images-idx3-ubyte", b"\0\0\x08\x03", "is cut off"),
    ],
)
def test_invalid_files_are_reported(
    tmp_path: Path, name: str, content: bytes, expected: str, capsys: Capture
) -> None:
    (tmp_path / name).write_bytes(content)
    code, out, err = run(capsys, str(tmp_path / name))
    assert (code, out) == (1, "")
    assert expected in err
    assert err.startswith(f"archc: {tmp_path / name}")


def test_arrays_that_are_no_images(tmp_path: Path) -> None:
    for arrays in (
        {"images": np.zeros((4, 3, 3, 1, 1))},
        {"images": np.array(["text"])},
        {"images": np.zeros((4, 3), object)},
        {"images": np.zeros((4, 3)), "labels": np.array([0, 1, 2])},
        {"images": np.full((4, 3), np.nan)},
        {"images": np.zeros((0, 3, 3))},
        {"other": np.zeros((4, 3, 3))},
    ):
        np.savez(tmp_path / "a.npz", **arrays)
        with pytest.raises(InvalidDataError, match=r"a\.npz: "):
            view(tmp_path / "a.npz", 4, 0)


def test_usage(tmp_path: Path, capsys: Capture) -> None:
    for arguments, expected in (
        ([str(tmp_path / "nowhere")], "No such file"),
        ([str(SAMPLE), "-o", str(tmp_path / "sheet.jpg")], "end in .png"),
        ([str(SAMPLE), "-o", str(tmp_path / "nowhere/sheet.png")], "No such file"),
        ([str(SAMPLE), "--count", "0"], "not in the range"),
        ([str(tmp_path)], "there are no images"),
    ):
        code, out, err = run(capsys, *arguments)
        assert code == (1 if "no images" in expected else 2)
        assert out == ""
        assert expected in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("module", "called"), [("PIL", "pillow"), ("numpy", "numpy")])
def test_what_is_not_installed(
    module: str, called: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec

    def find_spec_without(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == module else find(name, package)

    monkeypatch.setattr("archc.cli.data.find_spec", find_spec_without)
    code, _, err = run(capsys, str(SAMPLE), "-o", str(tmp_path / "sheet.png"))
    assert code == 2
    assert f"pip install {called}" in err
    assert not list(tmp_path.iterdir())
    assert run(capsys, str(SAMPLE))[0] == (0 if module == "PIL" else 2)


@pytest.mark.parametrize("name", ["data.csv", "data.csv.gz", "data.npz", "train-images-idx3-ubyte"])
def test_a_pipe_is_rejected(name: str, tmp_path: Path, capsys: Capture) -> None:
    """Opening it would block until somebody writes."""
    os.mkfifo(tmp_path / name)
    code, out, err = run(capsys, str(tmp_path / name))
    assert (code, out, "is not a regular file" in err) == (1, "", True)
