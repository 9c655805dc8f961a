"""The statistics of the images to train with, over several processes."""

from __future__ import annotations

import torch

from archc.training.data.pixels import PixelStatistics, PixelSums, pixel_statistics
from archc.training.data.splits import FitData
from archc.training.plan import Plan
from archc.training.torch.distributed import WorkerPlace, sum_over_workers


def training_statistics(plan: Plan, found: FitData, worker: WorkerPlace) -> PixelStatistics:
    """The statistics of the images to train with; each process reads its share of streamed ones."""

    def total(sums: PixelSums) -> PixelSums:
        return PixelSums(*(sum_over_workers(torch.from_numpy(one), worker).numpy() for one in sums))

    return pixel_statistics(
        found.data.images,
        found.training,
        plan.format,
        lighting=plan.recipe.augment.lighting > 0,
        share=slice(worker.rank, None, worker.processes),
        total=total,
    )
