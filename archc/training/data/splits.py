"""The images that a run trains with, and those that it holds out."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from archc.training.data import VALIDATION, read_data
from archc.training.data.images import ImageData, InputFormat, all_classes, some_names
from archc.training.data.prepare import (
    CroppedImages,
    Images,
    prepare_images,
    split_validation,
)
from archc.training.data.stream import StreamedImages
from archc.training.errors import DataError
from archc.training.run.options import FitSettings
from archc.training.run.record import data_record


class FitData(NamedTuple):
    """The data of a run, its images as large as the network takes them, or larger.

    `source`: what the images of training batches are taken from: `data` or, where parts
    of random size are, the images before they were prepared. `training` are indices of
    `data`, `held_out` those of `validation`: both of the same images where a share of
    them is held out.
    """

    data: ImageData
    training: np.ndarray
    validation: ImageData
    held_out: np.ndarray
    record: dict[str, object]
    source: Images | CroppedImages


def read_fit_data(options: FitSettings, expected: InputFormat, share: float) -> FitData:
    """Read and prepare the images to train and to validate with: a `share` of the data, or the
    validation data of the options."""
    file_format = options.file_format
    data = read_data(options.data, expected, labelled=True, file_format=file_format)
    record: dict[str, object] = {"training": data_record(options.data, data)}
    unprepared = data.images
    data = data._replace(images=prepare_images(data.images, options.data, expected))
    source: Images | CroppedImages = data.images
    if expected.augment.crop.resizes and not isinstance(unprepared, StreamedImages):
        source = CroppedImages(unprepared, expected)
    if options.validation is None:
        training, held_out = split_validation(data.known_labels, share, options.seed, options.data)
        return FitData(data, training, data, held_out, record, source)
    path = options.validation
    classes = all_classes(data.classes, expected.classes)
    validation = read_data(
        path,
        expected,
        labelled=True,
        classes=classes,
        splits=VALIDATION,
        file_format=file_format,
    )
    check_classes(path, validation.known_labels, data.known_labels, classes)
    record["validation"] = data_record(path, validation)
    validation = validation._replace(images=prepare_images(validation.images, path, expected))
    training, held_out = np.arange(len(data.images)), np.arange(len(validation.images))
    return FitData(data, training, validation, held_out, record, source)


def check_classes(
    path: Path,
    labels: np.ndarray,
    learnt: np.ndarray,
    classes: tuple[str, ...],
) -> None:
    """Refuse labels to validate with that no training image has."""
    unknown = np.setdiff1d(labels, learnt).tolist()
    if unknown:
        shown = some_names([classes[label] for label in unknown])
        raise DataError(path, f"has classes that no training image is of: {shown}")
