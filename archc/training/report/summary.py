"""What a run was, in a few rows: how it trained, with what, and how long it took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archc import backends
from archc.language.recipe import Optimizer, Schedule, field_from_spec
from archc.ops.fields import fields_of
from archc.training.report.files import Run

ELLIPSIS = "\u2026"
FAULTS = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What is raised at a recipe that no run has written."""
SHOWN = frozenset({"optimizer", "schedule", "warmup", "augment", "loss", "label_smoothing"}) | {
    "batch_size",
    "epochs",
    "seed",
}
"""Fields of a recorded recipe that the rows show."""


def rows(run: Run) -> dict[str, str]:
    """The rows by their titles. What the record does not tell is left out."""
    recipe, computed = run.part("recipe"), run.part("computed")
    texts = {
        **_optimizer(recipe.get("optimizer")),
        "schedule": _schedule(recipe),
        "augmentation": _augmentation(recipe.get("augment")),
        "loss": _loss(recipe),
        "batch size": _plain(recipe.get("batch_size")),
        "epochs": _epochs(run, recipe.get("epochs")),
        "seed": _plain(recipe.get("seed")),
        "starts from": _start(run.part("weights")),
        "framework": _framework(run, computed),
        "device": _device(computed),
        "archc": _plain(_mapping(computed, "versions").get("archc")),
        "wall time": _wall_time(run),
        "images/s": _speed(run),
    }
    return {title: text for title, text in texts.items() if text}


def duration(seconds: float) -> str:
    """A time in words: 1 h 5 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min {left} s"


def training_seconds(run: Run) -> float:
    """How long the steps of all epochs took."""
    return sum(epoch.figures.get("seconds", 0) for epoch in run.epochs)


def _mapping(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = values.get(name)
    return value if isinstance(value, dict) else {}


def _plain(value: object) -> str:
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""


def _title(name: str) -> str:
    return name.replace("_", " ")


def _listed(values: Mapping[str, object]) -> str:
    """Values that are text or numbers; anything else no run has written."""
    return ", ".join(
        f"{_title(name)} {value if isinstance(value, int | float | str) else ELLIPSIS}"
        for name, value in values.items()
    )


def _named(name: str, values: Mapping[str, object]) -> str:
    return f"{name} ({_listed(values)})" if values else name


def _optimizer(recorded: object) -> dict[str, str]:
    """Its name with all its values, those that it has by default too, and its learning rate."""
    try:
        optimizer = field_from_spec("optimizer", recorded)
    except FAULTS:
        return {}
    assert isinstance(optimizer, Optimizer)
    values = {field.name: getattr(optimizer, field.name) for field in fields_of(type(optimizer))}
    rate = values.pop("learning_rate")
    return {"optimizer": _named(optimizer.name, values), "learning rate": f"{rate}"}


def _schedule(recipe: Mapping[str, Any]) -> str:
    try:
        schedule = field_from_spec("schedule", recipe.get("schedule"))
    except FAULTS:
        return ""
    assert isinstance(schedule, Schedule)
    values = {field.name: getattr(schedule, field.name) for field in fields_of(type(schedule))}
    text = _named(schedule.name, values)
    warmup = recipe.get("warmup")
    if not isinstance(warmup, int | float) or not warmup:
        return text
    return f"{text}, warm-up of {warmup} {'epoch' if warmup == 1 else 'epochs'}"


def _augmentation(recorded: object) -> str:
    if not isinstance(recorded, dict):
        return ""
    return _listed(recorded) or "none"


def _loss(recipe: Mapping[str, Any]) -> str:
    loss, smoothing = recipe.get("loss"), recipe.get("label_smoothing")
    if not isinstance(loss, str):
        return ""
    return f"{_title(loss)}, label smoothing {smoothing}" if smoothing else _title(loss)


def _epochs(run: Run, planned: object) -> str:
    """Those that were run, and of how many."""
    count = f"{len(run.epochs):,}"
    if type(planned) is not int or planned == len(run.epochs):
        return count
    return f"{count} of {planned:,}"


def _start(weights: Mapping[str, Any]) -> str:
    parts = []
    if isinstance(weights.get("path"), str):
        parts.append(weights["path"])
    for title, name in (("without", "skip"), ("frozen:", "freeze")):
        counts = _mapping(weights, name)
        if counts:
            parts.append(f"{title} {', '.join(counts)}")
    return "; ".join(parts)


def _framework(run: Run, computed: Mapping[str, Any]) -> str:
    versions = {
        name: version
        for name, version in _mapping(computed, "versions").items()
        if name not in ("archc", "numpy")
    }
    title = backends.title(str(run.record.get("backend"))[:40])
    return f"{title} ({_listed(versions)})" if versions else title


def _device(computed: Mapping[str, Any]) -> str:
    parts = [_plain(computed.get(name)) for name in ("device", "precision")]
    for name in ("processes", "threads"):
        count = computed.get(name)
        if type(count) is int and (count > 1 or name == "threads"):
            parts.append(f"{count} {name if count > 1 else 'thread'}")
    waiting = computed.get("waiting")
    parts.append(f"{waiting} waiting" if isinstance(waiting, str) else "")
    return ", ".join(part for part in parts if part)


def _wall_time(run: Run) -> str:
    seconds = sum(epoch.figures.get("seconds_wall", 0) for epoch in run.epochs)
    if not seconds:
        return ""
    return f"{duration(seconds)}, of which {duration(training_seconds(run))} in training steps"


def _speed(run: Run) -> str:
    """Images a second over all epochs, evaluation not counted."""
    seconds = training_seconds(run)
    images = sum(
        epoch.figures.get("samples_per_second", 0) * epoch.figures.get("seconds", 0)
        for epoch in run.epochs
    )
    return f"{images / seconds:,.0f}" if seconds > 0 else ""
