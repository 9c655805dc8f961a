"""How long a step of an emitted network takes beside a step of torchvision's, Transformers' or
keras.applications' own model."""

from __future__ import annotations

import json
import sys
from statistics import median

import pytest

from tests.benchmarks.conftest import Record
from tests.benchmarks.networks import BATCH, TOKENS
from tests.benchmarks.processes import run
from tests.benchmarks.table import NETWORKS

TITLES = {"torch": "PyTorch", "keras": "Keras"}
CASES = {
    "AlexNet": ("alexnet_torchvision", "alexnet_torchvision"),
    "VGG-16": ("vgg16", "vgg16"),
    "ResNet-50": ("resnet50", "resnet50_v1"),
    "ViT-B/16": ("vit_b_16", "vit_b_16"),
    "GPT-2": ("gpt2", "gpt2"),
}
"""By their title, the specs for PyTorch and for Keras: the two libraries' ResNet-50 differ."""


def seconds(values: list[float]) -> str:
    return f"{1e3 * median(values):,.0f} ms"


@pytest.mark.parametrize("title", CASES)
@pytest.mark.parametrize("framework", TITLES)
def test_steps(framework: str, title: str, record: Record) -> None:
    name = CASES[title][framework == "keras"]
    command = [sys.executable, "-m", "tests.benchmarks.networks", framework, name]
    process, printed = run(command)
    assert process.code == 0, printed
    size = f"{TOKENS} tokens" if name == "gpt2" else f"{BATCH} images"
    for kind, taken in json.loads(printed.splitlines()[-1]).items():
        ours = taken.pop("archc")
        cells = {"archc": seconds(ours), "library": "none"}
        for library, other in taken.items():
            cells |= {
                "library": f"{library} {seconds(other)}",
                "as fast": f"{median(other) / median(ours):.2f}",
                "by the least": f"{min(other) / min(ours):.2f}",
            }
        record(NETWORKS, f"{TITLES[framework]} {title}, {kind}, {size}", cells)
