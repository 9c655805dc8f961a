"""All of torchvision's classifiers by `torch.export`: imported, with the model's parameters and the
values of every layer, or refused by the name of what is missing. `python -m
tests.importers.torch_export [NAME...]` renews the rows of the record: half an hour for all."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch

from archc.diagnostics import Diagnostic, SpecError
from archc.importers import formats
from archc.importers.agreement import compare
from archc.importers.spec import Imported, as_spec
from archc.verify import Workers
from tests.backends.torchvision_models import models
from tests.importers.rows import Row
from tests.importers.torch_export.programs import saved
from tests.importers.torch_export.record import RECORD

SIZES = {"inception_v3": 299}
SMALL = {"inception_v3": 96, "vit_h_14": 56}
"""Sizes of images with which the values are compared, where it is not 64."""
OPTIONS = {"googlenet": {"init_weights": False}, "inception_v3": {"init_weights": False}}
LEAST = 73
"""How many are accepted at least."""
MOST_PARAMETERS = 160_000_000
"""Parameters of a network up to which its values are computed."""


def exported(name: str, folder: Path, size: int, **options: int) -> tuple[Path, int]:
    """The program of a classifier without the bytes of its weights, which play no part, and its
    number of parameters."""
    own = {**OPTIONS.get(name, {}), **options}
    model = models().get_model(name, weights=None, **own).to("meta")
    images = torch.zeros(2, 3, size, size, device="meta")
    return saved(folder, model, images), sum(one.numel() for one in used(model))


def used(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    """The parameters of a model but for those of classifiers that run in training alone."""
    return [one for name, one in model.named_parameters() if not name.lower().startswith("aux")]


def imported(name: str, path: Path) -> Imported:
    """The spec of a program."""
    return as_spec(formats.read(str(path)), name, str(path), [])


def row_of(name: str, workers: Workers) -> Row:
    """Import a classifier, and compare it."""
    with tempfile.TemporaryDirectory(prefix="archc-") as folder:
        path, params = exported(name, Path(folder), SIZES.get(name, 224))
        try:
            own = imported(name, path)
        except SpecError as error:
            return Row(name, missing="; ".join(map(_reason, error.diagnostics)))
        row = Row(name, len(own.network.layers), params, own.text.count("\n"))
        if own.loaded.costs.totals.params != params:
            return row._replace(problem=f"{own.loaded.costs.totals.params:,} parameters")
        if params > MOST_PARAMETERS:
            return row
        size = SMALL.get(name, 64)
        options = {"image_size": size} if name.startswith("vit") else {}
        path, _ = exported(name, Path(folder), size, **options)
        agreement = compare(imported(name, path), str(path), workers)
    problem = agreement.reason or agreement.disagreement or ""
    if agreement.compared != row.ops:
        problem = problem or f"only {agreement.compared} values"
    return row._replace(compared=agreement.compared, largest=agreement.largest, problem=problem)


def _reason(diagnostic: Diagnostic) -> str:
    return diagnostic.message.rpartition(": ")[0].removeprefix("the operation ")


def main(names: list[str]) -> int:
    """Renew the rows of some classifiers, or of all; 1 where one fails."""
    module = models()
    rows = RECORD.read()
    with Workers() as workers:
        for name in names or module.list_models(module=module):
            rows[name] = row_of(name, workers)
            print(rows[name], flush=True)
            RECORD.write(rows)
    accepted = sum(row.is_accepted for row in rows.values())
    problems = [row.name for row in rows.values() if row.problem]
    return 1 if problems or (not names and accepted < LEAST) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
