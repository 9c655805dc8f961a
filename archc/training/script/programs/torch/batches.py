"""Which images a batch has, and what is measured of all of them."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed

from archc.training.script.programs.torch.constants import (
    BATCH_SIZE,
    CROPS,
    INPUT,
    PARTS,
    PROCESSES,
    RANK,
    SCALE,
    SEED,
    STANDARDIZE,
    STEPS_PER_EPOCH,
    TEN_CROPS,
    VALIDATION,
)
from archc.training.script.programs.torch.images import load

if VALIDATION:

    def split(classes: Any) -> tuple[Any, Any]:
        """The same share of each class to hold out, at random, and the others."""
        order = np.random.default_rng((SEED, len(classes))).permutation(len(classes))
        order = order[np.argsort(classes[order], kind="stable")]
        chosen = np.diff(np.floor(np.arange(len(order) + 1) * VALIDATION + 1e-9)) > 0
        return np.sort(order[chosen]), np.setdiff1d(order, order[chosen])


def epoch_batches(indices: Any, epoch: int) -> list[Any]:
    """This process' part of batches: at random, by the epoch; in order for epoch 0."""
    if epoch > 0:
        if STEPS_PER_EPOCH:
            generator = np.random.default_rng((SEED, epoch))
            length = STEPS_PER_EPOCH * BATCH_SIZE
            times = -(-length // len(indices))
            orders = [generator.permutation(indices) for _ in range(times)]
            indices = np.concatenate(orders)[:length]
        else:
            indices = np.random.default_rng((SEED, epoch)).permutation(indices)
    batches = np.split(indices, range(BATCH_SIZE, len(indices), BATCH_SIZE))
    least = min(2 * PROCESSES, BATCH_SIZE) if epoch else RANK + 1  # two to normalize
    return [batch[RANK::PROCESSES] for batch in batches if len(batch) >= least]


def add_up(sums: Tensor) -> Tensor:
    """Sums over all processes."""
    if PROCESSES > 1:
        distributed.all_reduce(sums)
    return sums


if STANDARDIZE == "pixel_mean" or STANDARDIZE == "channel_mean":

    def mean_image(data: Any, indices: Any, device: Any) -> Tensor:
        """The mean of the training images, as float32."""
        batches = load(data, epoch_batches(indices, 0), device)
        total = sum(images.sum(dim=0, dtype=torch.float64) for images, _ in batches)
        mean = (add_up(total) / len(indices)).float()
        if SCALE != 1.0:
            mean = mean * SCALE
        if STANDARDIZE == "channel_mean":
            return mean.mean(tuple(range(1, mean.dim())), keepdim=True)
        if CROPS or (PARTS and TEN_CROPS):
            top, left = (mean.shape[1] - INPUT[1]) // 2, (mean.shape[2] - INPUT[2]) // 2
            return mean[:, top : top + INPUT[1], left : left + INPUT[2]]
        return mean


if STANDARDIZE == "dataset" or STANDARDIZE == "channel":

    def standardization(data: Any, indices: Any, device: Any) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the training images, as float32."""
        total, squares = torch.zeros(2, dtype=torch.float64, device=device)
        for images, _ in load(data, epoch_batches(indices, 0), device):
            if SCALE != 1.0:
                images = images * SCALE
            total = total + images.sum(dim=0, dtype=torch.float64)
            squares = squares + images.double().square().sum(dim=0)
        mean, square = add_up(total) / len(indices), add_up(squares) / len(indices)
        if STANDARDIZE == "dataset":
            mean, square = mean.mean(), square.mean()
        if STANDARDIZE == "channel":
            axes = tuple(range(1, mean.dim()))
            mean, square = mean.mean(axes, keepdim=True), square.mean(axes, keepdim=True)
        return mean.float(), (square - mean.square()).sqrt().float()
