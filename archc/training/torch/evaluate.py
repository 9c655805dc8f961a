"""Evaluation: the network's outputs for many images, scores, and probabilities."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from archc.training.run.metrics import Scores
from archc.training.run.scores import RANKS
from archc.training.torch.batches import ImageSet, InputScaling
from archc.training.torch.precision import mixed_precision

# Values of the images that are evaluated at once, and the most images.
EVALUATED_VALUES = 1 << 22
EVALUATED_IMAGES = 2048


def network_outputs(
    model: nn.Module,
    data: ImageSet,
    positions: np.ndarray,
    scaling: InputScaling,
    precision: torch.dtype,
) -> Iterator[tuple[Tensor, Tensor]]:
    """The network's output, float32 (batch, classes), and labels, in batches. The images are as
    large as the network's input."""
    device = data.labels.device
    model.eval()
    values = math.prod(data.cropped or data.images.shape[1:])
    size = max(1, min(EVALUATED_IMAGES, EVALUATED_VALUES // values))
    batches = [positions[start : start + size] for start in range(0, len(positions), size)]
    for images, labels in data.batches(batches):
        # Not around the loop: whoever iterates would be in this mode too.
        with torch.inference_mode():
            with mixed_precision(precision, device):
                output = model(scaling(images))
            output = output.float()
        yield output, labels


def middle_parts(data: ImageSet, shape: tuple[int, ...]) -> ImageSet:
    """The same images, each cropped at its middle to an input of `shape`."""
    return replace(data, cropped=shape)


def no_sums(device: torch.device, *, ranked: bool) -> Tensor:
    """Sums of scores before the first batch."""
    return torch.zeros(4 if ranked else 3, dtype=torch.float64, device=device)


def score_sums(losses: Tensor, output: Tensor, labels: Tensor, *, ranked: bool) -> Tensor:
    """The sums of a batch: the fields of `Scores`, with the top-5 accuracy if `ranked`, and last
    the number of images."""
    correct = [output.argmax(dim=1) == labels]
    if ranked:
        ranks = output.topk(RANKS, dim=1).indices
        correct.append((ranks == labels[:, None]).any(dim=1))
    columns = [losses.detach(), *correct, torch.ones_like(losses)]
    return torch.stack([one.sum(dtype=torch.float64) for one in columns])


def mean_scores(sums: Tensor) -> Scores:
    """The means of sums."""
    return Scores(*(sums[:-1] / sums[-1]).tolist())


def class_probabilities(output: Tensor, kind: str) -> Tensor:
    """The probabilities of the classes, of an output of a kind (`logits`, `log_probabilities`, or
    `distances`, which are negative): (batch, classes)."""
    return output.exp() if kind == "log_probabilities" else output.softmax(dim=1)
