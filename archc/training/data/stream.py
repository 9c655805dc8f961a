"""Images that are decoded when they are needed: by other processes, in the order of requests, with
bounded memory."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context, parent_process
from multiprocessing.synchronize import Lock
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from archc.training.errors import RunError

DECODED_AT_ONCE = 8  # images that a process decodes at once
CHUNKS_AHEAD = 3  # that wait for each process
BATCHES_AHEAD = 2
MOST_WORKERS = 16

Result = TypeVar("Result")


class Streaming(NamedTuple):
    """How folders of images are read: those whose decoded images fill more than `in_memory` bytes
    are decoded anew in each epoch, by so many processes."""

    in_memory: int
    workers: int


class Request(NamedTuple):
    """The images of a batch, by their indices; `draws` are the numbers, a row for each image, by
    which a part of it is taken at random. Without them images are as in evaluation."""

    indices: np.ndarray
    draws: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class StreamedImages:
    """Image files in place of their array, uint8 (count, height, width, channels).

    `decode` gives the images of some files, and may be sent to another process.
    """

    files: Sequence[Path]
    shape: tuple[int, ...]
    decode: Callable[[Sequence[Path], np.ndarray | None], np.ndarray]
    workers: int

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        (images,) = self.batches([Request(indices)])
        return images

    def batches(self, requests: Iterable[Request]) -> Iterator[np.ndarray]:
        """The images of each request, decoded while those before are used.

        Raises DataError for a file that is no sound image, OSError, RunError.
        """
        pool = decoders(self.workers)
        remaining = iter(requests)
        waiting: deque[tuple[int, list[Future[np.ndarray]]]] = deque()
        ahead = 0
        try:
            while True:
                while len(waiting) <= BATCHES_AHEAD or ahead < self._fewest_ahead:
                    request = next(remaining, None)
                    if request is None:
                        break
                    waiting.append((len(request.indices), self._submit(pool, request)))
                    ahead += len(request.indices)
                if not waiting:
                    return
                count, futures = waiting[0]
                images = np.concatenate([future.result() for future in futures])
                waiting.popleft()
                ahead -= count
                yield images
        except BrokenProcessPool:
            message = "a process that decodes images was ended: was there too little memory?"
            raise RunError(message) from None
        finally:
            for _, futures in waiting:
                for future in futures:
                    future.cancel()

    @property
    def _fewest_ahead(self) -> int:
        """Images that are asked for ahead, where batches are small."""
        return self.workers * CHUNKS_AHEAD * DECODED_AT_ONCE

    def _submit(self, pool: ProcessPoolExecutor, request: Request) -> list[Future[np.ndarray]]:
        futures = []
        for start in range(0, len(request.indices) or 1, DECODED_AT_ONCE):  # of none as well
            rows = slice(start, start + DECODED_AT_ONCE)
            files = [self.files[index] for index in request.indices[rows]]
            draws = None if request.draws is None else request.draws[rows]
            futures.append(pool.submit(self.decode, files, draws))
        return futures


def map_files(
    check: Callable[[Sequence[Path]], Result], files: Sequence[Path], workers: int, at_once: int
) -> Iterator[Result]:
    """What a function gives for every `at_once` files, in their order, called in the processes."""
    chunks = [files[start : start + at_once] for start in range(0, len(files), at_once)]
    try:
        yield from decoders(workers).map(check, chunks)
    except BrokenProcessPool:
        message = "a process that reads images was ended: was there too little memory?"
        raise RunError(message) from None


def worker_count() -> int:
    """The processes that decode by default: one for each core that this process may use, shared by
    the processes that torchrun started on this machine."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows do not tell
        cores = os.cpu_count() or 1
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, min(MOST_WORKERS, cores // beside))


@cache
def decoders(workers: int) -> ProcessPoolExecutor:
    """The processes that decode, started where they are first needed. They are no forks: a GPU and
    the threads of a framework do not survive one."""
    spawning = get_context("spawn")
    turns = [spawning.Lock()]
    pool = ProcessPoolExecutor(workers, spawning, _begin_worker, (turns,))
    _started.append((pool, turns))
    return pool


_started: list[tuple[ProcessPoolExecutor, list[Lock]]] = []


@contextmanager
def ending_decoders() -> Iterator[None]:
    """End the processes that decode, whatever comes; what they have not begun is left."""
    try:
        yield
    finally:
        decoders.cache_clear()
        while _started:
            pool, turns = _started.pop()
            pool.shutdown(cancel_futures=True)
            turns.clear()  # what the system has of it goes, though an error may hold the pool


_turn: AbstractContextManager[object] = nullcontext()
"""What the processes that decode hold one after the other."""


def alone(decode: Callable[[], Result]) -> Result:
    """Call a function while no other of the processes that decode calls one through this."""
    with _turn:
        return decode()


def _begin_worker(turns: list[Lock]) -> None:
    """Leave Ctrl-C to the process that trains, and end with it, however that ends."""
    global _turn
    _turn = turns[0]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")  # Pillow's, of what is refused
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
