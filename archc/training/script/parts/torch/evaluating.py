"""What the network makes of images, many at once."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from archc.training.script.parts.common.metrics import Scores
from archc.training.script.parts.common.preparing import centre_crop
from archc.training.script.parts.torch.batches import ImageSet, InputScaling
from archc.training.script.parts.torch.precision import mixed_precision

# Values of the images that are evaluated at once, and the most images.
EVALUATED_VALUES = 1 << 22
EVALUATED_IMAGES = 2048
TOP_RANKS = 5


@torch.inference_mode()
def network_outputs(
    model: nn.Module,
    data: ImageSet,
    positions: np.ndarray,
    scaling: InputScaling,
    precision: torch.dtype,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Give the network's output, float32 (batch, classes), and labels, in batches."""
    device = data.labels.device
    model.eval()
    middle = middle_parts(data)
    image_values = middle.images[0].numel()
    size = max(1, min(EVALUATED_IMAGES, EVALUATED_VALUES // image_values))
    for start in range(0, len(positions), size):
        images, labels = middle.batch(positions[start : start + size])
        with mixed_precision(precision, device):
            output = model(scaling(images))
        yield output.float(), labels


def middle_parts(data: ImageSet) -> ImageSet:
    """The same images, of each the middle as large as the network's input."""
    return replace(data, images=centre_crop(data.images))


def no_sums(device: torch.device) -> Tensor:
    """What sums of scores begin with."""
    count = 4 if METRIC == "top_5_accuracy" else 3
    return torch.zeros(count, dtype=torch.float64, device=device)


def score_sums(losses: Tensor, output: Tensor, labels: Tensor) -> Tensor:
    """Add up a batch: the fields of `Scores`, and last how many images they are of."""
    right = [output.argmax(dim=1) == labels]
    if METRIC == "top_5_accuracy":
        ranked = output.topk(TOP_RANKS, dim=1).indices
        right.append((ranked == labels[:, None]).any(dim=1))
    columns = [losses.detach(), *right, torch.ones_like(losses)]
    return torch.stack([one.sum(dtype=torch.float64) for one in columns])


def mean_scores(sums: Tensor) -> Scores:
    """Make means of sums."""
    return Scores(*(sums[:-1] / sums[-1]).tolist())


def class_probabilities(output: Tensor) -> Tensor:
    """What the network gives as probabilities: (batch, classes)."""
    return output.softmax(dim=1) if OUTPUT == "logits" else output.exp()
