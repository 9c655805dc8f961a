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
from archc.training.run.options import FitOptions, FitSettings, Start
from archc.training.task import Task
from archc.version import __version__

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
        "settings": list(options.settings),
        "weights": None if options.start is None else options.start._asdict(),
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
            "rejection": recipe.rejection,
            "augment": as_spec(recipe.augment),
        },
    }


def computed_record(versions: Mapping[str, str], **settings: object) -> dict[str, object]:
    """What a run is computed with: the versions of the frameworks, and where and how."""
    return {
        "versions": {"archc": __version__, **versions, "numpy": np.__version__},
        **settings,
    }


def read_record(run: Path, name: str) -> dict[str, Any] | None:
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
        if options.start is None:
            options = options._replace(start=recorded_start(options.out, record))
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


def recorded_start(run: Path, record: Mapping[str, object]) -> Start | None:
    """What a run started from, None for new weights. Raises RunError for a faulty record."""
    kept = record.get("weights")
    if kept is None:
        return None
    if isinstance(kept, dict) and kept.keys() == set(Start._fields):
        start = Start(**kept)
        parts = (start.skip, start.freeze)
        names = all(isinstance(one, str | None) for one in (start.path, start.sha256))
        if names and all(isinstance(one, dict) for one in parts):
            return start
    message = f"{run / 'run.json'}: is no record of a run"
    raise RunError(message)


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


def start_run(options: FitSettings, record: Mapping[str, object]) -> dict[str, Any]:
    """Write the run's record; where there is one already, hold this against it, and note another
    number of epochs. The record as it is written.

    `record`: a `run_record`, with what else is to be kept: statistics, versions.
    Raises RunError where the folder holds another run.
    """
    kept = read_record(options.out, str(record["name"]))
    now: dict[str, Any] = json.loads(json.dumps(record, allow_nan=False))
    if kept is None:
        write_record(options.out, now)
        return now
    epochs = recorded_epochs(kept)
    if epochs != options.epochs:  # `finished_message` has let it pass
        lengths = kept.get("lengths")
        kept["recipe"]["epochs"] = options.epochs
        kept["lengths"] = [*(lengths if isinstance(lengths, list) else [epochs]), options.epochs]
        kept.pop("finished", None)
    for key in ("sha256", "backend", "classes", "data", "recipe", "weights"):
        for place, one, other in differences(key, kept.get(key), now[key]):
            message = f"{options.out} was run with {place} = {one}, not {other}"
            if place == "weights":  # as a whole: of a run that resumes they are as before
                message = f"{options.out} began without --weights and --freeze: start another run"
            raise RunError(message)
    if epochs != options.epochs:
        write_record(options.out, kept)
    return {**now, **{key: kept[key] for key in ("lengths",) if key in kept}}


def write_record(run: Path, record: Mapping[str, object]) -> None:
    """Write the record of a run."""
    write_text(run / "run.json", f"{json.dumps(record, indent=1, allow_nan=False)}\n")


def recorded_epochs(record: Mapping[str, Any]) -> object:
    """The number of epochs in a run's record; None for one that counts in steps."""
    recipe = record.get("recipe")
    return recipe.get("epochs") if isinstance(recipe, dict) else None


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
