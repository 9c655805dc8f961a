"""75 random specs in every run of the tests: 50 of published seeds, and 25 that Hypothesis draws
and shrinks. Those of the record are run by `make differential`."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from archc.reports import json
from archc.verify import Workers
from tests.differential.generator import spec_text
from tests.differential.runs import ruff_faults, run_text, runs, write_sources

FIRST = 1_000_000
COUNT = 50
CHUNK = 25
SMALL = 8
"""Nodes of what Hypothesis draws: it keeps the random choices of small specs alone."""


@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, CHUNK))
def test_random_specs_are_one_network_on_both(first: int, workers: Workers, tmp_path: Path) -> None:
    """Verification holds both against the report too: shapes, parameters, running statistics."""
    for run in runs(range(first, first + CHUNK), workers):
        assert run.agrees, run.told
        assert run.found is not None
        compared = {
            kind
            for row in run.found.rows
            for kind, difference in row.differences.items()
            if difference is not None
        }
        totals = json.report(run.costs)["totals"]
        assert ("gradient" in compared) == (totals["trainable_params"] > 0), run.told
        assert ("statistics" in compared) == (totals["state"] > 0), run.told
        assert {"evaluation", "training"} <= compared, run.told
        write_sources(run, tmp_path)
    assert ruff_faults(tmp_path) == ""


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
@given(random=st.randoms(use_true_random=False))
def test_specs_that_hypothesis_draws(random: Random, workers: Workers) -> None:
    run = run_text(spec_text(random, SMALL), workers)
    assert run.agrees, run.told
