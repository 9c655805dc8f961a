"""The record of a run: everything that it depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from archc.language.recipe import LARGEST_SEED, PRECISIONS, Training, as_spec
from archc.training.data.images import ImageData, all_classes
from archc.training.data.stream import StreamedImages
from archc.training.errors import RunError
from archc.training.run.files import write_text
from archc.training.run.lock import locked_folder
from archc.training.run.options import FitOptions, FitSettings
from archc.training.task import Task

HASHED_IMAGES = 4096  # at once
OVERRIDES = ("epochs", "seed", "precision")
"""Fields of the recipe that options override."""


def data_record(path: Path, data: ImageData) -> dict[str, object]:
    """What is kept of the data: where they lay, how many there are, their digest; of streamed
    images, that of the files' names and sizes."""
    digest = hashlib.sha256(np.ascontiguousarray(data.labels))
    if isinstance(data.images, StreamedImages):
        for name, file in zip(data.names or (), data.images.files, strict=True):
            digest.update(f"{name}\0{file.stat().st_size}\0".encode())
        return {**_described(path, data), "files_sha256": digest.hexdigest()}
    for start in range(0, len(data.images), HASHED_IMAGES):
        some = data.images[start : start + HASHED_IMAGES]
        digest.update(np.ascontiguousarray(some))
    return {**_described(path, data), "sha256": digest.hexdigest()}


def _described(path: Path, data: ImageData) -> dict[str, object]:
    shape = list(data.images.shape[1:])
    return {"path": str(path), "images": len(data.images), "shape": shape}


def run_record(
    options: FitSettings,
    backend: str,
    task: Task,
    recipe: Training,
    data: Mapping[str, object],
    classes: tuple[str, ...] | None,
) -> dict[str, object]:
    """What a run depends on; what of it must be the same to go on with it.

    `data`: a `data_record` each of what is trained and what is validated with.
    """
    return {
        "name": task.name,
        "spec": task.spec,
        "sha256": task.digest,
        "backend": backend,
        "classes": None if classes is None else list(classes),
        "data": dict(data),
        "recipe": {
            "epochs": options.epochs,
            "steps": recipe.steps if options.epochs is None else None,
            "steps_per_epoch": recipe.steps_per_epoch,
            "batch_size": recipe.batch_size,
            "validation": recipe.validation,
            "metric": recipe.metric,
            "evaluation": recipe.evaluation,
            "early_stopping": recipe.early_stopping,
            "seed": options.seed,
            "precision": options.precision,
            "input": list(task.shape),
            "resize": as_spec(recipe.inputs.resize),
            "pad": recipe.inputs.pad,
            "scale": recipe.inputs.scale,
            "standardize": recipe.inputs.standardize,
            "optimizer": as_spec(recipe.optimizer),
            "schedule": as_spec(recipe.schedule),
            "warmup": recipe.warmup,
            "loss": recipe.loss,
            "label_smoothing": recipe.label_smoothing,
            "augment": as_spec(recipe.augment),
        },
    }


def read_record(run: Path, name: str) -> dict[str, object] | None:
    """A run's record, None where there is none. Raises RunError for a faulty one."""
    path = run / "run.json"
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        message = f"{path}: is no record of a run"
        raise RunError(message) from None
    if not isinstance(record, dict) or record.get("name") != name:
        message = f"{path}: is no record of a run of {name}"
        raise RunError(message)
    return record


def recorded_classes(run: Path, task: Task) -> tuple[str, ...]:
    """Names of the classes that a run's labels stand for."""
    classes = (read_record(run, task.name) or {}).get("classes")
    if classes is None:
        return all_classes(None, task.classes)
    if (
        not isinstance(classes, list)
        or len(classes) > task.classes
        or not all(isinstance(one, str) for one in classes)
    ):
        message = f"{run / 'run.json'}: the classes are no list of names"
        raise RunError(message)
    names = all_classes(tuple(classes), task.classes)
    if len(set(names)) < len(names):
        message = f"{run / 'run.json'}: two classes have one name"
        raise RunError(message)
    return names


def settled_options(options: FitOptions, name: str, recipe: Training) -> FitSettings:
    """Options with what was left open: as the run has it that goes on, or the recipe.

    Raises RunError for a faulty record.
    """
    values: dict[str, Any] = {field: getattr(recipe, field) for field in OVERRIDES}
    record = read_record(options.out, name) if options.resume else None
    if record is not None:
        kept = record.get("recipe")
        if not isinstance(kept, dict) or not is_recipe(kept, in_steps=recipe.epochs is None):
            message = f"{options.out / 'run.json'}: is no record of a run"
            raise RunError(message)
        values = {field: kept[field] for field in OVERRIDES}
    unset = {field: values[field] for field in OVERRIDES if getattr(options, field) is None}
    return FitSettings(**{**options._asdict(), **unset})


def is_recipe(kept: Mapping[str, object], *, in_steps: bool) -> bool:
    """Whether a run can have had these options, as it is recorded that it had."""
    epochs, seed = kept.get("epochs"), kept.get("seed")
    return (
        ((in_steps and epochs is None) or (type(epochs) is int and epochs > 0))
        and (type(seed) is int and 0 <= seed <= LARGEST_SEED)
        and kept.get("precision") in PRECISIONS
    )


@contextmanager
def open_run(options: FitSettings, name: str) -> Iterator[None]:
    """Have the run's folder for this process alone, before anything long is begun.

    Raises RunError where it holds a run, but for `--resume`, or is being trained.
    """
    with locked_folder(options.out):
        if read_record(options.out, name) is not None and not options.resume:
            message = f"{options.out} holds a run already: go on with it by --resume"
            raise RunError(message)
        yield


def start_run(options: FitSettings, record: Mapping[str, object]) -> None:
    """Write the run's record; where there is one already, hold this against it.

    `record`: a `run_record`, with what else is to be kept: statistics, versions.
    Raises RunError where the folder holds another run.
    """
    found = read_record(options.out, str(record["name"]))
    text = json.dumps(record, indent=1, allow_nan=False)
    if found is None:
        write_text(options.out / "run.json", f"{text}\n")
        return
    expected = json.loads(text)
    for key in ("sha256", "backend", "classes", "data", "recipe"):
        for place, before, now in differences(key, found.get(key), expected[key]):
            message = f"{options.out} was run with {place} = {before}, not {now}"
            raise RunError(message)


def differences(
    place: str,
    before: object,
    now: object,
) -> Iterator[tuple[str, object, object]]:
    """Where two records differ, but for the paths of their data."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now} - {"path"}):
            yield from differences(f"{place}.{key}", before.get(key), now.get(key))
    elif before != now:
        yield place, before, now
