"""The table of the zoo, from the record of what came of each network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.zoo.references import AUXILIARY, OTHER_SIZE, TORCHVISION

RECORD = Path(__file__).with_name("record.json")
README = Path(__file__).with_name("README.md")
LARGEST = 1e-4
"""The largest difference of float32 outputs, as a share of their largest value, that is no more
than rounding: the sums of these networks have up to 100,000 terms."""

HEAD = """\
# The networks of `specs/`, beside their references

Made by `make zoo`. Each emitted network runs in float32 on one random sample with random weights,
those of the reference where there is one: torchvision's models, or keras.applications'.

- *MACs* are 10^9 multiply-accumulates of a sample, beside those that torchvision publishes.
- *Keys* are `equal` where the emitted PyTorch module takes the reference's state dictionary
  strictly, and `in order` where the same values have other names there.
- *torch* and *Keras* are the largest difference of the outputs from the reference's, as a share of
  their largest value; without a reference, that of Keras from PyTorch.
- Networks of more than 10^9 parameters, and recurrent ones, are built and counted by tests alone;
  what is missing besides has not been run yet.

"""
COLUMNS = {
    "network": "---",
    "parameters": "---:",
    "reference": "---:",
    "MACs": "---:",
    "torchvision": "---:",
    "keys": "---",
    "torch": "---:",
    "Keras": "---:",
    "lines of YAML, torch, Keras": "---:",
}


def read_record() -> dict[str, dict[str, Any]]:
    """By the name of the network, what came of it."""
    if not RECORD.exists():
        return {}
    record: dict[str, dict[str, Any]] = json.loads(RECORD.read_text(encoding="utf-8"))
    return record


def table(record: Mapping[str, Mapping[str, Any]]) -> str:
    """The table in Markdown, with a note for each row that has something to tell."""
    rows = [_row(name, one) for name, one in record.items() if "error" not in one]
    notes = [f"- `{name}`: {note}" for name, one in record.items() for note in notes_of(name, one)]
    lines = [tuple(COLUMNS), tuple(COLUMNS.values()), *rows]
    text = HEAD + "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    return text + ("\n" + "\n".join(notes) + "\n" if notes else "")


def _row(name: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    published = TORCHVISION.get(name)
    reference = one.get("reference_params")
    lines = one["lines"]
    return (
        name,
        f"{one['params']:,}",
        "" if reference is None else f"{reference:,}",
        f"{one['macs'] / 1e9:.3f}",
        "" if published is None else f"{published.giga_macs:.3f}",
        str(one.get("keys", "")),
        _share(one["torch"]),
        _share(one["keras"]),
        f"{lines['yaml']}, {lines['torch']}, {lines['keras']}",
    )


def _share(value: float | None) -> str:
    if value is None:
        return ""
    return "0" if value == 0 else f"{value:.0e}"


def notes_of(name: str, one: Mapping[str, Any]) -> list[str]:
    """What does not hold of a row, and why."""
    if "error" in one:
        return [f"not run: {one['error']}"]
    notes = []
    if name in AUXILIARY:
        notes.append("without the head for training alone; torchvision's parameters without it too")
    if name in OTHER_SIZE:
        notes.append("for inputs of 512 x 512; torchvision's MACs are those of 520 x 520")
    if name == "inception_resnet_v2":
        notes.append("normalises with coefficients, which are 1 here; Keras has none")
    for backend in ("torch", "keras"):
        if one[backend] is not None and one[backend] > LARGEST:
            notes.append(f"the {backend} network differs by {one[backend]:.1e}")
    return notes
