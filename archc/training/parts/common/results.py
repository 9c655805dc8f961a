"""What comes out: predictions, and what the images held out are taken for."""

import csv
import io
import sys
from pathlib import Path

import numpy as np

from archc.training.parts.common.data import ImageData
from archc.training.parts.common.files import write_text, write_whole
from archc.training.parts.common.preparing import centre_crop

WORST_MISTAKES = 64


def write_predictions(
    path: Path,
    data: ImageData,
    predicted: np.ndarray,
    classes: tuple[str, ...],
) -> None:
    """Write `ImageId,Label`: images by their files, or by their numbers from 1.

    `classes`: a name for each, as `all_classes` and `recorded_classes` give them.
    """
    names = range(1, len(predicted) + 1) if data.names is None else data.names
    labels = [classes[label] for label in predicted.tolist()]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("ImageId", "Label"))
    writer.writerows(zip(names, labels, strict=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text.getvalue())


def tell_accuracy(data: ImageData, predicted: np.ndarray) -> None:
    """Print which share of labelled images is labelled right."""
    if data.labels is not None:
        right = int((predicted == data.labels).sum())
        share = right / len(predicted)
        sys.stdout.write(f"accuracy {share:.2%} ({right:,} of {len(predicted):,})\n")


def write_validation(
    run: Path,
    data: ImageData,
    indices: np.ndarray,
    probabilities: np.ndarray,
) -> None:
    """Write `validation.npz`: what the best weights make of the images held out.

    `indices` are their places in `data`, `probabilities` (count, classes). With it go
    the images of the worst mistakes: those with the least of their label's probability.
    """
    labels = data.labels[indices]
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
        "images": as_bytes(centre_crop(data.images[indices[worst]])),
    }
    write_whole(run / "validation.npz", lambda stream: np.savez(stream, **arrays))


def as_bytes(images: np.ndarray) -> np.ndarray:
    """Images as uint8: values of any range spread over that of bytes."""
    if images.dtype == np.uint8 or not images.size:
        return images.astype(np.uint8)
    lowest, highest = images.min(), images.max()
    spread = (images - lowest) * (255 / max(highest - lowest, 1e-12))
    return spread.round().astype(np.uint8)
