"""Both emitted networks of each case give what ONNX prescribes."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import numpy
import pytest

from archc.api import load
from archc.ops import OPS
from archc.verify import Workers, outputs
from tests.backends.onnx_data.cases import Case, all_cases
from tests.backends.onnx_data.operators import OPERATORS, judged_by, translate
from tests.backends.onnx_data.reasons import NOT_APPLICABLE, NotApplicableError, Reason
from tests.backends.onnx_data.translation import Translated

RELATIVE, ABSOLUTE = 2e-6, 2e-7
"""What is tolerated: the rounding of the cases, whose outputs are of float32. The networks compute
in float64, so that ONNX's own tolerance for backends (1e-3 and 1e-7) need not be taken."""

SHORT: Mapping[str, float] = {"node/averagepool_2d_ceil_last_window_starts_on_pad": 1e-4}
"""Cases whose outputs are written with few digits, with the absolute tolerance of these."""

FRAMEWORKS = "its cases are not translated: held against NumPy and the frameworks' own layers"
UNJUDGED = {
    "adaptive_avg_pool": "no such operator",
    "attention": FRAMEWORKS,
    "channel_shuffle": "no such operator",
    "class_token": "no such operator",
    "depth_to_space": FRAMEWORKS,
    "drop_path": "no such operator",
    "embedding": FRAMEWORKS,
    "gru": FRAMEWORKS,
    "lstm": FRAMEWORKS,
    "position_embedding": "no such operator",
    "rbf": "no such operator",
    "relu6": "no such operator: a Clip, of which no case has these limits",
    "rms_norm": FRAMEWORKS,
    "scaled_tanh": "no such operator",
    "space_to_depth": FRAMEWORKS,
    "split": FRAMEWORKS,
    "to_map": "no such operator",
    "to_tokens": "no such operator",
    "window_attention": "no such operator",
}
"""The ops of archc that ONNX's cases do not judge."""


@cache
def judged() -> dict[str, tuple[Case, Translated | Reason]]:
    """The cases that archc has the operators of, by name: each as a spec, or with the reason why
    it is none."""
    cases: dict[str, tuple[Case, Translated | Reason]] = {}
    for case in all_cases():
        if judged_by(case) is not None:
            try:
                cases[case.name] = (case, translate(case))
            except NotApplicableError as refusal:
                cases[case.name] = (case, refusal.reason)
    return cases


@pytest.mark.parametrize("operator", OPERATORS)
def test_both_networks_give_what_onnx_prescribes(
    operator: str, tmp_path: Path, workers: Workers
) -> None:
    wrong = []
    run = 0
    for name, (case, translated) in judged().items():
        if isinstance(translated, Reason) or judged_by(case) != operator:
            continue
        path = tmp_path / "judged.yaml"
        path.write_text(translated.text)
        network = load(str(path), {})
        run += 1
        for backend in ("torch", "keras"):
            actual = outputs(network, backend, translated.tensors, workers=workers)
            assert actual.keys() == translated.expected.keys()
            for step, expected in translated.expected.items():
                assert actual[step].dtype == "float64"
                if actual[step].shape != expected.shape:
                    wrong.append(f"{name}: {backend} gives the shape {actual[step].shape}")
                elif not numpy.allclose(
                    actual[step], expected, rtol=RELATIVE, atol=SHORT.get(name, ABSOLUTE)
                ):
                    error = numpy.abs(actual[step] - expected).max()
                    wrong.append(f"{name}: {backend} is {error} from ONNX\n{translated.text}")
    assert run
    assert not wrong, "\n".join(wrong)


def test_every_case_is_run_or_has_its_reason() -> None:
    patterns = [(one, reason) for reason, names in NOT_APPLICABLE.items() for one in names]
    wrong = {}
    for name, (_, translated) in judged().items():
        listed = {reason for one, reason in patterns if fnmatchcase(name, one)}
        derived = {translated} if isinstance(translated, Reason) else set()
        if listed != derived:
            wrong[name] = (listed, derived)
    assert not wrong


def test_no_reason_is_stale() -> None:
    patterns = [one for names in NOT_APPLICABLE.values() for one in names]
    names = judged()
    assert [one for one in patterns if not any(fnmatchcase(name, one) for name in names)] == []
    assert all(isinstance(names[name][1], Translated) for name in SHORT)


def test_all_ops_of_archc_are_judged_but_for_those_that_onnx_lacks(tmp_path: Path) -> None:
    path = tmp_path / "judged.yaml"
    used = set()
    for _, translated in judged().values():
        if isinstance(translated, Translated):
            path.write_text(translated.text)
            graph = load(str(path), {}).costs.graph
            used |= {node.op.name for node in graph.layers}
    assert used == OPS.keys() - UNJUDGED.keys()
