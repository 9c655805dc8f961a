"""The learning rate of a plateau schedule: it depends on the scores of the epochs done."""

from __future__ import annotations

import math
from collections.abc import Sequence

from archc.language.recipe import Plateau


def plateau_rate(schedule: Plateau, rate: float, history: Sequence[float]) -> float:
    """The rate after epochs of these metrics, the larger the better: times the factor after each
    `patience` epochs in a row without improvement."""
    best, waited = -math.inf, 0
    for value in history:
        waited = 0 if value > best else waited + 1
        best = max(best, value)
        if waited == schedule.patience:
            rate, waited = max(rate * schedule.factor, schedule.minimum), 0
    return rate
