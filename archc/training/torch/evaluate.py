"""Evaluation: the network's outputs for many images, scores, and probabilities."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from archc.training.data.prepare import ten_corners
from archc.training.plan import Plan
from archc.training.run.metrics import Scores
from archc.training.run.scores import RANKS
from archc.training.torch.batches import ImageSet, InputScaling
from archc.training.torch.precision import mixed_precision

# Values of the images that are evaluated at once, and the most images.
EVALUATED_VALUES = 1 << 22
EVALUATED_IMAGES = 2048
TEN = 10


def network_outputs(
    model: nn.Module,
    data: ImageSet,
    positions: np.ndarray,
    scaling: InputScaling,
    precision: torch.dtype,
) -> Iterator[tuple[Tensor, Tensor]]:
    """The network's output, float32 (batch, classes), and labels, in batches; of ten parts of each
    image the logarithms of their mean probabilities."""
    device = data.labels.device
    model.eval()
    values = math.prod(data.cropped or data.images.shape[1:])
    values *= TEN if data.ten_crop else 1
    size = max(1, min(EVALUATED_IMAGES, EVALUATED_VALUES // values))
    batches = [positions[start : start + size] for start in range(0, len(positions), size)]
    for images, labels in data.batches(batches):
        # Not around the loop: whoever iterates would be in this mode too.
        with torch.inference_mode():
            parts = ten_parts(images, data.cropped) if data.ten_crop else images
            with mixed_precision(precision, device):
                output = model(scaling(parts))
            output = output.float()
            if data.ten_crop:
                output = log_mean_probabilities(output, len(images))
        yield output, labels


def middle_parts(data: ImageSet, shape: tuple[int, ...]) -> ImageSet:
    """The same images, each cropped at its middle to an input of `shape`."""
    return replace(data, cropped=shape)


def evaluated_parts(data: ImageSet, plan: Plan) -> ImageSet:
    """The same images, cropped as the recipe evaluates them."""
    return replace(data, cropped=plan.task.shape, ten_crop=plan.recipe.evaluation == "ten_crop")


def ten_parts(images: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Ten parts of each image, as large as an input of `shape`: the first of all images, then the
    second, (10 * batch, channels, height, width)."""
    height, width, _ = shape
    corners = ten_corners((images.shape[2] - height, images.shape[3] - width))
    parts = [images[:, :, top : top + height, left : left + width] for top, left in corners]
    return torch.cat([*parts, *(part.flip(-1) for part in parts)])


def log_mean_probabilities(output: Tensor, count: int) -> Tensor:
    """The logarithm of the mean probabilities of the parts of `count` images: (count, classes). The
    output for the parts are logits, or logarithms of probabilities."""
    logarithms = output.view(TEN, count, -1).log_softmax(dim=-1)
    return logarithms.logsumexp(dim=0) - math.log(TEN)


def no_sums(device: torch.device, *, ranked: bool) -> Tensor:
    """Sums of scores before the first batch."""
    return torch.zeros(4 if ranked else 3, dtype=torch.float64, device=device)


def score_sums(losses: Tensor, output: Tensor, labels: Tensor, *, ranked: bool) -> Tensor:
    """The sums of a batch: the fields of `Scores`, with the top-5 accuracy if `ranked`, and last
    the number of images."""
    losses, output = losses.detach(), output.detach()
    correct = [output.argmax(dim=1) == labels]
    if ranked:
        ranks = output.topk(RANKS, dim=1).indices
        correct.append((ranks == labels[:, None]).any(dim=1))
    rows = torch.stack([losses, *correct, torch.ones_like(losses)])
    return rows.sum(dim=1, dtype=torch.float64)


def mean_scores(sums: Tensor) -> Scores:
    """The means of sums."""
    return Scores(*(sums[:-1] / sums[-1]).tolist())


def class_probabilities(output: Tensor, kind: str) -> Tensor:
    """The probabilities of the classes, of an output of a kind (`logits`, `log_probabilities`, or
    `distances`, which are negative): (batch, classes)."""
    return output.exp() if kind == "log_probabilities" else output.softmax(dim=1)
