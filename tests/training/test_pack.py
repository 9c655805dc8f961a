"""`archc data pack`: one .npz file of data in any form."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archc.cli import main
from archc.training.data import read_data
from tests.training.samples import SAMPLE, takes

Capture = pytest.CaptureFixture[str]
IMAGES = np.arange(6 * 16, dtype=np.uint8).reshape(6, 4, 4)
LABELS = np.array([3, 1, 4, 1, 5, 9])


def csv(images: np.ndarray, labels: np.ndarray | None) -> bytes:
    names = [f"pixel{number}" for number in range(16)]
    rows = [names, *(list(map(str, image.ravel())) for image in images)]
    if labels is not None:
        rows = [[head, *row] for head, row in zip(["label", *map(str, labels)], rows, strict=True)]
    return "".join(",".join(row) + "\n" for row in rows).encode()


def forms(folder: Path) -> dict[str, Path]:
    """The same images in each form."""
    (folder / "a.csv").write_bytes(csv(IMAGES, LABELS))
    (folder / "b.csv.gz").write_bytes(gzip.compress(csv(IMAGES, LABELS)))
    np.savez(folder / "c.npz", x=IMAGES, y=LABELS)
    kaggle = folder / "kaggle"
    kaggle.mkdir()
    (kaggle / "train.csv").write_bytes(csv(IMAGES, LABELS))
    (kaggle / "test.csv").write_bytes(csv(IMAGES[:2], None))
    return {name: folder / name for name in ("a.csv", "b.csv.gz", "c.npz", "kaggle")}


def test_every_form_comes_to_the_same(tmp_path: Path, capsys: Capture) -> None:
    contents = set()
    for name, path in forms(tmp_path).items():
        output = tmp_path / "out" / f"{name}.npz"
        assert main(["data", "pack", str(path), "-o", str(output)]) == 0
        contents.add(output.read_bytes())
        with np.load(output, allow_pickle=False) as arrays:
            assert set(arrays) == {"images", "labels"}
            np.testing.assert_array_equal(arrays["images"], IMAGES[..., np.newaxis])
            np.testing.assert_array_equal(arrays["labels"], LABELS)
        data = read_data(output, takes(4, 4, 1), labelled=True)
        assert data.known_labels.tolist() == LABELS.tolist()
    assert len(contents) == 1
    assert capsys.readouterr().err.count(": 6 images, 4 \u00d7 4 \u00d7 1, 5 classes\n") == 4


def test_images_to_predict_are_packed_too(tmp_path: Path, capsys: Capture) -> None:
    forms(tmp_path)
    output = tmp_path / "test.npz"
    assert main(["data", "pack", str(tmp_path / "kaggle"), "--test", "-o", str(output)]) == 0
    assert capsys.readouterr().err.endswith(": 2 images, 4 \u00d7 4 \u00d7 1, without labels\n")
    with np.load(output) as arrays:
        assert set(arrays) == {"images"}
        np.testing.assert_array_equal(arrays["images"][..., 0], IMAGES[:2])


def test_mnist_is_packed(tmp_path: Path) -> None:
    output = tmp_path / "digits.npz"
    for options, count in (([], 1500), (["--test", "--force"], 500)):
        assert main(["data", "pack", str(SAMPLE), "-o", str(output), *options]) == 0
        with np.load(output) as arrays:
            assert arrays["images"].shape == (count, 28, 28, 1)
            assert len(arrays["labels"]) == count


def test_folders_keep_their_names(tmp_path: Path) -> None:
    for number, (name, mode) in enumerate([("cat", "RGB"), ("cat", "RGB"), ("dog", "L")]):
        folder = tmp_path / "animals" / name
        folder.mkdir(parents=True, exist_ok=True)
        colour = (number, 20, 30) if mode == "RGB" else number
        Image.new(mode, (5, 4), colour).save(folder / f"{number}.png")
    output = tmp_path / "animals.npz"
    assert main(["data", "pack", str(tmp_path / "animals"), "-o", str(output)]) == 0
    with np.load(output, allow_pickle=False) as arrays:
        assert arrays["images"].shape == (3, 4, 5, 3)
        assert arrays["images"][:, 0, 0, 0].tolist() == [0, 1, 2]
        assert arrays["labels"].tolist() == [0, 0, 1]
        assert arrays["classes"].tolist() == ["cat", "dog"]
        assert arrays["names"].tolist() == ["cat/0.png", "cat/1.png", "dog/2.png"]


@pytest.mark.parametrize(
    ("name", "content", "code", "message"),
    [
        ("a.csv", csv(IMAGES, LABELS) + b"3,1\n", 1, "a.csv:8: has 2 values"),
        ("a.npz", b"PK", 1, "a.npz: is no sound .npz file"),
        ("a.txt", b"", 1, "a.txt: is neither"),
        ("none.csv", None, 2, "none.csv: No such file"),
    ],
)
def test_faulty_data_are_refused(
    name: str, content: bytes | None, code: int, message: str, tmp_path: Path, capsys: Capture
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    output = tmp_path / "new" / "out.npz"
    assert main(["data", "pack", str(tmp_path / name), "-o", str(output)]) == code
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("\n") == 1
    assert not output.parent.exists()


def test_nothing_is_overwritten(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "mine.npz").write_text("mine")
    for name, message in (("mine.npz", "exists already"), ("mine.txt", "must end in .npz")):
        assert main(["data", "pack", str(SAMPLE), "-o", str(tmp_path / name)]) == 2
        assert message in capsys.readouterr().err
    assert (tmp_path / "mine.npz").read_text() == "mine"
    assert not (tmp_path / "mine.txt").exists()
