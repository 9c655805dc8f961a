"""Checkpoints of torchvision and keras.applications load into both emitted networks, which then
give the outputs of the models that the files come from. The weights are random: the files have the
names, shapes and layouts of the published ones."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import pytest

from archc.api import Network, load
from archc.diagnostics import SpecError
from archc.ir.checkpoints import read_table
from archc.language.reader import parse, read_text
from archc.verify import FixedTensors, Settings, Workers, outputs
from archc.weights import transfer
from tests.backends import torchvision_models

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent


def both_give(
    network: Network, weights: Mapping[str, Any], x: Any, y: Any, workers: Workers
) -> None:
    """Check that both emitted networks give `y` for `x` in float32, up to rounding."""
    (index,) = network.costs.graph.inputs
    path = network.costs.graph.nodes[index].path
    for backend in ("torch", "keras"):
        results = outputs(
            network,
            backend,
            FixedTensors(weights, {path: x}),
            Settings(dtype="float32"),
            workers=workers,
        )
        (own,) = results.values()
        numpy.testing.assert_allclose(own, y, rtol=1e-4, atol=1e-5 * float(numpy.abs(y).max()))


@pytest.fixture
def small(tmp_path: Path) -> Any:
    """A spec of the repository with another input, and as many classes."""

    def build(name: str, size: int, classes: int) -> Network:
        text = (ROOT / f"specs/{name}.yaml").read_text()
        text = text.replace("height: 224, width: 224", f"height: {size}, width: {size}")
        text = "\n".join(line for line in text.splitlines() if not line.startswith("expect:"))
        (tmp_path / "spec.yaml").write_text(text + "\n")
        network = load(str(tmp_path / "spec.yaml"), {})
        return Network(network.spec, network.spec.build({"classes": classes}))

    return build


def _state(model: Any) -> Any:
    import torch

    generator = torch.Generator().manual_seed(3)
    for name, value in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        noise = torch.rand(value.shape, generator=generator)
        if value.dim() > 1:
            value.mul_(1 + 0.2 * noise)
        else:
            value.copy_(0.5 + noise if name.endswith(("weight", "var")) else 0.2 * noise - 0.1)
    return model.state_dict()


@pytest.mark.skipif(not torchvision_models.is_installed(), reason="torchvision is not installed")
@pytest.mark.parametrize(
    ("name", "ending"), [("resnet18", "pth"), ("alexnet", "pth"), ("alexnet", "safetensors")]
)
def test_torchvision_s_files_load(name: str, ending: str, tmp_path: Path, workers: Workers) -> None:
    import torch
    from safetensors.torch import save_file

    model = getattr(torchvision_models.models(), name)(weights=None).eval()
    state = _state(model)
    path = str(tmp_path / f"model.{ending}")
    if ending == "pth":
        torch.save(state, path)
    else:
        save_file(state, path)
    spec = "alexnet_torchvision" if name == "alexnet" else name
    network = load(str(ROOT / f"specs/{spec}.yaml"), {})
    weights = transfer.load(path, network)
    x = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        y = model(x).numpy()
    both_give(network, weights, x.numpy(), y, workers)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What Keras saves of a model: a folder for each."""
    folders: dict[str, Path] = {}

    def of(name: str) -> Path:
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp(name)
            environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
            script = [sys.executable, str(HERE / "saved.py"), name, str(folders[name])]
            subprocess.run(script, env=environment, check=True, capture_output=True)
        return folders[name]

    return of


@pytest.mark.parametrize(
    ("name", "file"),
    [("vgg16", "saved.weights.h5"), ("vgg16", "legacy.h5"), ("mobilenet", "legacy.h5")],
)
def test_keras_applications_files_load(
    name: str, file: str, small: Any, saved: Any, workers: Workers
) -> None:
    """By the order of layers, and by the spec's table."""
    folder = saved(name)
    network = small(name, 64, 10)  # of VGG's map, 2 x 2 positions are left to be flattened
    weights = transfer.load(str(folder / file), network)
    y = numpy.load(folder / "y.npy")
    x = numpy.load(folder / "x.npy")
    results = outputs(network, "torch", FixedTensors(weights, {"input": x}), workers=workers)
    (own,) = results.values()
    if name == "vgg16":  # the emitted network ends in logits, that of keras.applications does not
        exponents = numpy.exp(own - own.max(axis=1, keepdims=True))
        own = exponents / exponents.sum(axis=1, keepdims=True)
    numpy.testing.assert_allclose(own, y, rtol=1e-4)


@pytest.mark.parametrize("file", ["saved.weights.h5", "legacy.h5"])
def test_branches_need_a_table_of_names(file: str, saved: Any, workers: Workers) -> None:
    folder = saved("resnet50")
    network = load(str(HERE / "resnet50_keras.yaml"), {})
    path = str(folder / file)
    with pytest.raises(SpecError, match="is missing"):
        transfer.load(path, network)
    table = read_table(parse(read_text(str(HERE / "resnet50_names.yaml"))))
    weights = transfer.load(path, network, table)
    both_give(network, weights, numpy.load(folder / "x.npy"), numpy.load(folder / "y.npy"), workers)
