"""What a process must write, so that nothing is taken for compared that was not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy

from archc.api import Network, load
from archc.verify import FixedTensors, Settings, Verification
from archc.verify.comparison import Comparison

TEXT = """archc: 1
name: net
input: {features: 3}
layers: [{prelu: {slope: 0.5}}, {dropout: 0.5}]
"""
SLOPES = {"low": 0.5, "high": 0.5, "mean": 0.5, "square": 0.25, "fourth": 0.0625}
KEPT = 2.0 * (numpy.random.default_rng(0).random((4096, 2)) < 0.5)


def network(folder: Path) -> Network:
    path = folder / "net.yaml"
    path.write_text(TEXT)
    return load(str(path), {})


def verification(folder: Path, initial: dict[str, Any], dropped: Any) -> Verification:
    """That of one backend which wrote no more than this."""
    (folder / "torch").mkdir()
    if dropped is not None:
        numpy.save(folder / "torch" / "dropped_2.npy", dropped)
    summaries = {"torch": {"errors": [], "initial": initial}}
    settings = Settings(("torch",))
    costs = network(folder).costs
    return Comparison(costs, settings, str(folder), summaries, FixedTensors()).verification(0.0)


def test_what_was_written_is_judged(tmp_path: Path) -> None:
    result = verification(tmp_path, {"0": SLOPES}, KEPT)
    assert (result.complete, result.failures, result.verdict) == (True, (), "agree")


def test_initial_values_are_not_compared_where_there_are_none(tmp_path: Path) -> None:
    result = verification(tmp_path, {}, KEPT)
    assert (result.complete, result.failures, result.verdict) == (False, (), "differ")


def test_dropping_is_not_compared_where_nothing_was_written(tmp_path: Path) -> None:
    result = verification(tmp_path, {"0": SLOPES}, None)
    assert (result.complete, result.failures, result.verdict) == (False, (), "differ")


def test_each_failure_stands_at_its_op(tmp_path: Path) -> None:
    result = verification(tmp_path, {"0": {**SLOPES, "high": 0.6}}, numpy.ones((4096, 2)))
    assert [(one.path, one.message.partition(",")[0]) for one in result.failures] == [
        ("prelu_1", "`slope` begins with values from 0.5 to 0.6"),
        ("dropout_1", "drops 0.0% of all elements"),
    ]
    assert result.verdict == "differ"
