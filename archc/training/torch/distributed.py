"""One process, or several that torchrun started: their ranks, and what they share."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from archc.training.errors import RunError

LEAST_ROWS = 2


class WorkerPlace(NamedTuple):
    """This process among the `processes` of the run; the one of rank 0 alone writes."""

    rank: int
    processes: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    def share(self, batch: int) -> tuple[np.ndarray, float]:
        """The rows of a batch that this process takes, and what each counts.

        They are two at least, as batch normalization needs them: where there are
        fewer, one is taken twice and counts half, or nothing.
        """
        start = batch * self.rank // self.processes
        stop = batch * (self.rank + 1) // self.processes
        if stop - start >= LEAST_ROWS:
            return np.arange(start, stop), 1.0
        row = min(start, batch - 1)
        return np.full(LEAST_ROWS, row), (stop - start) / LEAST_ROWS


def join_workers(device_name: str) -> WorkerPlace:
    """Find the device, and the other processes where torchrun started several."""
    if device_name == "auto":
        device_name = "cuda" if torch.cuda.is_available() else "cpu"
    if device_name == "cuda" and not torch.cuda.is_available():
        message = "there is no GPU here that PyTorch can use"
        raise RunError(message)
    device = torch.device(device_name)
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    if "RANK" not in os.environ:
        return WorkerPlace(0, 1, device)
    # What the processes tell one another beside gradients stays on the CPU.
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend)
    return WorkerPlace(distributed.get_rank(), distributed.get_world_size(), device)


def leave_workers() -> None:
    """Part from the other processes."""
    if distributed.is_initialized():
        # What a model in a cycle holds of the group would outlive it, with its threads.
        gc.collect()
        distributed.destroy_process_group()


def share_model(model: nn.Module, worker: WorkerPlace) -> nn.Module:
    """Let the processes average their gradients."""
    if worker.processes == 1:
        return model
    devices = [worker.device] if worker.device.type == "cuda" else None
    return DistributedDataParallel(model, device_ids=devices)


def share_normalization(model: nn.Module, worker: WorkerPlace) -> nn.Module:
    """Normalize by the statistics of the whole batch instead of those of a process' share."""
    if worker.processes == 1:
        return model
    if worker.device.type == "cpu":
        message = "sync_batch_norm is for GPUs: on CPUs train with one process"
        raise RunError(message)
    return nn.SyncBatchNorm.convert_sync_batchnorm(model)


def share_buffers(model: nn.Module, worker: WorkerPlace) -> None:
    """Take over the first process' running statistics."""
    if worker.processes > 1:
        for buffer in model.buffers():
            distributed.broadcast(buffer, 0)


def sum_over_workers(numbers: Tensor, worker: WorkerPlace) -> Tensor:
    """The sum of all processes' numbers, to the last bit the same on each."""
    if worker.processes > 1:
        numbers = numbers.cpu().clone()
        distributed.all_reduce(numbers)
        distributed.broadcast(numbers, 0)
    return numbers


def largest_of_workers(number: int, worker: WorkerPlace) -> int:
    """The largest of the processes' numbers."""
    if worker.processes > 1:
        shared = torch.tensor(number)
        distributed.all_reduce(shared, distributed.ReduceOp.MAX)
        number = int(shared)
    return number


def let_first(worker: WorkerPlace, act: Callable[[], None]) -> None:
    """Have the first process do something; where that fails, all end."""
    fault: Exception | None = None
    if worker.is_first:
        try:
            act()
        except (OSError, RunError) as error:
            fault = error
    if largest_of_workers(int(fault is not None), worker):
        raise fault or RunError("the first process could not go on")
