"""All of torchvision's classifiers by `torch.export`: imported, with the model's parameters and the
values of every layer, or refused by the name of what is missing. `python -m
tests.importers.torch_export [NAME...]` renews the rows of the record; an hour for all."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch

from archc.diagnostics import SpecError
from archc.importers import formats
from archc.importers.agreement import compare
from archc.importers.spec import as_spec
from archc.verify import Workers
from tests.backends.torchvision_models import models
from tests.importers.torch_export.programs import saved
from tests.importers.torch_export.record import Row, read_rows, write_rows

SIZES = {"inception_v3": 299}
OPTIONS = {"googlenet": {"init_weights": False}, "inception_v3": {"init_weights": False}}
LEAST = 73
"""How many are accepted at least."""


def exported(name: str, folder: Path) -> tuple[Path, int]:
    """The program of a classifier without the bytes of its weights, which play no part, and its
    number of parameters."""
    model = models().get_model(name, weights=None, **OPTIONS.get(name, {})).to("meta")
    size = SIZES.get(name, 224)
    images = torch.zeros(2, 3, size, size, device="meta")
    return saved(folder, model, images), sum(one.numel() for one in used(model))


def used(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    """The parameters of a model but for those of classifiers that run in training alone."""
    return [one for name, one in model.named_parameters() if not name.lower().startswith("aux")]


def row_of(name: str, workers: Workers) -> Row:
    """Import a classifier, and compare it."""
    with tempfile.TemporaryDirectory(prefix="archc-") as folder:
        path, params = exported(name, Path(folder))
        try:
            own = as_spec(formats.read(str(path)), name, str(path), [])
        except SpecError as error:
            reasons = "; ".join(one.message.partition(": ")[0] for one in error.diagnostics)
            return Row(name, missing=reasons)
        agreement = compare(own, str(path), workers)
    problem = agreement.reason or agreement.disagreement
    if own.loaded.costs.totals.params != params:
        problem = f"{own.loaded.costs.totals.params:,} parameters, the model has {params:,}"
    return Row(
        name,
        ops=len(own.network.layers),
        params=params,
        lines=own.text.count("\n"),
        largest=agreement.largest,
        problem=problem or "",
    )


def main(names: list[str]) -> int:
    """Renew the rows of some classifiers, or of all; 1 where one fails."""
    module = models()
    rows = read_rows()
    with Workers() as workers:
        for name in names or module.list_models(module=module):
            rows[name] = row_of(name, workers)
            print(rows[name], flush=True)
            write_rows(rows)
    accepted = sum(row.is_accepted for row in rows.values())
    problems = [row.name for row in rows.values() if row.problem]
    return 1 if problems or (not names and accepted < LEAST) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
