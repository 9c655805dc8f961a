"""What predictions come to: the one place where accuracy and confusion are counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from archc.diagnostics import visible

RANKS = 5
"""The ranks of top-5 accuracy."""
LARGEST_MATRIX = 1000
"""The largest number of classes of a matrix in JSON."""
PRINTED_MATRIX = 12
"""The largest number of classes of a printed matrix: more do not fit a terminal."""
PRINTED_MISTAKES = 20
LONGEST_NAME = 20


class ClassScore(NamedTuple):
    """A class: the number of its images, of predictions of it, and of correct ones."""

    label: int
    images: int
    predicted: int
    right: int

    @property
    def recall(self) -> float | None:
        """The fraction of its images that are predicted correctly; None without images."""
        return self.right / self.images if self.images else None

    @property
    def precision(self) -> float | None:
        """The fraction of its predictions that are correct; None without predictions."""
        return self.right / self.predicted if self.predicted else None


class Mistake(NamedTuple):
    """The number of images of one class that are predicted as another."""

    label: int
    predicted: int
    images: int


def correct(labels: np.ndarray, predicted: np.ndarray) -> int:
    """How many images are predicted correctly."""
    return int((labels == predicted).sum())


def correct_in_five(labels: np.ndarray, probabilities: np.ndarray) -> int:
    """How many images have their label among the five most probable classes: fewer than five others
    are more probable."""
    own = np.take_along_axis(probabilities, labels[:, np.newaxis].astype(np.int64), 1)
    return int(((probabilities > own).sum(1) < RANKS).sum())


def class_scores(labels: np.ndarray, predicted: np.ndarray, classes: int) -> list[ClassScore]:
    """The score of each class."""
    right = labels[labels == predicted]
    columns = (
        np.bincount(one.astype(np.int64), minlength=classes).tolist()
        for one in (labels, predicted, right)
    )
    return [ClassScore(label, *counts) for label, counts in enumerate(zip(*columns, strict=True))]


def mistakes(labels: np.ndarray, predicted: np.ndarray, classes: int) -> list[Mistake]:
    """The mistakes by true and predicted class, most frequent first."""
    wrong = labels != predicted
    codes, counts = np.unique(
        labels[wrong].astype(np.int64) * classes + predicted[wrong].astype(np.int64),
        return_counts=True,
    )
    order = np.argsort(-counts, kind="stable")
    return [
        Mistake(code // classes, code % classes, count)
        for code, count in zip(codes[order].tolist(), counts[order].tolist(), strict=True)
    ]


def evaluation(
    labels: np.ndarray, probabilities: np.ndarray, names: Sequence[str]
) -> dict[str, Any]:
    """The scores of predictions as JSON types. `top_5_accuracy` is there for more than five
    classes, and `confusion` for few enough: a row is a true class, a column a predicted one.
    `mistakes` has what is not on its diagonal, the most frequent first."""
    count, classes = probabilities.shape
    predicted = probabilities.argmax(1)
    right = correct(labels, predicted)
    by_class = class_scores(labels, predicted, classes)
    wrong = mistakes(labels, predicted, classes)
    scores: dict[str, Any] = {"images": count, "correct": right, "accuracy": right / count}
    if classes > RANKS:
        scores["top_5_accuracy"] = correct_in_five(labels, probabilities) / count
    scores["classes"] = [
        {
            "name": names[one.label],
            "images": one.images,
            "predicted": one.predicted,
            "correct": one.right,
            "recall": one.recall,
            "precision": one.precision,
        }
        for one in by_class
    ]
    if classes <= LARGEST_MATRIX:
        matrix = np.diag([one.right for one in by_class])
        for one in wrong:
            matrix[one.label, one.predicted] = one.images
        scores["confusion"] = matrix.tolist()
    scores["mistakes"] = [
        {"class": names[one.label], "predicted": names[one.predicted], "images": one.images}
        for one in wrong
    ]
    return scores


def evaluation_text(scores: Mapping[str, Any]) -> str:
    """The scores of `evaluation` as text for a terminal: with few classes the matrix, else the most
    frequent mistakes."""
    lines = [f"accuracy {scores['accuracy']:.2%} ({scores['correct']:,} of {scores['images']:,})"]
    if "top_5_accuracy" in scores:
        lines.append(f"top-5 accuracy {scores['top_5_accuracy']:.2%}")
    if len(scores["classes"]) <= PRINTED_MATRIX:
        lines += ["", *_matrix(scores["classes"], scores["confusion"])]
    else:
        lines += ["", "most frequent mistakes"]
        for one in scores["mistakes"][:PRINTED_MISTAKES]:
            name, predicted = _short(one["class"]), _short(one["predicted"])
            lines.append(f"{one['images']:8,}  {name} predicted as {predicted}")
    return "".join(f"{line}\n" for line in lines)


def _matrix(classes: Sequence[Mapping[str, Any]], confusion: Sequence[Sequence[int]]) -> list[str]:
    names = [_short(one["name"]) for one in classes]
    rows = [["true \\ predicted", *names, "recall"]]
    for one, name, counts in zip(classes, names, confusion, strict=True):
        recall = "-" if one["recall"] is None else f"{one['recall']:.1%}"
        rows.append([name, *(f"{count:,}" if count else "." for count in counts), recall])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _short(name: str) -> str:
    """A name of a class, safe to print."""
    text = visible(name)
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}\u2026"
