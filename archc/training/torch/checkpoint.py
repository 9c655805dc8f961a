"""The state of a run, from which it resumes to the same bits."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import NamedTuple

import torch
from torch import Tensor, nn

from archc.backends.torch.pickled import advises_to_run
from archc.training.errors import LONGEST_FAULT, RunError, shortened
from archc.training.run.files import write_whole
from archc.training.run.metrics import BestEpoch, check_progress

# What PyTorch raises at damaged files, and at those of others.
FAULTS_OF_CHECKPOINTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    UnpicklingError,
    ValueError,
    struct.error,
)


@dataclass
class RunState:
    """How far a run is.

    `epoch` counts the epochs done, `step` the steps done in the one after them, of
    which `sums` are the loss and the right answers over this process' images, and
    `seconds` the time. `history` has each epoch's metric, the larger the better.
    """

    sums: Tensor
    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    best: BestEpoch = field(default_factory=BestEpoch)
    history: list[float] = field(default_factory=list)


class TrainedParts(NamedTuple):
    """What training changes."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler


def save_checkpoint(path: Path, state: RunState, parts: TrainedParts) -> None:
    """Write all that a run goes on from."""
    content = {
        "state": {**vars(state), "best": tuple(state.best)},
        "model": parts.model.state_dict(),
        "optimizer": parts.optimizer.state_dict(),
        "scaler": parts.scaler.state_dict(),
    }
    write_whole(path, lambda stream: torch.save(content, stream))


def load_checkpoint(path: Path, parts: TrainedParts) -> RunState:
    """Set everything to where the run was. Raises RunError for a damaged file."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        parts.model.load_state_dict(content["model"])
        parts.optimizer.load_state_dict(content["optimizer"])
        parts.scaler.load_state_dict(content["scaler"])
        check_progress(content["state"])
        state = RunState(**content["state"])
        state.best = BestEpoch(*state.best)
    except FAULTS_OF_CHECKPOINTS as error:
        reason = shortened(str(error).strip().partition("\n")[0], LONGEST_FAULT)
        if advises_to_run(error):
            reason = "it holds more than arrays and numbers, or is damaged"
        raise RunError(f"{path}: is no checkpoint of this run: {reason}") from None
    return state
