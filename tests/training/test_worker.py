"""The worker: plans, and what its exit code tells."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from archc.language.recipe import (
    AdamW,
    Augment,
    Cosine,
    Inputs,
    Plateau,
    RmsProp,
    Sgd,
    Training,
    as_spec,
    from_spec,
)
from archc.training import worker
from archc.training.errors import DataError, InterruptionError, RunError
from archc.training.plan import read_plan
from archc.training.run.options import FitOptions, PredictOptions
from tests.training.runner import NETWORK, RECIPE, Experiment
from tests.training.samples import SAMPLE


@pytest.mark.parametrize(
    "recipe",
    [
        Training(epochs=3),
        Training(
            inputs=Inputs(resize=(20, 22), pad=1, scale=1 / 255, standardize="channel"),
            augment=Augment(rotation=10.0, shift=0.1, flip="both", lighting=0.1, fill="zero"),
            optimizer=Sgd(learning_rate=0.1, momentum=0.9, nesterov=True, weight_decay=0.0005),
            schedule=Plateau(patience=3),
            steps=5,
            steps_per_epoch=7,
            early_stopping=5,
        ),
        Training(optimizer=RmsProp(), schedule=Cosine(minimum=1e-5), inputs=Inputs(resize=8)),
        Training(optimizer=AdamW(beta_1=0.8), label_smoothing=0.1, epochs=2),
    ],
    ids=["least", "sgd", "rmsprop", "adamw"],
)
def test_a_recipe_comes_back_from_json(recipe: Training) -> None:
    assert from_spec(Training, json.loads(json.dumps(as_spec(recipe)))) == recipe


@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_a_plan_comes_back_from_its_file(backend: str, tmp_path: Path) -> None:
    experiment = Experiment(tmp_path, backend, NETWORK + RECIPE)
    plan = read_plan(experiment.fit(tmp_path / "run", seed=7, validation=Path("v.npz")))
    assert plan.options == FitOptions(
        data=SAMPLE, out=tmp_path / "run", validation=Path("v.npz"), seed=7
    )
    about = experiment.network.costs.graph.about
    assert (plan.backend, plan.recipe) == (backend, about.training)
    assert (plan.task.name, plan.task.classes, plan.task.shape) == ("digits", 10, (28, 28, 1))
    assert plan.task.digest == about.digest
    assert plan.variables == experiment.network.compiled(backend).variables
    assert plan.network.read_text(encoding="utf-8") == experiment.network.emit(backend)
    predicting = read_plan(experiment.predict(tmp_path / "run", tmp_path / "a.csv", weights="last"))
    assert predicting.options == PredictOptions(
        tmp_path / "run", SAMPLE, tmp_path / "a.csv", weights="last"
    )


@pytest.mark.parametrize(
    ("fault", "code", "message"),
    [
        (DataError(Path("a.csv"), "is empty", 3), 1, "archc: a.csv:3: is empty\n"),
        (RunError("holds a run already"), 2, "archc: holds a run already\n"),
        (FileNotFoundError(2, "No such file", "a"), 2, "archc: a: No such file\n"),
        (MemoryError(), 2, "archc: not enough memory\n"),
        (InterruptionError("at step 7"), 130, "archc: interrupted at step 7\n"),
        (KeyboardInterrupt(), 130, "archc: interrupted\n"),
    ],
    ids=["data", "run", "file", "memory", "stopped", "interrupted"],
)
def test_exit_codes_tell_whose_fault_it_is(
    fault: BaseException,
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise fault

    plan = Experiment(tmp_path, "torch", NETWORK + RECIPE).fit(tmp_path / "run")
    loop = SimpleNamespace(fit=fail)
    monkeypatch.setattr(worker, "import_module", lambda _: loop)
    assert worker.main([str(plan)]) == code
    assert capsys.readouterr().err == message


def test_what_is_left_open_is_settled_by_the_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[tuple[int | None, int, str]] = []

    def fit(_: object, settings: FitOptions) -> None:
        requests.append((settings.epochs, settings.seed or 0, settings.precision or ""))

    experiment = Experiment(tmp_path, "torch", NETWORK + RECIPE)
    monkeypatch.setattr(worker, "import_module", lambda _: SimpleNamespace(fit=fit))
    for changes in ({}, {"epochs": 9, "seed": 5, "precision": "bfloat16"}):
        assert worker.main([str(experiment.fit(tmp_path / "run", **changes))]) == 0
    assert requests == [(4, 0, "auto"), (9, 5, "bfloat16")]
