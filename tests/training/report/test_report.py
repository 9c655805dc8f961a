"""Reports of runs: correct, written completely or not at all, and safe for any content of files."""

from __future__ import annotations

import base64
import errno
import hashlib
import importlib.util
import io
import itertools
import json
import math
import os
import pickle
import re
import shutil
import struct
import zipfile
from collections.abc import Callable
from html.parser import HTMLParser
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import example as with_example
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from archc.diagnostics import SpecError
from archc.files import OutputError
from archc.training.report import confusion, curves, draw, summary
from archc.training.report.files import Epoch, Run, Validation, read_run
from archc.training.report.pictures import fit, picture, png, shrink
from archc.training.run.metrics import BestEpoch, EpochRecord, Scores
from tests.reports.contrast import ENOUGH, contrast, fills

SVG = "{http://www.w3.org/2000/svg}"
DRAWN = {"curves.svg", "confusion.svg", "mistakes.png", "report.html"}
HOSTILE = (
    '<script>alert("1")</script>',
    "\u202egnp.live",
    "\x1b[31mred\x00",
    "]]>--><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "a" * 5000,
)


class Example:
    """A run's folder with files like those of a run."""

    def __init__(self, folder: Path, classes: int = 3, names: list[str] | None = None) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.record: dict[str, Any] = {
            "name": "tiny",
            "backend": "torch",
            "classes": names,
            "data": {"training": {"path": "digits", "images": 50, "shape": [4, 6, 1]}},
            "recipe": {
                "metric": "accuracy",
                "epochs": 5,
                "resize": None,
                "optimizer": {"sgd": {"momentum": 0.9}},
                "schedule": {"step": {"every": 2}},
                "warmup": 1,
                "augment": {"rotation": 10.0, "flip": "horizontal"},
                "loss": "cross_entropy",
                "label_smoothing": 0.1,
                "batch_size": 128,
                "seed": 7,
            },
            "weights": {
                "path": "resnet18.pth",
                "sha256": "0" * 64,
                "loaded": 100,
                "skip": {"fc": 2},
                "freeze": {"conv1": 1, "layer1": 20},
            },
            "computed": {
                "versions": {"archc": "0.1.0", "torch": "2.13.0", "numpy": "2.4.0"},
                "device": "cpu",
                "precision": "bfloat16",
                "threads": 2,
                "waiting": "passive",
                "processes": 1,
            },
        }
        self.rows: list[dict[str, Any]] = [
            {
                "epoch": epoch,
                "step": 5 * epoch,
                "loss": loss,
                "accuracy": accuracy,
                "validation_loss": loss + 0.5,
                "validation_accuracy": accuracy - 0.1,
                "learning_rate": 0.01,
                "seconds": 2.0,
                "samples_per_second": 500.0 * epoch,
                "seconds_wall": 2.5,
            }
            for epoch, loss, accuracy in ((1, 2.0, 0.3), (2, 1.0, 0.8), (3, 0.5, 0.7))
        ]
        generator = np.random.default_rng(0)
        labels = np.arange(20) % classes
        predicted = labels.copy()
        predicted[:7] = (predicted[:7] + 1) % classes
        probabilities = np.full((20, classes), 0.1 / max(classes - 1, 1), np.float32)
        probabilities[np.arange(20), predicted] = 0.9
        self.arrays: dict[str, np.ndarray] = {
            "indices": np.arange(20) * 2,
            "labels": labels,
            "predicted": predicted,
            "probabilities": probabilities,
            "worst": np.flatnonzero(labels != predicted),
            "images": generator.integers(0, 256, (7, 4, 6, 1)).astype(np.uint8),
        }

    def write(self, *, validated: bool = True) -> Path:
        (self.folder / "run.json").write_text(json.dumps(self.record))
        lines = "".join(json.dumps(row) + "\n" for row in self.rows)
        (self.folder / "metrics.jsonl").write_text(lines)
        if validated:
            np.savez(self.folder / "validation.npz", **self.arrays)
        return self.folder


@pytest.fixture
def example(tmp_path: Path) -> Example:
    return Example(tmp_path / "run")


class Page(HTMLParser):
    """The elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(run: Path) -> Page:
    return Page((run / "report.html").read_text(encoding="utf-8"))


def test_all_is_drawn(example: Example) -> None:
    run = example.write()
    drawn = draw(str(run))
    assert {path.name for path in drawn} == DRAWN
    assert all(path.parent == run for path in drawn)
    assert not [path for path in run.iterdir() if path.name.startswith(".")]


def test_drawings_are_the_same_each_time(example: Example) -> None:
    run = example.write()
    first = [path.read_bytes() for path in draw(run)]
    assert [path.read_bytes() for path in draw(run)] == first


def curves_of(run: Path, kind: str) -> list[list[tuple[float, float]]]:
    """The points of the curves of a kind, panel by panel, longer than a line of the legend."""
    tree = ElementTree.parse(run / "curves.svg")
    paths = [path for path in tree.iter(f"{SVG}path") if path.get("class") == f"line {kind}"]
    steps = [re.findall(r"([\d.]+) ([\d.]+)", path.attrib["d"]) for path in paths]
    return [[(float(x), float(y)) for x, y in one] for one in steps if len(one) > 1]


def test_curves_go_where_the_figures_go(example: Example) -> None:
    run = example.write()
    draw(run)
    loss, accuracy, rate = curves_of(run, "training")
    assert len(curves_of(run, "validation")) == 2
    # Epochs evenly from left to right; what is larger is higher, and y goes down.
    (x1, y1), (x2, y2), (x3, y3) = loss
    assert x2 - x1 == pytest.approx(x3 - x2)
    assert x1 < x2
    assert (y2 - y1) / (y3 - y2) == pytest.approx((2.0 - 1.0) / (1.0 - 0.5), rel=0.02)
    (_, a1), (_, a2), (_, a3) = accuracy
    assert a1 > a3 > a2
    assert (a1 - a2) / (a3 - a2) == pytest.approx(0.5 / 0.1, rel=0.02)
    assert len({y for _, y in rate}) == 1


def test_figures_that_are_no_numbers_are_gaps(example: Example) -> None:
    example.rows[1]["loss"] = None
    example.rows[1]["validation_accuracy"] = float("nan")
    example.rows[2]["validation_loss"] = 1e300
    run = example.write()
    draw(run)
    assert [len(one) for one in curves_of(run, "training")] == [2, 3, 3]
    assert [len(one) for one in curves_of(run, "validation")] == [2, 2]
    drawn = (run / "curves.svg").read_text() + (run / "report.html").read_text()
    assert "nan" not in drawn
    assert ">inf" not in drawn


@with_example(0.0, 5e-324)
@given(
    st.floats(-1e30, 1e30, allow_nan=False),
    st.floats(-1e30, 1e30, allow_nan=False),
)
def test_ticks_are_round_and_hold_the_range(one: float, other: float) -> None:
    lowest, highest = min(one, other), max(one, other)
    marks = curves.ticks(lowest, highest)
    assert 2 <= len(marks) <= curves.TICKS + 2
    slack = 1e-9 * max(abs(lowest), abs(highest))
    assert marks[0] <= lowest + slack
    assert marks[-1] >= highest - slack
    step = marks[1] - marks[0]
    assert step > 0
    digits = step / 10.0 ** math.floor(math.log10(step) + 1e-9)
    assert min(abs(digits - known) for known in (1, 2, 5)) < 1e-3


@given(st.integers(0, 5000), st.integers(1, 600))
def test_thinned_keeps_the_last(count: int, most: int) -> None:
    kept = curves.subsample(range(count), most)
    assert len(kept) <= most
    assert list(kept[-1:]) == list(range(count))[-1:]
    assert len({b - a for a, b in itertools.pairwise(kept)}) <= 1


@given(
    st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=8),
    st.sampled_from(["accuracy", "loss", "top_5_accuracy"]),
    st.booleans(),
)
def test_the_best_epoch_is_that_of_training(
    values: list[float | None], metric: str, validated: bool
) -> None:
    """By the rule of training."""
    best = BestEpoch()
    epochs = []
    for number, value in enumerate(values, 1):
        figure = math.nan if value is None else value
        scores = Scores(figure, figure, figure)
        other = Scores(0.0, 0.0, 0.0)
        record = EpochRecord(
            number, number, other if validated else scores, scores if validated else None, 0, 1, 1
        )
        best = best.after(number, record.metric(metric))
        row = {name: one for name, one in record.as_row().items() if one == one}
        epochs.append(Epoch(number, row))
    run = Run("tiny", {"recipe": {"metric": metric}}, (), tuple(epochs), None, None)
    epoch = run.best()
    assert epoch is not None
    if validated == run.is_validated():  # else all that was validated were no numbers
        assert epoch.number == best.epoch


def test_confusion_counts(example: Example) -> None:
    run = read_run(example.write())
    assert run.validation is not None
    labels, predicted = example.arrays["labels"], example.arrays["predicted"]
    for one in confusion.scores(run.validation):
        assert one.images == int((labels == one.label).sum())
        assert one.predicted == int((predicted == one.label).sum())
        assert one.right == int(((labels == one.label) & (predicted == one.label)).sum())
        assert one.recall == one.right / one.images
        assert one.precision == one.right / one.predicted
    mistakes = confusion.pairs(run.validation)
    assert sum(one.images for one in mistakes) == 7
    assert [one.images for one in mistakes] == sorted(
        (one.images for one in mistakes), reverse=True
    )
    for one in mistakes:
        both = (labels == one.label) & (predicted == one.predicted)
        assert one.label != one.predicted
        assert one.images == int(both.sum())


def test_the_matrix_has_true_classes_down_and_predicted_ones_across(example: Example) -> None:
    example.arrays["labels"][:] = 0
    example.arrays["predicted"][:] = 0
    example.arrays["predicted"][:7] = 2
    run = example.write()
    draw(run)
    tree = ElementTree.parse(run / "confusion.svg")
    titles = [one.text for one in tree.iter(f"{SVG}title")]
    assert "0 predicted as 2: 7 of 20" in titles
    assert "0 predicted as 0: 13 of 20" in titles
    cells = {
        group.findtext(f"{SVG}title"): group.find(f"{SVG}rect")
        for group in tree.iter(f"{SVG}g")
        if group.find(f"{SVG}title") is not None
    }
    wrong, right = cells["0 predicted as 2: 7 of 20"], cells["0 predicted as 0: 13 of 20"]
    assert wrong is not None
    assert right is not None
    assert wrong.get("y") == right.get("y")
    assert float(wrong.attrib["x"]) - float(right.attrib["x"]) == 2 * confusion.CELL
    assert "wrong" in wrong.attrib["class"]
    assert "right" in right.attrib["class"]
    # The name of a row stands in its middle, left of its cells.
    name = next(one for one in tree.iter(f"{SVG}text") if one.text == "0")
    assert float(name.attrib["x"]) < float(right.attrib["x"])
    assert 0 < float(name.attrib["y"]) - float(right.attrib["y"]) < confusion.CELL
    texts = [one.text for one in tree.iter(f"{SVG}text")]
    assert {"13", "7", "65.0%", "\u2013"} <= set(texts)  # recall of 0, and of what is not there


def test_many_classes_are_reported_by_their_worst(tmp_path: Path) -> None:
    example = Example(tmp_path / "run", 1000, [f"species {number}" for number in range(1000)])
    example.arrays["labels"][:5] = 17
    example.arrays["predicted"][:5] = 18
    run = example.write()
    draw(run)
    tree = ElementTree.parse(run / "confusion.svg")
    texts = [one.text for one in tree.iter(f"{SVG}text")]
    assert texts[3] == "species 17 predicted as species 18"
    assert len(texts) < 200
    # Five of six images of a class, then the only one of another.
    bars = [rect for rect in tree.iter(f"{SVG}rect") if rect.get("class") == "wrong"]
    first, second, *_ = (float(bar.attrib["width"]) for bar in bars)
    assert first / second == pytest.approx(5 / 6, abs=0.01)
    page = page_of(run)
    assert "species 999" in page.texts  # in the table


def test_what_the_page_shows(example: Example) -> None:
    run = example.write()
    draw(run)
    texts = page_of(run).texts
    assert texts[texts.index("best epoch") + 1] == "2"
    # Of the predictions, 13 of 20, as the text says; an epoch's own figure is in its row.
    assert texts[texts.index("validation accuracy") + 1] == "65.00%"
    assert texts[texts.index("validation loss") + 1] == "1.5000"
    assert texts[texts.index("training images") + 1] == "30"
    assert texts[texts.index("validation images") + 1] == "20"
    assert any("13 of 20 held-out images" in one for one in texts)
    row = texts.index("2 (best)")
    assert texts[row + 1 : row + 5] == ["1.0000", "80.00%", "1.5000", "70.00%"]
    assert texts[texts.index("resize") + 1] == "\u2013"
    assert texts[texts.index("training shape") + 1] == "4 \u00d7 6 \u00d7 1"


def test_the_page_says_how_the_run_was_trained(example: Example) -> None:
    """Also what the recipe leaves at its defaults, and the epochs that were run."""
    run = example.write()
    draw(run)
    texts = page_of(run).texts
    for title, value in (
        ("optimizer", "sgd (weight decay 0, momentum 0.9, nesterov False)"),
        ("learning rate", "0.001"),
        ("schedule", "step (every 2, factor 0.1), warm-up of 1 epoch"),
        ("augmentation", "rotation 10.0, flip horizontal"),
        ("loss", "cross entropy, label smoothing 0.1"),
        ("batch size", "128"),
        ("epochs", "3 of 5"),
        ("seed", "7"),
        ("starts from", "resnet18.pth; without fc; frozen: conv1, layer1"),
        ("framework", "PyTorch (torch 2.13.0)"),
        ("device", "cpu, bfloat16, 2 threads, passive waiting"),
        ("archc", "0.1.0"),
        ("wall time", "7.5 s, of which 6.0 s in training steps"),
        ("images/s", "1,000"),  # 2 s each of 500, 1,000 and 1,500
    ):
        places = [place for place, one in enumerate(texts) if one == title]
        assert any(texts[place + 1] == value for place in places), title
    assert "none" in summary_of(example, "augmentation", augment={})
    assert summary_of(example, "optimizer", optimizer={"sgd": {"speed": 3}}) is None
    assert summary_of(example, "optimizer", optimizer=["adam"]) is None


def summary_of(example: Example, title: str, **changes: object) -> str | None:
    recipe = {**example.record["recipe"], **changes}
    record = {**example.record, "recipe": recipe}
    return summary.rows(Run("tiny", record, (), (), None, None)).get(title)


def test_validation_images_of_their_own_are_not_taken_off(example: Example) -> None:
    example.record["data"]["validation"] = {"images": 20}
    run = example.write()
    draw(run)
    texts = page_of(run).texts
    assert texts[texts.index("training images") + 1] == "50"


def test_the_page_holds_the_mistakes(example: Example) -> None:
    run = example.write()
    draw(run)
    images = page_of(run).attributes("img")
    assert len(images) == 7
    for attributes, pixels, index in zip(
        images, example.arrays["images"], example.arrays["worst"], strict=True
    ):
        head, _, content = (attributes["src"] or "").partition(",")
        assert head == "data:image/png;base64"
        pixels_of_page = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
        times = 112 // 6
        assert pixels_of_page.shape == (4 * times, 6 * times, 3)
        assert (pixels_of_page[::times, ::times] == pixels).all()
        assert attributes["alt"] == f"image {2 * index + 1}"


def test_the_sheet_holds_the_mistakes(example: Example) -> None:
    run = example.write()
    draw(run)
    sheet = np.asarray(Image.open(run / "mistakes.png").convert("RGB"))
    assert (sheet[12, 12] == example.arrays["images"][0, 0, 0]).all()
    assert (sheet[12 + 3 * 18, 12 + 5 * 18] == example.arrays["images"][0, 3, 5]).all()
    assert (sheet < 128).any(2).any(1)[-30:].any()  # text below the last row


def test_the_page_lets_nothing_in(example: Example) -> None:
    run = example.write()
    draw(run)
    page = page_of(run)
    policy = page.attributes("meta")[1]["content"] or ""
    style = (run / "report.html").read_text().partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"style-src 'sha256-{digest}'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "iframe", "object", "embed", "form", "base"}
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert (attributes.get("src") or "data:").startswith("data:")
        assert not {"href", "xlink:href", "action"} & set(attributes)


def test_pictures_have_words_for_who_cannot_see_them(example: Example) -> None:
    run = example.write()
    draw(run)
    page = page_of(run)
    drawings = page.attributes("svg")
    assert len(drawings) == 4
    assert all(one["role"] == "img" and len(one["aria-label"] or "") > 20 for one in drawings)
    assert "Loss over epochs 1 to 3: training from 2 to 0.5" in str(drawings[0]["aria-label"])
    assert all(one["alt"] for one in page.attributes("img"))
    assert page.attributes("html")[0]["lang"] == "en"
    for path in (run / "curves.svg", run / "confusion.svg"):
        root = ElementTree.parse(path).getroot()
        assert root.findtext(f"{SVG}title")
        assert root.findtext(f"{SVG}desc")


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_text_can_be_read_on_what_is_behind_it(example: Example, mode: int) -> None:
    run = example.write()
    draw(run)
    style = next(ElementTree.parse(run / "confusion.svg").iter(f"{SVG}style")).text or ""
    fill = {name.removeprefix(".chart "): colour for name, colour in fills(style)[mode].items()}
    for text, behind in (
        ("text", ".ground"),
        (".quiet", ".ground"),
        (".over", ".right"),
        (".over", ".wrong"),
    ):
        assert contrast(fill[text], fill[behind]) >= ENOUGH, (text, behind)


@pytest.mark.parametrize("classes", [len(HOSTILE), 40])
def test_names_stay_text(tmp_path: Path, classes: int) -> None:
    """In the page, the drawings and the sheet: markup, control and bidirectional characters."""
    example = Example(tmp_path / "run", classes, list(HOSTILE))
    example.record["name"] = HOSTILE[0]
    example.record["data"] = {HOSTILE[3]: {HOSTILE[1]: HOSTILE[2]}, "training": {"path": HOSTILE}}
    example.record["recipe"][HOSTILE[4]] = [HOSTILE[0]]
    example.record["backend"] = HOSTILE[3]
    (example.folder / "spec.yaml").write_text(f"title: {HOSTILE[0]}\u202e\x1b[2J\n")
    run = example.write()
    assert read_run(run).class_name(2) == "\\x1b[31mred\\x00"
    assert len(read_run(run).class_name(5)) < 100
    draw(run)
    for name in ("report.html", "curves.svg", "confusion.svg"):
        text = (run / name).read_text(encoding="utf-8")
        assert all(char.isprintable() or char == "\n" for char in text)
        assert "a" * 200 not in text
        assert "\\u202e" in text or name == "curves.svg"
    page = page_of(run)
    assert not {"script", "img onerror"} & {tag for tag, _ in page.tags}
    assert all((one["src"] or "").startswith("data:image/png") for one in page.attributes("img"))
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
    for name in ("curves.svg", "confusion.svg"):
        tags = {element.tag for element in ElementTree.parse(run / name).iter()}
        known = {"svg", "title", "desc", "style", "rect", "text", "g", "path", "circle"}
        assert tags <= {SVG + tag for tag in known}


def test_without_images_held_out_there_is_less(example: Example) -> None:
    run = example.write()
    draw(run)
    (run / "validation.npz").unlink()
    for row in example.rows:
        del row["validation_loss"], row["validation_accuracy"]
    example.rows = example.rows[:1]
    run = example.write(validated=False)
    drawn = draw(run)
    assert [path.name for path in drawn] == ["curves.svg", "report.html"]
    # Files of an earlier report would belong to another run.
    assert not (run / "confusion.svg").exists()
    assert not (run / "mistakes.png").exists()
    texts = page_of(run).texts
    assert "No images were held out for validation." in texts
    assert texts[texts.index("best epoch") + 1] == "1"


def test_a_run_before_its_first_epoch(example: Example) -> None:
    example.rows = []
    run = example.write(validated=False)
    draw(run)
    assert "No epoch is finished." in page_of(run).texts


def test_no_mistakes(example: Example) -> None:
    example.arrays["predicted"] = example.arrays["labels"]
    example.arrays["worst"] = np.zeros(0, np.int64)
    example.arrays["images"] = np.zeros((0, 4, 6, 1), np.uint8)
    run = example.write()
    assert {path.name for path in draw(run)} == DRAWN - {"mistakes.png"}
    assert "There are none." in page_of(run).texts


def test_without_pillow_the_page_is_whole(
    example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = example.write()
    draw(run)
    whole = (run / "report.html").read_bytes()
    find = importlib.util.find_spec

    def find_spec_without(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "PIL" else find(name, package)

    monkeypatch.setattr("archc.training.report.find_spec", find_spec_without)
    assert {path.name for path in draw(run)} == DRAWN - {"mistakes.png"}
    assert (run / "report.html").read_bytes() == whole


def test_probabilities_that_are_none(example: Example) -> None:
    example.arrays["probabilities"][:] = np.nan
    example.arrays["probabilities"][0] = (2, -1, np.inf)
    run = example.write()
    draw(run)
    assert page_of(run).texts.count("?") == 14


# ---------------------------------------------------------------------------------------------
# Invalid files.


def _array(name: str, array: Any) -> Callable[[Example], None]:
    return lambda example: example.arrays.update({name: np.array(array)})


def _text(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda run: (run / name).write_bytes(content)


class Trap:
    """Code that runs when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return os.system, ("touch sprung", "")


def _pickled(run: Path) -> None:
    arrays = dict(np.load(run / "validation.npz"))
    arrays["labels"] = np.array([Trap()] * 20, object)
    with zipfile.ZipFile(run / "validation.npz", "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as stream:
                np.lib.format.write_array(stream, array, allow_pickle=True)


def _huge(run: Path) -> None:
    """An array whose header claims a terabyte."""
    head = b"{'descr': '<i8', 'fortran_order': False, 'shape': (137438953472,), }"
    head += b" " * (117 - len(head)) + b"\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + b"\0" * 80
    with zipfile.ZipFile(run / "validation.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in Validation._fields:
            archive.writestr(f"{name}.npy", content)


def _cut(run: Path) -> None:
    content = (run / "validation.npz").read_bytes()
    (run / "validation.npz").write_bytes(content[: len(content) // 2])


INVALID_FILES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "not the record": ("run.json:1:1", lambda run: (run / "run.json").unlink()),
    "record: a pipe": ("not a regular file", lambda run: _pipe(run / "run.json")),
    "record: no JSON": ("is not JSON", _text("run.json", b'{"name": ')),
    "record: no UTF-8": ("is not JSON", _text("run.json", b'{"name": "\xff"}')),
    "record: nested": ("is not JSON", _text("run.json", b"[" * 200_000)),
    "record: a list": ("not the record", _text("run.json", b"[]")),
    "record: a long number": ("is not JSON", _text("run.json", b'{"name": ' + b"9" * 9000 + b"}")),
    "record: no name": ("no name", _text("run.json", b'{"name": 5}')),
    "record: classes": ("not a list of names", _text("run.json", b'{"name": "a", "classes": 10}')),
    "record: class": ("not a list of names", _text("run.json", b'{"name": "a", "classes": [1]}')),
    "metrics: no JSON": ("metrics.jsonl:1:1", _text("metrics.jsonl", b"loss 1\n")),
    "metrics: NUL": ("not JSON", _text("metrics.jsonl", b"\0\n")),
    "metrics: no epoch": ("metrics.jsonl:2:1", _text("metrics.jsonl", b'{"epoch": 1}\n{}\n')),
    "metrics: true": ("no valid epoch", _text("metrics.jsonl", b'{"epoch": true}\n')),
    "metrics: epoch 0": ("no valid epoch", _text("metrics.jsonl", b'{"epoch": 0}\n')),
    "metrics: far": ("no valid epoch", _text("metrics.jsonl", b'{"epoch": 1' + b"0" * 99 + b"}\n")),
    "metrics: twice": ("follows epoch", _text("metrics.jsonl", b'{"epoch": 2}\n{"epoch": 2}\n')),
    "validation: text": ("not a valid .npz", _text("validation.npz", b"labels")),
    "validation: empty": ("not a valid .npz", _text("validation.npz", b"")),
    "validation: cut off": ("not a valid .npz", _cut),
    "validation: pickled": ("objects", _pickled),
    "validation: a terabyte": ("not as long as", _huge),
    "validation: a folder": ("not a regular file", lambda run: _folder(run / "validation.npz")),
}


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("case", INVALID_FILES)
def test_invalid_files_are_reported(
    example: Example, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, spoil = INVALID_FILES[case]
    run = example.write()
    monkeypatch.chdir(run)
    spoil(run)
    before = sorted(os.listdir(run))
    assert_rejected(run, expected)
    assert sorted(os.listdir(run)) == before


def assert_rejected(run: Path, expected: str) -> None:
    with pytest.raises(SpecError) as caught:
        draw(run)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "ARC705"
    assert expected in str(caught.value)
    assert str(run) in diagnostic.span.source.name


ARRAYS: dict[str, tuple[str, Callable[[Example], object]]] = {
    "missing": ("no array `worst`", lambda example: example.arrays.pop("worst")),
    "one length": ("differ in length", _array("predicted", [0])),
    "no numbers": ("whole numbers", _array("labels", ["a"] * 20)),
    "fractions": ("whole numbers", _array("labels", [0.5] * 20)),
    "two axes": ("whole numbers", _array("labels", [[0]] * 20)),
    "class": ("outside of 3 classes", _array("labels", [3] * 20)),
    "negative": ("outside of 3 classes", _array("predicted", [-1] * 20)),
    "probabilities": ("not a table", _array("probabilities", [0.5] * 20)),
    "no classes": ("20 x 0", _array("probabilities", np.zeros((20, 0), np.float32))),
    "rows": ("19 x 3", _array("probabilities", np.zeros((19, 3), np.float32))),
    "worst": ("outside of 20 images", _array("worst", [20] * 7)),
    "images": ("not an array of images", _array("images", np.zeros((7, 4, 6, 1)))),
    "axes": ("not an array of images", _array("images", np.zeros((7, 4, 6), np.uint8))),
    "count": ("for 7 mistakes", _array("images", np.zeros((6, 4, 6, 1), np.uint8))),
    "empty": ("for 7 mistakes", _array("images", np.zeros((7, 0, 6, 1), np.uint8))),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays_that_do_not_fit_together_are_reported(example: Example, case: str) -> None:
    expected, spoil = ARRAYS[case]
    spoil(example)
    assert_rejected(example.write(), expected)


def test_nothing_is_unpickled(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    run = example.write()
    monkeypatch.chdir(run)
    _pickled(run)
    assert_rejected(run, "objects")
    (run / "validation.npz").write_bytes(pickle.dumps(Trap()))
    assert_rejected(run, "not a valid .npz")
    assert not (run / "sprung").exists()


def test_a_record_nested_as_deep_as_can_be_read(example: Example) -> None:
    run = example.write()
    example.record["recipe"] = {"metric": "here"}
    record = json.dumps(example.record)
    read = 0
    for depth in range(1000, 800, -1):
        (run / "run.json").write_text(record.replace('"here"', "[" * depth + "]" * depth))
        try:
            draw(run)  # writing the record takes more frames than reading it
        except SpecError:
            continue
        read += 1
        if read == 20:
            break
    assert read == 20


def test_a_line_that_was_being_written_is_left_out(example: Example) -> None:
    run = example.write()
    with (run / "metrics.jsonl").open("a") as stream:
        stream.write('{"epoch": 4, "lo')
    assert [epoch.number for epoch in read_run(run).epochs] == [1, 2, 3]


def test_what_is_no_figure_of_an_epoch_is_left_out(example: Example) -> None:
    kept = {"epoch": 1, "loss": 2, "accuracy": 0.5}
    left = {"true": True, "text": "1", "none": None, "list": [1], "far": 1e31, "nan": math.nan}
    example.rows = [{**kept, **left}]
    (epoch,) = read_run(example.write()).epochs
    assert epoch.figures == kept


# ---------------------------------------------------------------------------------------------
# Writing.


def test_all_files_or_none(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full at any of the files."""
    run = example.write()
    draw(run)
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    example.rows[0]["loss"] = 7.0
    example.write()
    metrics = (run / "metrics.jsonl").read_bytes()
    for full_at in range(len(DRAWN)):
        calls = iter(range(100))

        def fsync(descriptor: int, calls: Any = calls, full_at: int = full_at) -> None:
            if next(calls) == full_at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(OSError, match="No space left") as caught:
            draw(run)
        assert caught.value.filename is not None
        now = {path.name: path.read_bytes() for path in run.iterdir()}
        assert now == {**before, "metrics.jsonl": metrics, "validation.npz": now["validation.npz"]}


def test_a_folder_in_the_way(example: Example) -> None:
    run = example.write()
    (run / "report.html").mkdir()
    with pytest.raises(OutputError, match=r"report\.html is not a regular file"):
        draw(run)
    assert sorted(os.listdir(run)) == ["metrics.jsonl", "report.html", "run.json", "validation.npz"]


def test_a_link_is_not_written_through(example: Example, tmp_path: Path) -> None:
    run = example.write()
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (run / "report.html").symlink_to(outside)
    with pytest.raises(OutputError, match=r"report\.html is a symbolic link"):
        draw(run)
    assert outside.read_text() == "mine"
    assert not (run / "curves.svg").exists()


@pytest.mark.parametrize("name", ["run.json", "metrics.jsonl", "spec.yaml", "validation.npz"])
def test_a_link_is_not_read_through(example: Example, tmp_path: Path, name: str) -> None:
    run = example.write()
    outside = tmp_path / "outside"
    if (run / name).exists():
        (run / name).rename(outside)
    else:
        outside.write_text("secret")
    (run / name).symlink_to(outside)
    with pytest.raises(SpecError) as raised:
        draw(run)
    (diagnostic,) = raised.value.diagnostics
    assert (diagnostic.code, diagnostic.span.source.name) == ("ARC705", str(run / name))
    assert sorted(os.listdir(run)) == sorted({*os.listdir(run), name} - DRAWN)


# ---------------------------------------------------------------------------------------------
# Pictures.


@pytest.mark.parametrize("shape", [(5, 7, 1), (5, 7, 3), (5, 7, 4), (5, 7, 2), (30,), (1,)])
def test_any_image_is_a_picture(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    result = picture(image)
    assert result.dtype == np.uint8
    assert result.ndim == 3
    assert result.shape[2] == 3
    if len(shape) == 1:
        values = result[:, :, 0].reshape(-1)
        assert (values[: shape[0]] == image).all()
        assert not values[shape[0] :].any()
        assert result.shape[1] == math.isqrt(shape[0] - 1) + 1
    else:
        assert result.shape[:2] == shape[:2]
        assert shape[2] < 3 or (result == image[:, :, :3]).all()


def test_png_is_what_others_read() -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 5, 3)).astype(np.uint8)
    assert (np.asarray(Image.open(io.BytesIO(png(image)))) == image).all()


def test_shrinking_takes_means() -> None:
    image = np.random.default_rng(0).integers(0, 256, (6, 9, 3)).astype(np.uint8)
    expected = image.reshape(2, 3, 3, 3, 3).mean((1, 3))
    assert np.abs(shrink(image, 2, 3).astype(float) - expected).max() <= 1
    assert shrink(image, 6, 9) is image
    uneven = shrink(np.full((7, 11, 3), 9, np.uint8), 3, 4)
    assert uneven.shape == (3, 4, 3)
    assert (uneven == 9).all()
    last = np.zeros((7, 11, 3), np.uint8)
    last[-1, -1] = 200  # in the mean of the last three rows and three columns
    assert shrink(last, 3, 4)[-1, -1, 0] == 22
    assert fit(image, 5).shape == (3, 5, 3)
    assert fit(image, 20).shape == (12, 18, 3)
    assert fit(np.zeros((1, 500, 3), np.uint8), 100).shape == (1, 100, 3)


# ---------------------------------------------------------------------------------------------
# In a browser.


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_it(example: Example, browser: Any, scheme: Any) -> None:
    run = example.write()
    draw(run)
    context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme=scheme)
    messages: list[str] = []
    context.on("console", lambda message: messages.append(message.text))
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((run / "report.html").as_uri())
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(22, 25, 29)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("[...document.images].every(one => one.naturalWidth > 0)")
    line = page.locator(".line.training").first
    assert line.evaluate("one => getComputedStyle(one).fill") == "none"
    page.get_by_text("All epochs as a table").click()
    assert page.get_by_role("rowheader", name="2 (best)").is_visible()
    context.close()
    assert messages == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


@pytest.mark.slow
def test_a_run_of_many_epochs_and_classes_is_drawn_in_seconds(tmp_path: Path) -> None:
    example = Example(tmp_path / "run", 1000, [f"class {number}" for number in range(1000)])
    row = example.rows[0]
    example.rows = [{**row, "epoch": number} for number in range(1, 20_001)]
    run = example.write()
    draw(run)
    assert (run / "report.html").stat().st_size < 2 << 20
    assert max(len(one) for one in curves_of(run, "training")) <= curves.MOST_POINTS
    shutil.rmtree(run)
