"""What a run trains and validates with, and the weights that predict."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from archc.training.script.parts.common.arguments import FitOptions, PredictOptions
from archc.training.script.parts.common.data import ImageData, all_classes, some_names
from archc.training.script.parts.common.faults import DataError
from archc.training.script.parts.common.preparing import prepare_images, split_validation
from archc.training.script.parts.common.reading import read_data
from archc.training.script.parts.common.record import data_record


class FitData(NamedTuple):
    """The data of a run, its images as large as the network takes them, or larger.

    `training` are indices of `data`, `held_out` those of `validation`: both of the
    same images where a share of them is held out.
    """

    data: ImageData
    training: np.ndarray
    validation: ImageData
    held_out: np.ndarray
    record: dict[str, object]


def read_fit_data(options: FitOptions) -> FitData:
    """Read and prepare the images to train and to validate with."""
    data = read_data(options.data, labelled=True)
    record = {"training": data_record(options.data, data)}
    data = data._replace(images=prepare_images(data.images, options.data))
    if options.validation is None:
        training, held_out = split_validation(data.labels, options.seed, options.data)
        return FitData(data, training, data, held_out, record)
    path = options.validation
    classes = all_classes(data.classes)
    validation = read_data(path, labelled=True, classes=classes)
    check_classes(path, validation.labels, data.labels, classes)
    record["validation"] = data_record(path, validation)
    validation = validation._replace(images=prepare_images(validation.images, path))
    training, held_out = np.arange(len(data.images)), np.arange(len(validation.images))
    return FitData(data, training, validation, held_out, record)


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


def weights_path(options: PredictOptions) -> Path:
    """The file of weights: the run's `best` or `last`, or another."""
    if options.weights in {"best", "last"}:
        return options.run / f"{options.weights}.safetensors"
    return Path(options.weights)
