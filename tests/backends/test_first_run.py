"""`python FILE`: one random batch through an emitted network, on every framework that runs it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backends.networks import source

np = pytest.importorskip("numpy")

ON = {"keras": ("tensorflow", "jax", "torch"), "torch": ("torch",)}
CASES = [
    pytest.param(backend, framework, marks=getattr(pytest.mark, backend), id=f"{backend}-{name}")
    for backend, frameworks in ON.items()
    for framework in frameworks
    for name in [framework]
]

OUTPUTS = """
import json, runpy, sys
import numpy
model = runpy.run_path(sys.argv[1])["build_model"]()
draw = numpy.random.default_rng(0)
shapes = [tuple(one.shape) for one in model.weights]
scales = [(6 / numpy.prod(shape[:-1])) ** 0.5 if len(shape) > 1 else 0.5 for shape in shapes]
model.set_weights([draw.uniform(-s, s, shape) for s, shape in zip(scales, shapes)])
x = draw.standard_normal((4, 32, 32, 1)).astype("float32")
print(json.dumps(numpy.asarray(model.predict(x, verbose=0)).tolist()))
"""


def run(framework: str, *arguments: str) -> str:
    """What a Python process prints, without a word on standard error about archc's own code."""
    result = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        check=False,
        env={**os.environ, "KERAS_BACKEND": framework},
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def need(backend: str, framework: str) -> None:
    for name in (backend, framework):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")


@pytest.mark.parametrize(("backend", "framework"), CASES)
def test_prints_shapes_and_the_number_of_parameters(
    backend: str, framework: str, tmp_path: Path
) -> None:
    need(backend, framework)
    path = tmp_path / "lenet5.py"
    path.write_text(source(backend, "lenet5"), encoding="utf-8")
    assert run(framework, str(path)) == "(2, 10) 61,706 parameters\n"


@pytest.mark.keras
def test_keras_computes_the_same_on_every_framework(tmp_path: Path) -> None:
    path = tmp_path / "lenet5.py"
    path.write_text(source("keras", "lenet5"), encoding="utf-8")
    results = {}
    for framework in ON["keras"]:
        need("keras", framework)
        results[framework] = np.array(json.loads(run(framework, "-c", OUTPUTS, str(path))))
    first = results.pop("tensorflow")
    assert first.shape == (4, 10)
    assert first.std() > 1e-2, "an output that hardly moves tells nothing"
    for framework, result in results.items():
        np.testing.assert_allclose(result, first, rtol=1e-5, atol=1e-5, err_msg=framework)
