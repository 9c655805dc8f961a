"""All models of keras.applications, saved as JSON: imported, with the model's parameters and the
values of every layer, or refused by the name of what is missing. `python -m tests.importers.keras
[NAME...]` renews the rows of the record: half an hour for all."""

from __future__ import annotations

import sys
import tempfile
from math import prod
from pathlib import Path

import keras

from archc.diagnostics import SpecError
from archc.importers import formats
from archc.importers.agreement import compare
from archc.importers.spec import Imported, as_spec
from archc.verify import Workers
from tests.backends.keras_side import shapes_alone
from tests.importers.keras.record import RECORD
from tests.importers.models import filled
from tests.importers.rows import Row
from tests.zoo.theirs import KERAS_NAMES

SMALL = (96, 96, 3)
"""Images with which the values are compared."""
OPEN = (224,)
"""The size of images where a model leaves it open, as MobileNet v3 does."""
MOST_PARAMETERS = 100_000_000
"""Parameters of a network up to which its values are computed."""


def saved(name: str, folder: Path, **options: object) -> tuple[str, int]:
    """The JSON of a model, and how many parameters it learns."""
    build = getattr(keras.applications, name)
    model = shapes_alone(lambda: build(weights=None, **options))
    path = folder / f"{name.lower()}.json"
    path.write_text(model.to_json(), encoding="utf-8")
    return str(path), sum(prod(one.shape) for one in model.trainable_weights)


def imported(name: str, path: str) -> Imported:
    """The spec of a model."""
    return as_spec(formats.read(path, OPEN), name.lower(), path, [])


def row_of(name: str, workers: Workers) -> Row:
    """Import a model, and compare it."""
    with tempfile.TemporaryDirectory(prefix="archc-") as folder:
        path, params = saved(name, Path(folder))
        try:
            own = imported(name, path)
        except SpecError as error:
            return Row(name, missing="; ".join(one.message for one in error.diagnostics))
        row = Row(name, len(own.network.layers), params, own.text.count("\n"))
        learned = own.loaded.costs.totals.params
        if learned != params + filled(own.network):
            return row._replace(problem=f"{learned:,} parameters")
        if params > MOST_PARAMETERS:
            return row
        path, _ = saved(name, Path(folder), input_shape=SMALL)
        small = imported(name, path)
        agreement = compare(small, path, workers)
    problem = agreement.reason or agreement.disagreement or ""
    # The first half of a separable convolution has no value in Keras.
    if agreement.compared != sum(bool(layer.value) for layer in small.network.layers):
        problem = problem or f"only {agreement.compared} values"
    return row._replace(compared=agreement.compared, largest=agreement.largest, problem=problem)


def main(names: list[str]) -> int:
    """Renew the rows of some models, or of all; 1 where one fails."""
    rows = RECORD.read()
    with Workers() as workers:
        for name in names or KERAS_NAMES.values():
            rows[name] = row_of(name, workers)
            print(rows[name], flush=True)
            RECORD.write(rows)
    return 1 if any(not rows[name].is_accepted for name in names or rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
