"""The results of a run: predictions, and the evaluation of the held-out images."""

from __future__ import annotations

import errno
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from archc.diagnostics import visible
from archc.reports.csv import cell
from archc.training.data import read_data
from archc.training.data.images import ImageData, InputFormat
from archc.training.data.prepare import centre_crop
from archc.training.data.splits import FitData
from archc.training.errors import DataError, RunError
from archc.training.run.files import write_arrays, write_text
from archc.training.run.options import EvaluateOptions, FitSettings, PredictOptions
from archc.training.run.scores import correct, evaluation, evaluation_text

PREDICTIONS_HEAD = "ImageId,Label\n"
WORST_MISTAKES = 64


class Inference(NamedTuple):
    """What a network makes of images: the probabilities of the classes, (count, classes), and the
    classes' names."""

    data: ImageData
    probabilities: np.ndarray
    classes: tuple[str, ...]


def weights_path(options: PredictOptions | EvaluateOptions) -> Path:
    """The file of weights: the run's `best` or `last`, or another. Raises OSError, which names it,
    where it is not there."""
    path = Path(options.weights)
    if options.weights in {"best", "last"}:
        path = options.run / f"{options.weights}.safetensors"
    path.stat()
    return path


def check_output(options: PredictOptions) -> None:
    """Refuse a file of predictions that could not be written, or would be in the way.

    That of the data, or of the run. Its folder is made. Raises RunError, OSError.
    """
    path, place = options.out, options.out.resolve()
    data = options.data.resolve()
    fault = None
    if path.exists() and not path.is_file():
        fault = "is no file that predictions can be written to"
    elif place == data or (data in place.parents and is_other_file(path)):
        fault = "is a file of the data, not one for predictions"
    elif place == weights_path(options).resolve():
        fault = "is the file of weights, not one for predictions"
    elif place.parent == options.run.resolve() and path.suffix != ".csv":
        fault = "is no .csv: in a run's folder predictions are"
    elif path.exists() and not options.force:
        fault = "exists already (--force overwrites it)"
    if fault is not None:
        message = f"{path}: {fault}"
        raise RunError(message)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def read_images(
    options: PredictOptions | EvaluateOptions, expected: InputFormat, classes: tuple[str, ...]
) -> ImageData:
    """Read the images to label, or the labelled ones to evaluate with, and print how they were
    read. Raises DataError, OSError."""
    data = read_data(
        options.data,
        expected,
        labelled=False,
        classes=classes,
        file_format=options.file_format,
    )
    if isinstance(options, EvaluateOptions) or not options.quiet:
        tell_notes(options.data, data)
    if isinstance(options, EvaluateOptions) and data.labels is None:
        raise DataError(options.data, "there are no labels to score the predictions by")
    return data


def is_other_file(path: Path) -> bool:
    """Whether there is a file already that holds no predictions."""
    with suppress(FileNotFoundError), path.open("rb") as stream:
        head = PREDICTIONS_HEAD.encode()
        return stream.read(len(head)) != head
    return False


def write_predictions(
    path: Path,
    data: ImageData,
    predicted: np.ndarray,
    classes: tuple[str, ...],
) -> None:
    """Write `ImageId,Label`: images by their files, or by their numbers from 1.

    `classes`: a name for each, as `all_classes` and `recorded_classes` give them.
    """
    names = map(str, range(1, len(predicted) + 1)) if data.names is None else data.names
    cells = [cell(one) for one in classes]
    labels = [cells[label] for label in predicted.tolist()]
    rows = zip(map(cell, names), labels, strict=True)
    text = "".join(f"{name},{label}\n" for name, label in rows)
    write_text(path, PREDICTIONS_HEAD + text)


def tell_notes(path: Path, data: ImageData) -> None:
    """Print how data were read, where that is to be told."""
    for note in data.notes:
        sys.stderr.write(f"{visible(f'{path}: {note}')}\n")


def tell_fit_notes(options: FitSettings, found: FitData) -> None:
    """Print how the data of a run were read, where that is to be told."""
    tell_notes(options.data, found.data)
    if options.validation is not None:
        tell_notes(options.validation, found.validation)


def tell_predictions(options: PredictOptions, inference: Inference) -> None:
    """Write predictions, and print that, and which share of labelled images is labelled right."""
    data, probabilities, classes = inference
    predicted = probabilities.argmax(axis=1)
    write_predictions(options.out, data, predicted, classes)
    if options.quiet:
        return
    sys.stderr.write(f"wrote {visible(str(options.out))}: {len(predicted):,} labels\n")
    if data.labels is not None:
        right = correct(data.labels, predicted)
        share = right / len(predicted)
        sys.stdout.write(f"accuracy {share:.2%} ({right:,} of {len(predicted):,})\n")


def tell_scores(options: EvaluateOptions, inference: Inference) -> None:
    """Print the scores of labelled images."""
    data, probabilities, classes = inference
    scores = evaluation(data.known_labels, probabilities, classes)
    if options.as_json:
        sys.stdout.write(json.dumps({"archc": 1, **scores}, indent=1) + "\n")
    else:
        sys.stdout.write(evaluation_text(scores))


def write_validation(
    run: Path,
    data: ImageData,
    indices: np.ndarray,
    probabilities: np.ndarray,
    shape: tuple[int, ...],
) -> None:
    """Write `validation.npz`: what the best weights make of the images held out.

    `indices` are their places in `data`, `probabilities` (count, classes). With it go, cropped
    to the `shape` of an input, the images of the worst mistakes: those with the least probability
    of their label.
    """
    labels = data.known_labels[indices]
    predicted = probabilities.argmax(1)
    of_label = np.take_along_axis(probabilities, labels[:, np.newaxis], 1)[:, 0]
    wrong = np.flatnonzero(predicted != labels)
    worst = wrong[np.argsort(of_label[wrong], kind="stable")][:WORST_MISTAKES]
    arrays = {
        "indices": indices,
        "labels": labels,
        "predicted": predicted,
        "probabilities": probabilities.astype(np.float32),
        "worst": worst,
        "images": as_bytes(centre_crop(data.images[indices[worst]], shape)),
    }
    write_arrays(run / "validation.npz", arrays)


def as_bytes(images: np.ndarray) -> np.ndarray:
    """Images as uint8: values of any range spread over that of bytes."""
    if images.dtype == np.uint8 or not images.size:
        return images.astype(np.uint8)
    lowest, highest = images.min(), images.max()
    spread = (images - lowest) * (255 / max(highest - lowest, 1e-12))
    scaled: np.ndarray = spread.round().astype(np.uint8)
    return scaled
