"""The table of the zoo, from the record of what came of each network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.test_specs import PARAMS
from tests.zoo.references import (
    AUXILIARY,
    COEFFICIENTS,
    GIGA_MACS,
    OTHER_SIZE,
    OTHERS,
    TORCHVISION,
    ZEROED,
)
from tests.zoo.theirs import KERAS_NAMES, LANGUAGE_MODELS, PREPROCESSING, ends_in_softmax

RECORD = Path(__file__).with_name("record.json")
README = Path(__file__).with_name("README.md")
LARGEST = 1e-4
"""The largest difference of float32 outputs, as a share of their largest value, that is no more
than rounding: the sums of these networks have up to 100,000 terms."""
MOST_PARAMS = 400_000_000
"""Of a network that is run: what it takes with its reference, in float32, is some 8 GB."""
MOST_VERIFIED = 20_000_000_000
"""Multiply-accumulates of a network that is verified: in float64, with a training step, it takes
memory for all its activations."""
APPLICATIONS = "keras.applications"
TABLES = {"torchvision": "torchvision", "transformers": "transformers", APPLICATIONS: "keras"}
"""By the reference, what specs call the table of its files."""
COMPARED = {
    "torchvision": "parameters, names and shapes",
    APPLICATIONS: "parameters, and shapes in order,",
}
"""By the reference, what is compared without values."""

HEAD = """\
# The networks of `specs/`, beside their references

Made by `make zoo`. Each emitted network runs in float32 on one random sample with random weights,
those of the reference where there is one: torchvision's models, keras.applications' or
Transformers'.

- *reference* is the number of parameters of that network; without one, of the paper or of another
  implementation.
- *MACs* are 10^9 multiply-accumulates of a sample, beside those that torchvision or the paper
  publishes.
- *keys* are `equal` where the emitted PyTorch module takes the reference's state dictionary
  strictly, `by table` where the spec's `checkpoints` tell how its arrays stand in the reference's
  files, and `in order` where the values have other names and come in the same order.
- *verify* is what `archc verify` says: how many layers agree on both backends in float64, in
  evaluation and in a training step, and the largest difference of one as a share of its scale. It
  is empty where that has not been run yet.
- *torch* and *Keras* are the largest difference of the outputs from the reference's, as a share of
  their largest value; without a reference, that of Keras from PyTorch.
- *lines* are those of the YAML, the PyTorch and the Keras file.

A row is of what the emitted files did when it was run; `make zoo` runs those again that do
something else since.

"""
SECOND_HEAD = """
## keras.applications

All its functions, with the specs that are the same networks. *parameters* are the trainable ones
of the function's model, *difference* is the largest one of the outputs of the emitted Keras network
with the same weights. Networks without these figures have not been run yet.

"""
COLUMNS = {
    "network": "---",
    "parameters": "---:",
    "reference": "---:",
    "MACs": "---:",
    "published": "---:",
    "keys": "---",
    "torch": "---:",
    "Keras": "---:",
    "verify": "---:",
    "lines": "---:",
}
APPLICATION_COLUMNS = {
    "function": "---",
    "spec": "---",
    "parameters": "---:",
    "difference": "---:",
    "how it is compared": "---",
}


def read_record() -> dict[str, dict[str, Any]]:
    """By the name of the network, what came of it."""
    if not RECORD.exists():
        return {}
    record: dict[str, dict[str, Any]] = json.loads(RECORD.read_text(encoding="utf-8"))
    return record


def table(record: Mapping[str, Mapping[str, Any]]) -> str:
    """The tables in Markdown, with a note for each row that has something to tell."""
    rows = [_row(name, one) for name, one in record.items() if "error" not in one]
    notes = [f"- `{name}`: {note}" for name, one in record.items() for note in notes_of(name, one)]
    text = HEAD + _lines(COLUMNS, rows) + ("\n" + "\n".join(notes) + "\n" if notes else "")
    others = [_application(name, record.get(name, {})) for name in KERAS_NAMES]
    return text + SECOND_HEAD + _lines(APPLICATION_COLUMNS, others)


def _lines(columns: Mapping[str, str], rows: list[tuple[str, ...]]) -> str:
    return "".join(
        f"| {' | '.join(cells)} |\n" for cells in (tuple(columns), tuple(columns.values()), *rows)
    )


def _row(name: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    params = one.get("reference_params", (PARAMS | OTHERS).get(name))
    giga_macs = TORCHVISION[name].giga_macs if name in TORCHVISION else GIGA_MACS.get(name)
    lines = one["lines"]
    return (
        name,
        f"{one['params']:,}",
        "" if params is None else f"{params:,}",
        _giga(one["macs"] / 1e9),
        "" if giga_macs is None else _giga(giga_macs),
        _keys(one),
        _share(one["torch"]),
        _share(one["keras"]),
        _verified(one),
        f"{lines['yaml']}, {lines['torch']}, {lines['keras']}",
    )


def _keys(one: Mapping[str, Any]) -> str:
    """How the keys of a reference stand in the emitted PyTorch module."""
    if one.get("keys") != "other":
        return str(one.get("keys", ""))
    return "by table" if TABLES[one["reference"]] in one["tables"] else "in order"


def _verified(one: Mapping[str, Any]) -> str:
    own = one.get("verify", {})
    return f"{own['layers']}, {_share(own['largest'])}" if own.get("verdict") == "agree" else ""


def _application(name: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    """The row of a function of keras.applications, empty where it has not been run."""
    own = application(one)
    how = []
    if not ends_in_softmax(name):
        how.append("`classifier_activation=None`")
    if name.startswith(PREPROCESSING):
        how.append("`include_preprocessing=False`")
    if name.startswith("efficientnet_b"):
        how.append("behind its `Rescaling` and `Normalization`, which are at rest")
    if name in COEFFICIENTS:
        how.append("coefficients of the normalizations, which it has not, are 1")
    params, difference = own or (None, None)
    return (
        KERAS_NAMES[name],
        name,
        "" if params is None else f"{params:,}",
        _share(difference),
        ", ".join(how),
    )


def application(one: Mapping[str, Any]) -> tuple[int, float] | None:
    """Of a row its function of keras.applications: the trainable parameters, and the difference of
    the emitted Keras network; None where it has not been run."""
    if one.get("reference") == APPLICATIONS and one["keras"] is not None:
        return one["reference_params"], one["keras"]
    own = one.get(APPLICATIONS)
    return None if own is None else (own["params"], own["difference"])


def _giga(count: float) -> str:
    return f"{count:.3f}" if count >= 0.001 or count == 0 else f"{count:.6f}"


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
    if name in ZEROED:
        notes.append(f"torchvision counts {ZEROED[name]:,} biases of keys that it sets to zero")
    if name in COEFFICIENTS:
        count = f"{COEFFICIENTS[name]:,}"
        notes.append(f"normalizes with {count} coefficients, which are 1 here; Keras has none")
    if name in LANGUAGE_MODELS:
        notes.append(
            "names, shapes and parameters at its own size; outputs of 2 layers of 32 features, in "
            "float64"
        )
    elif one["keras"] is None:
        why = "more memory than the others" if one["params"] > MOST_PARAMS else "longer to run"
        what = COMPARED.get(one.get("reference", ""), "parameters")
        notes.append(f"{what} alone: it takes {why}")
    own = one.get("verify", {"verdict": "agree"})
    if own.get("verdict") != "agree":
        notes.append(f"not verified: {own.get('error', own.get('verdict'))}")
    elif one["macs"] > MOST_VERIFIED and name not in LANGUAGE_MODELS:
        notes.append("not verified: it takes more memory than the others")
    notes += [
        f"the {backend} network differs by {one[backend]:.1e}"
        for backend in ("torch", "keras")
        if one[backend] is not None and one[backend] > LARGEST
    ]
    return notes
