"""How far a run is."""

from __future__ import annotations

from dataclasses import dataclass, field

from archc.training.run.metrics import BestEpoch


@dataclass
class RunState:
    """How far a run is.

    `epoch` counts the epochs done, `step` the steps done in the next one, which took `seconds` so
    far. `history` has the metric of each finished epoch, the larger the better.
    """

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    history: list[float] = field(default_factory=list)
    best: BestEpoch = field(default_factory=BestEpoch)
