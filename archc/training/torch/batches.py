"""The data as one tensor, the scaling of batches, and the random numbers of a step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from archc.language.recipe import Augment
from archc.training.data.prepare import CroppedImages, Images, centre_crop
from archc.training.data.stream import Request, StreamedImages
from archc.training.data.views import draw_views
from archc.training.task import IMAGE_RANK


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images as they are read, resized and padded, and those of them that are meant.

    `images`: (count, height, width, channels) or (count, features), on the device
    where they fit there; or streamed ones, or those of parts of random size. `labels`:
    (count,), int64, on the device; `indices`: of the images to train or to validate
    with; `colours`: the principal components of their colours, a row each. In
    evaluation the middle of an image is taken, as large as an input of the shape
    `cropped`, or ten parts of that size.
    """

    images: Tensor | StreamedImages | CroppedImages
    labels: Tensor
    indices: np.ndarray
    colours: Tensor | None = None
    cropped: tuple[int, ...] = ()
    ten_crop: bool = False

    def batches(
        self, positions: Sequence[np.ndarray], draws: Iterable[np.ndarray | None] = repeat(None)
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Images, float32 with the channels first, and labels: of each batch some of `indices`.
        Where images are not in a tensor, the parts of them that `draws` choose."""
        batches = [self.indices[one] for one in positions]
        if not isinstance(self.images, StreamedImages | CroppedImages):
            for chosen in batches:
                indices = torch.from_numpy(chosen).to(self.images.device)
                yield self._placed(self.images.index_select(0, indices), chosen)
            return
        images = self.images.batches(map(Request, batches, draws))
        for some, chosen in zip(images, batches, strict=True):
            yield self._placed(torch.from_numpy(some), chosen)

    def gives_parts(self, augment: Augment) -> bool:
        """Whether the images of training batches are cropped and mirrored already: where they are
        not in a tensor, unless they are to be moved before."""
        is_first = augment.crop.resizes or not augment.moves
        return is_first and isinstance(self.images, StreamedImages | CroppedImages)

    def _placed(self, images: Tensor, chosen: np.ndarray) -> tuple[Tensor, Tensor]:
        device = self.labels.device
        if self.cropped and not self.ten_crop:
            images = centre_crop(images, self.cropped)
        images = images.to(device, non_blocking=True).movedim(-1, 1).float()
        return images, self.labels.index_select(0, torch.from_numpy(chosen).to(device))


def image_set(
    images: Images | CroppedImages,
    labels: np.ndarray,
    indices: np.ndarray,
    device: torch.device,
) -> ImageSet:
    """Put the data onto the device: onto a GPU where they fill less than half of it."""
    if isinstance(images, StreamedImages | CroppedImages):
        return ImageSet(images, torch.from_numpy(labels).to(device), indices)
    kept = torch.from_numpy(images)
    if device.type == "cpu" or 2 * kept.nbytes < torch.cuda.mem_get_info(device)[0]:
        kept = kept.to(device)
    return ImageSet(kept, torch.from_numpy(labels).to(device), indices)


class InputScaling(NamedTuple):
    """What brings pixels to the network's input: pixel * factor + offset, both of an input's shape
    (channels, ...), and in an order of memory."""

    factor: Tensor
    offset: Tensor
    memory_format: torch.memory_format = torch.channels_last

    def __call__(self, images: Tensor, *, in_place: bool = False) -> Tensor:
        """Scale and standardize (batch, channels, ...); in the place of the images themselves where
        nothing else needs them: a batch of large ones is new memory whose pages cost more than the
        arithmetic."""
        images = torch.addcmul(self.offset, images, self.factor, out=images if in_place else None)
        if images.dim() != 1 + IMAGE_RANK:
            return images
        if images.shape[1] == 1:
            # Both orders are the same; by the channel's stride, the convolutions that follow are
            # chosen, and in bfloat16 those with the channels last take two thirds of the time.
            return images.squeeze(1).unsqueeze(-1).movedim(-1, 1)
        return images.contiguous(memory_format=self.memory_format)


def input_scaling(
    scale: float,
    mean: np.ndarray,
    deviation: np.ndarray,
    shape: tuple[int, ...],
    device: torch.device,
    *,
    channels_last: bool = True,
) -> InputScaling:
    """Make one product and sum of the scale and the training images' statistics, which may have
    ones in place of some sizes of the `shape` (..., channels) of an input."""

    def placed(values: np.ndarray) -> Tensor:
        # Whole, and in the order of the images' memory: PyTorch takes ten times as long for
        # numbers that it repeats along an axis.
        whole = np.broadcast_to(values.astype(np.float32), shape).copy()
        return torch.from_numpy(whole).to(device).movedim(-1, 0)

    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    return InputScaling(placed(scale / deviation), placed(-mean / deviation), memory_format)


class BatchDraws:
    """The random numbers of one step.

    They follow from `seeds` alone and are drawn for the whole batch, of which each
    process takes its rows: a batch is changed alike by one process and by many.
    """

    def __init__(
        self,
        data: ImageSet,
        seeds: tuple[int, ...],
        batch: int,
        rows: np.ndarray,
    ) -> None:
        self.data = data
        self.seeds = seeds
        self.batch = batch
        self.rows = rows

    @cached_property
    def generator(self) -> np.random.Generator:
        """What draws them, made where it is needed."""
        return np.random.default_rng(self.seeds)

    def uniform(self, low: float, high: float) -> Tensor:
        """One number from `low` to `high` for each image: (batch,)."""
        return self._own(self.generator.uniform(low, high, self.batch))

    def normal(self, deviation: float, columns: int) -> Tensor:
        """Normal numbers of mean 0 for each image: (batch, columns)."""
        return self._own(self.generator.normal(0, deviation, (self.batch, columns)))

    def views(self) -> np.ndarray:
        """The numbers by which images are cropped and mirrored, as `draw_views` gives them."""
        draws: np.ndarray = draw_views(self.seeds, self.batch)[self.rows]
        return draws

    def _own(self, drawn: np.ndarray) -> Tensor:
        own = torch.from_numpy(drawn[self.rows].astype(np.float32))
        return own.to(self.data.labels.device)


def step_seeds(seeds: Sequence[int], count: int) -> list[int]:
    """A seed for each of so many steps, which follows from `seeds` and its index alone."""
    states: list[int] = np.random.SeedSequence(seeds).generate_state(count, np.uint64).tolist()
    return states


def seed_step(seed: int) -> None:
    """Let what the network draws in a step, as dropout does, follow from a seed."""
    # `torch.manual_seed` asks every kind of device: a tenth of a step of LeNet-5.
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed(seed)
