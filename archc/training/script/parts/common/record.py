"""The record of a run: what it depends on."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from archc.training.script.parts.common.arguments import (
    LARGEST_SEED,
    PRECISIONS,
    FitOptions,
)
from archc.training.script.parts.common.data import ImageData, all_classes
from archc.training.script.parts.common.faults import RunError
from archc.training.script.parts.common.files import locked_folder, write_text

HASHED_IMAGES = 4096  # at once


def data_record(path: Path, data: ImageData) -> dict[str, object]:
    """What is kept of the data: where they lay, how many there are, their digest."""
    digest = hashlib.sha256(np.ascontiguousarray(data.labels))
    for start in range(0, len(data.images), HASHED_IMAGES):
        some = data.images[start : start + HASHED_IMAGES]
        digest.update(np.ascontiguousarray(some))
    return {
        "path": str(path),
        "images": len(data.images),
        "shape": list(data.images.shape[1:]),
        "sha256": digest.hexdigest(),
    }


def run_record(
    options: FitOptions,
    backend: str,
    data: Mapping[str, object],
    classes: tuple[str, ...] | None,
) -> dict[str, object]:
    """What a run depends on; what of it must be the same to go on with it.

    `data`: a `data_record` each of what is trained and what is validated with.
    """
    return {
        "name": NAME,
        "spec": SPEC,
        "sha256": DIGEST,
        "backend": backend,
        "classes": None if classes is None else list(classes),
        "data": dict(data),
        "recipe": {
            "epochs": options.epochs,
            "steps": STEPS if options.epochs is None else None,
            "steps_per_epoch": STEPS_PER_EPOCH,
            "batch_size": BATCH_SIZE,
            "validation": VALIDATION,
            "metric": METRIC,
            "early_stopping": PATIENCE,
            "seed": options.seed,
            "precision": options.precision,
            "input": list(INPUT_SHAPE),
            "resize": RESIZE,
            "pad": PAD,
            "scale": SCALE,
            "standardize": STANDARDIZE,
        },
    }


def read_record(run: Path) -> dict[str, object] | None:
    """A run's record, None where there is none. Raises RunError for a faulty one."""
    path = run / "run.json"
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        message = f"{path}: is no record of a run"
        raise RunError(message) from None
    if not isinstance(record, dict) or record.get("name") != NAME:
        message = f"{path}: is no record of a run of {NAME}"
        raise RunError(message)
    return record


def recorded_classes(run: Path) -> tuple[str, ...]:
    """Names of the classes that a run's labels stand for."""
    classes = (read_record(run) or {}).get("classes")
    if classes is None:
        return all_classes(None)
    whole = isinstance(classes, list) and len(classes) <= CLASSES
    if not whole or not all(isinstance(one, str) for one in classes):
        message = f"{run / 'run.json'}: the classes are no list of names"
        raise RunError(message)
    names = all_classes(tuple(classes))
    if len(set(names)) < len(names):
        message = f"{run / 'run.json'}: two classes have one name"
        raise RunError(message)
    return names


def settled_options(options: FitOptions) -> FitOptions:
    """Options with what was left open: as the run has it that goes on, or the recipe.

    Raises RunError for a faulty record.
    """
    recipe = {"epochs": EPOCHS, "seed": SEED, "precision": PRECISION}
    record = read_record(options.out) if options.resume else None
    if record is not None:
        kept = record.get("recipe")
        if not isinstance(kept, dict) or not is_recipe(kept):
            message = f"{options.out / 'run.json'}: is no record of a run"
            raise RunError(message)
        recipe = {name: kept[name] for name in recipe}
    open_ones = [name for name in recipe if getattr(options, name) is None]
    return options._replace(**{name: recipe[name] for name in open_ones})


def is_recipe(kept: Mapping[str, object]) -> bool:
    """Whether a run can have had these options, as it is recorded that it had."""
    epochs, seed = kept.get("epochs"), kept.get("seed")
    in_steps = EPOCHS is None and epochs is None
    return (
        (in_steps or (type(epochs) is int and epochs > 0))
        and (type(seed) is int and 0 <= seed <= LARGEST_SEED)
        and kept.get("precision") in PRECISIONS
    )


@contextmanager
def open_run(options: FitOptions) -> Iterator[None]:
    """Have the run's folder for this process alone, before anything long is begun.

    Raises RunError where it holds a run, but for `--resume`, or is being trained.
    """
    with locked_folder(options.out):
        if read_record(options.out) is not None and not options.resume:
            message = f"{options.out} holds a run already: go on with it by --resume"
            raise RunError(message)
        yield


def start_run(options: FitOptions, record: Mapping[str, object]) -> None:
    """Write the run's record; where there is one already, hold this against it.

    `record`: a `run_record`, with what else is to be kept: statistics, versions.
    Raises RunError where the folder holds another run.
    """
    found = read_record(options.out)
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
