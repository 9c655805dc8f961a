"""How many images a second a folder of JPEGs gives that does not fit into memory, beside a plain
`DataLoader` with torchvision's `ImageFolder` and as many workers; and the memory of `archc train`.

The aims: at least 0.9 times as many, and 2 GiB for all its processes. Processes of both take turns.
`STREAMED_IMAGES=30000` takes more images than 3,000: 20 minutes more."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import sleep

import numpy as np
import pytest
from PIL import Image

from archc.training.threads import choose_threads
from tests.backends.torchvision_models import is_installed
from tests.benchmarks.conftest import Record
from tests.benchmarks.table import DATA

if not is_installed():
    pytest.skip("takes torchvision", allow_module_level=True)

ROOT = Path(__file__).parents[2]
COUNT = int(os.environ.get("STREAMED_IMAGES", "3000"))
DISTINCT, CLASSES, BATCH, ROUNDS = 300, 10, 128, 3
WORKERS = len(os.sched_getaffinity(0))
GIB = 1 << 30
SPEC = """\
archc: 1
name: small
input: {channels: 3, height: 224, width: 224}
layers:
  - conv: {filters: 16, kernel_size: 7, stride: 4, activation: relu}
  - global_avg_pool
  - dense: 10
training:
  inputs: {resize: 256, standardize: channel}
  augment: {flip: horizontal}
  optimizer: {sgd: {learning_rate: 0.01, momentum: 0.9}}
  batch_size: 128
  epochs: 1
  validation: 0
"""
OURS = """
import sys, time
import numpy as np
import torch
from pathlib import Path
from archc.language.recipe import Augment, Inputs, RandomCrop, RandomResizedCrop
from archc.training.data import read_data
from archc.training.data.images import InputFormat
from archc.training.data.stream import Streaming, ending_decoders
from archc.training.data.views import draw_views
from archc.training.torch.batches import image_set, input_scaling

if __name__ == "__main__":
    folder, batch, workers = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    shape, device = (224, 224, 3), torch.device("cpu")
    crop = RandomCrop() if sys.argv[4] == "random" else RandomResizedCrop()
    augment = Augment(crop=crop, flip="horizontal")
    expected = InputFormat(shape, 10, Inputs(resize=256), Streaming(0, workers), augment)
    with ending_decoders():
        data = read_data(folder, expected, labelled=True)
        count = len(data.images)
        images = image_set(data.images, data.known_labels, np.arange(count), device)
        scaling = input_scaling(1 / 255, np.zeros((1, 1, 3)), np.ones((1, 1, 3)), shape, device)
        order = np.random.default_rng(0).permutation(count)
        batches = [order[start : start + batch] for start in range(0, count, batch)]
        draws = (draw_views((0, 1, step), len(one)) for step, one in enumerate(batches))
        seen, begin = 0, time.perf_counter()
        for pixels, labels in images.batches(batches, draws):
            seen += len(scaling(pixels, in_place=True))
        print("images/s", seen / (time.perf_counter() - begin))
"""
THEIRS = """
import sys, time
import torch
from torch.utils.data import DataLoader
from tests.backends.torchvision_models import models

models()  # a torchvision whose operators PyTorch does not load can be imported then
from torchvision import datasets, transforms

if __name__ == "__main__":
    parts = [transforms.RandomResizedCrop(224)]
    if sys.argv[4] == "random":
        parts = [transforms.Resize(256), transforms.CenterCrop(256), transforms.RandomCrop(224)]
    steps = [
        *parts,
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    ]
    data = datasets.ImageFolder(sys.argv[1], transforms.Compose(steps))
    batch, workers = int(sys.argv[2]), int(sys.argv[3])
    seen, begin = 0, time.perf_counter()
    for images, labels in DataLoader(data, batch, shuffle=True, num_workers=workers):
        seen += len(images)
    print("images/s", seen / (time.perf_counter() - begin))
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """JPEGs of 500 x 375 and about 50 kB, a few hundred of them distinct."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    made = []
    for number in range(min(DISTINCT, COUNT)):
        blocks = random.integers(0, 256, (12, 16, 3)).astype(np.uint8)
        picture = Image.fromarray(blocks).resize((500, 375), Image.Resampling.BICUBIC)
        grain = random.normal(0, 6, (375, 500, 1))
        pixels = (np.asarray(picture) + grain).clip(0, 255).astype(np.uint8)
        made.append(folder / f"{number}.jpg")
        Image.fromarray(pixels).save(made[-1], quality=88)
    data = folder / "data"
    for number in range(COUNT):
        path = data / str(number % CLASSES) / f"{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(made[number % len(made)], path)
    return data


def speed(program: str, data: Path, crop: str) -> float:
    """The images a second of a program, whose threads wait as those of `archc train` do."""
    command = [sys.executable, "-c", program, str(data), str(BATCH), str(WORKERS), crop]
    environment = choose_threads(None, None, 1, {}).within(os.environ)
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    return float(done.stdout.split()[-1])


@pytest.mark.parametrize("crop", ["random", "random_resized"])
def test_images_a_second(crop: str, photos: Path, record: Record) -> None:
    turns = [(speed(OURS, photos, crop), speed(THEIRS, photos, crop)) for _ in range(ROUNDS)]
    ours, theirs = zip(*turns, strict=True)
    cells = {
        "archc": f"{median(ours):,.0f} images/s",
        "beside it": f"`ImageFolder` in a `DataLoader` {median(theirs):,.0f} images/s",
        "as fast": f"{median(ours) / median(theirs):.2f}",
        "by the least": f"{max(ours) / max(theirs):.2f}",
    }
    record(DATA, f"{COUNT:,} JPEGs, {crop} crops, {WORKERS} workers", cells)


def memory(process: int) -> int:
    """Bytes of a process and those it started: shared pages count once."""
    total, waiting = 0, [process]
    while waiting:
        one = waiting.pop()
        try:
            text = Path(f"/proc/{one}/smaps_rollup").read_text(encoding="ascii")
            for children in Path(f"/proc/{one}/task").glob("*/children"):
                waiting += map(int, children.read_text(encoding="ascii").split())
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
        total += int(re.search(r"^Pss: +(\d+)", text, re.MULTILINE)[1]) << 10  # type: ignore[index]
    return total


@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_memory(backend: str, photos: Path, tmp_path: Path, record: Record) -> None:
    spec = tmp_path / "small.yaml"
    spec.write_text(SPEC, encoding="utf-8")
    command = [sys.executable, "-m", "archc", "train", str(spec), "--backend", backend]
    command += ["--data", str(photos), "-o", str(tmp_path / "run")]
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""}
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment) as process:
        peak = 0
        while process.poll() is None:
            peak = max(peak, memory(process.pid))
            sleep(0.2)
    assert process.returncode == 0
    row = f"{COUNT:,} JPEGs, `archc train`, {backend}"
    record(DATA, row, {"memory of all processes": f"{peak / GIB:.2f} GiB"})
    assert peak < 2 * GIB
