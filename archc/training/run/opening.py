"""The first lines of a run: what it trains, from where, and with what."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from archc.diagnostics import visible


def tell_start(record: Mapping[str, Any]) -> None:
    """Print the first lines of the run with a record."""
    sys.stderr.write("".join(f"{visible(line)}\n" for line in opening_lines(record)))
    sys.stderr.flush()


def opening_lines(record: Mapping[str, Any]) -> list[str]:
    """The first lines of the run with a record, which has all that they tell."""
    computed, recipe, images = record["computed"], record["recipe"], record["images"]
    versions = ", ".join(f"{name} {one}" for name, one in computed["versions"].items())
    length = f"{recipe['epochs']} {'epoch' if recipe['epochs'] == 1 else 'epochs'}"
    if recipe["epochs"] is None:
        length = f"{recipe['steps']:,} steps"
    held_out = f", {images['validation']:,} to validate with" * (images["validation"] > 0)
    lengths = record.get("lengths")  # of the run's folder, which may come from anywhere
    if isinstance(lengths, list) and len(lengths) > 1:
        length += f" in place of {lengths[-2]}"
    lines = [
        f"{record['name']}: {versions}",
        f"on {computed['device']} in {computed['precision']}{_threads(computed)}, "
        f"seed {recipe['seed']}",
        f"{images['training']:,} images to train with{held_out}; {length}",
    ]
    settings = [f"set: {', '.join(record['settings'])}"] if record["settings"] else []
    return [*lines, *settings, *start_lines(record["weights"])]


def _threads(computed: Mapping[str, Any]) -> str:
    """How many threads there are in each process, and how they wait, as far as it is known."""
    count, waiting = computed.get("threads"), computed.get("waiting")
    if count is None:
        return ""
    text = f", {count} {'thread' if count == 1 else 'threads'}"
    if computed["processes"] > 1:
        text += f" in each of {computed['processes']} processes"
    return f"{text} ({waiting} waiting)" if waiting else text


def start_lines(weights: Mapping[str, Any] | None) -> list[str]:
    """What the record of a start tells: what is loaded, skipped and frozen."""
    if weights is None:
        return []
    lines = []
    if weights["path"] is not None:
        line = f"starts from {weights['path']}: {_arrays(weights['loaded'])}"
        skipped = _parts(weights["skip"])
        lines.append(f"{line}; skipped: {skipped}" if skipped else line)
    frozen = _parts(weights["freeze"])
    return [*lines, f"frozen: {frozen}"] if frozen else lines


def _parts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{part} ({_arrays(count)})" for part, count in counts.items())


def _arrays(count: int) -> str:
    return "1 array" if count == 1 else f"{count:,} arrays"
