"""Checkpoints of PyTorch, and what is drawn anew in each step."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from archc.diagnostics import SpecError  # noqa: E402
from archc.training.errors import RunError  # noqa: E402
from archc.training.plan import read_plan  # noqa: E402
from archc.training.run.metrics import BestEpoch  # noqa: E402
from archc.training.run.record import settled_options  # noqa: E402
from archc.training.torch import loop  # noqa: E402
from archc.training.torch.checkpoint import (  # noqa: E402
    RunState,
    TrainedParts,
    load_checkpoint,
    save_checkpoint,
)
from archc.weights.files import open_weights  # noqa: E402
from tests.training.runner import NETWORK, RECIPE, Experiment  # noqa: E402


def parts(scale: float) -> TrainedParts:
    """A layer with an optimizer that has momentum, and a scaler."""
    torch.manual_seed(int(scale))
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=5)
    return TrainedParts(model, optimizer, scaler)


def step(trained: TrainedParts) -> None:
    """A step in float16's way: the loss is scaled."""
    model, optimizer, scaler = trained
    optimizer.zero_grad()
    scaler.scale(model(torch.ones(4, 3)).square().sum()).backward()
    scaler.step(optimizer)
    scaler.update()


def test_all_that_changes_is_kept(tmp_path: Path) -> None:
    """Weights, momentum, and the scaler with the steps since its scale has grown: from a checkpoint
    the same steps follow."""
    trained, other = parts(64.0), parts(2.0)
    for _ in range(3):
        step(trained)
    sums = torch.arange(3.0, dtype=torch.float64)
    state = RunState(sums, 2, 5, 1.5, BestEpoch(1, 0.5, 1), [0.5, 0.25])
    save_checkpoint(tmp_path / "checkpoint.pt", state, trained)
    loaded = load_checkpoint(tmp_path / "checkpoint.pt", other)
    assert torch.equal(loaded.sums, sums)
    assert (loaded.epoch, loaded.step, loaded.seconds) == (2, 5, 1.5)
    assert (loaded.best, loaded.history) == (state.best, state.history)
    scales = []
    for _ in range(4):  # after five steps the scale doubles
        step(trained)
        step(other)
        assert torch.equal(other.model.weight, trained.model.weight)
        assert other.scaler.get_scale() == trained.scaler.get_scale()
        scales.append(other.scaler.get_scale())
    assert scales == [64.0, 128.0, 128.0, 128.0]


class Harm:
    """A pickle that runs a command."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def pickle_of(path: Path, harm: Harm) -> None:
    torch.save({"state": harm}, path)


def old_pickle_of(path: Path, harm: Harm) -> None:
    torch.save({"state": harm}, path, _use_new_zipfile_serialization=False)


def script_of(path: Path, _harm: Harm) -> None:
    torch.jit.trace(torch.nn.Linear(3, 2), torch.ones(1, 3)).save(str(path))


def old_archive_of(path: Path, harm: Harm) -> None:
    """As PyTorch wrote them in 2016."""
    with tarfile.open(path, "w") as archive:
        for name in ("storages", "tensors", "pickle"):
            content = pickle.dumps(harm)
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


@pytest.mark.filterwarnings("ignore:.*torch.jit")
@pytest.mark.parametrize("save", [pickle_of, old_pickle_of, script_of, old_archive_of])
def test_a_hostile_checkpoint_is_not_run_nor_recommended(
    tmp_path: Path, save: Callable[[Path, Harm], None]
) -> None:
    """PyTorch's own message says how to load it all the same."""
    path = tmp_path / "checkpoint.pt"
    save(path, Harm(tmp_path / "harm"))
    with pytest.raises(Exception, match="weights_only"):
        torch.load(path, weights_only=True)
    with pytest.raises(RunError) as refused:
        load_checkpoint(path, parts(1.0))
    told = str(refused.value).removeprefix(f"{path}: is no checkpoint of this run: ")
    assert told == "it holds more than arrays and numbers, or is damaged"
    assert refused.value.__suppress_context__
    with pytest.raises(SpecError) as rejected, open_weights(str(path)):
        pass
    (diagnostic,) = rejected.value.diagnostics
    assert "weights_only` set" not in diagnostic.message
    assert "trust" not in f"{diagnostic.message} {diagnostic.hint}"
    assert not (tmp_path / "harm").exists()


def test_every_step_draws_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What augmentation and dropout draw differs between all steps of all epochs, and is the same
    in the same step of another run."""
    recipe = RECIPE.replace("epochs: 4", "epochs: 2\n  steps_per_epoch: 3\n  validation: 0")
    drawn: list[tuple[float, bytes]] = []
    augment = loop.augment_images

    def recorded(images: Any, draws: Any, *rest: Any) -> Any:
        changed = augment(images, draws, *rest)
        noise = torch.default_generator.get_state().numpy().tobytes()
        drawn.append((float(draws.uniform(0, 1)[0]), noise))
        return changed

    monkeypatch.setattr(loop, "augment_images", recorded)
    experiment = Experiment(tmp_path, "torch", NETWORK + recipe)
    for name in ("one", "two"):
        plan = read_plan(experiment.fit(tmp_path / name, quiet=True, device="cpu"))
        loop.fit(plan, settled_options(plan.options, plan.task.name, plan.recipe))
    assert len(drawn) == 12
    assert drawn[:6] == drawn[6:]
    for kind in zip(*drawn[:6], strict=True):
        assert len(set(kind)) == 6
