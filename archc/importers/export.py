"""The weights of an imported network, as its spec names and lays them out."""

from __future__ import annotations

import json
import os
import tempfile

from archc.backends.runtime.sandbox import run_isolated
from archc.files import staging
from archc.importers.network import reject
from archc.importers.spec import Imported
from archc.importers.weights import emitted_for, weights_of
from archc.weights.transfer import neutral_metadata


def save_weights(imported: Imported, path: str, target: str) -> None:
    """Write the weights in a file to another one, in the neutral format. Raises SpecError (ARC801)
    where they cannot be read, OutputError and OSError."""
    runner = imported.network.runner
    if runner is None:
        hint = "`archc weights import` reads files of weights"
        reject(path, "weights are not read from files of this format", hint)
    weights = weights_of(imported, emitted_for(imported))
    with staging(target) as temporary, tempfile.TemporaryDirectory(prefix="archc-") as folder:
        plan = {
            "file": os.path.abspath(path),
            "result": os.path.abspath(temporary),
            "folder": folder,
            "weights": {key: array.plain() for key, array in weights.items()},
            "metadata": neutral_metadata(imported.loaded.costs),
        }
        plan_path = os.path.join(folder, "plan.json")
        with open(plan_path, "w", encoding="utf-8") as stream:
            json.dump(plan, stream)
        error = run_isolated(runner, "weights", plan_path)
        if error is not None:
            reject(path, error)
