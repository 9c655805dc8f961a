"""What a command line asks for."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

LARGEST_SEED = 2**32 - 1
PRECISIONS = ("auto", "float32", "bfloat16", "float16")


class FitOptions(NamedTuple):
    """What `fit` is called with. Once settled, `epochs` is None for a recipe in steps,
    `seed` and `precision` never."""

    data: Path
    out: Path
    validation: Path | None
    resume: bool
    epochs: int | None
    seed: int | None
    device: str
    precision: str | None
    quiet: bool


class PredictOptions(NamedTuple):
    """What `predict` was called with."""

    run: Path
    data: Path
    out: Path
    weights: str
    device: str
    quiet: bool


def parse_command(arguments: Sequence[str] | None) -> FitOptions | PredictOptions:
    """Read the command line; exit with 2 where it is faulty."""
    parser = argparse.ArgumentParser(description=f"Train {NAME}, and predict with it.")
    commands = parser.add_subparsers(required=True)
    fitting = commands.add_parser("fit", help="train, into the folder of a run")
    fitting.add_argument(
        "--data", type=Path, required=True, help="CSV, idx, .npz, folder"
    )
    fitting.add_argument("--out", type=Path, required=True, help="the run's folder")
    fitting.add_argument("--validation", type=Path, help="images to validate with")
    fitting.add_argument("--resume", action="store_true", help="go on with the run")
    fitting.add_argument("--epochs", type=count_from_1, help="in place of the recipe's")
    fitting.add_argument("--seed", type=seed_number, help="in place of the recipe's")
    fitting.add_argument("--precision", choices=PRECISIONS)
    fitting.set_defaults(make=FitOptions)
    predicting = commands.add_parser(
        "predict", help="label images with a run's weights"
    )
    predicting.add_argument("--run", type=Path, required=True, help="the run's folder")
    predicting.add_argument("--data", type=Path, required=True, help="as for fit")
    predicting.add_argument(
        "--out", type=Path, required=True, help="CSV: ImageId,Label"
    )
    predicting.add_argument("--weights", default="best", metavar="best|last|FILE")
    predicting.set_defaults(make=PredictOptions)
    for command in (fitting, predicting):
        command.add_argument(
            "--device", choices=("auto", "cpu", "cuda"), default="auto"
        )
        command.add_argument("--quiet", action="store_true", help="tell faults alone")
    given = vars(parser.parse_args(arguments))
    return given.pop("make")(**given)


def count_from_1(text: str) -> int:
    """A whole number from 1."""
    return bounded_number(text, 1, sys.maxsize)


def seed_number(text: str) -> int:
    """A whole number that a generator can be seeded with."""
    return bounded_number(text, 0, LARGEST_SEED)


def bounded_number(text: str, least: int, most: int) -> int:
    """A whole number between two, both included."""
    if not text.isdecimal() or not least <= int(text[:20]) <= most:
        message = f"{text!r} is not a whole number from {least} to {most}"
        raise argparse.ArgumentTypeError(message)
    return int(text)
