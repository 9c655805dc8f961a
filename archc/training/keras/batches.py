"""Batches: the images of each step, and what the network is given of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import keras
import numpy as np

from archc.language.recipe import Training
from archc.training.data.prepare import CroppedImages, Images, centre_crop, epoch_batches
from archc.training.data.stream import Request, StreamedImages
from archc.training.data.views import changes_parts, draw_views
from archc.training.keras.augment import training_inputs
from archc.training.keras.gather import Gatherer, can_gather
from archc.training.keras.images import ImageSet
from archc.training.task import IMAGE_RANK

# Images whose labels are told at once, at least.
EVALUATED_IMAGES = 256
TEN = 10


class BatchReader:
    """The images of batches, by the batches' numbers; streamed ones are decoded ahead for as long
    as the numbers follow one another."""

    def __init__(
        self, images: Images | CroppedImages, request: Callable[[int], Request], count: int
    ) -> None:
        """Take what a batch asks for, of `count` batches."""
        self.images = images
        self.request = request
        self.count = count
        self.next = -1
        self.stream: Iterator[np.ndarray] = iter(())

    def __getitem__(self, index: int) -> np.ndarray:
        if not isinstance(self.images, StreamedImages | CroppedImages):
            images: np.ndarray = self.images[self.request(index).indices]
            return images
        if index != self.next:
            self.stream = self.images.batches(map(self.request, range(index, self.count)))
        self.next = index + 1
        return next(self.stream)


class TrainingBatches(keras.utils.PyDataset):
    """The batches of the steps `span` of an epoch.

    What is random in one follows from the seed, the epoch and the step alone. Batches
    are filled up to a multiple of `replicas` with images that do not count.
    """

    def __init__(
        self,
        data: ImageSet,
        recipe: Training,
        shape: tuple[int, ...],
        seed: int,
        replicas: int,
    ) -> None:
        """Take the images for a network with inputs of `shape`, the channels last."""
        super().__init__()
        self.data = data
        self.recipe = recipe
        self.shape = shape
        self.seed = seed
        self.replicas = replicas
        self.gatherer: Gatherer | None = None
        self.begin_stretch(range(0))
        self.begin_epoch(1)
        if replicas == 1 and not self._changes() and can_gather(data):
            self.gatherer = Gatherer(data, recipe.batch_size, self.image_count(0, len(self.order)))

    def _changes(self) -> bool:
        """Whether images are changed before the trainer takes them, or come with random numbers."""
        augment, images = self.recipe.augment, self.data.images
        if augment.moves or augment.lighting or not isinstance(images, np.ndarray):
            return True
        return len(self.shape) == IMAGE_RANK and changes_parts(
            images.shape[1:3], augment, self.shape
        )

    def begin_stretch(self, span: range) -> None:
        """Take other steps of each epoch."""
        self.span = span
        self.reader = self._reader()

    def begin_epoch(self, epoch: int) -> None:
        """Draw the order of an epoch, the first of which is 1."""
        self.epoch = epoch
        self.order = epoch_batches(len(self.data.indices), self.recipe, self.seed, epoch)
        self.reader = self._reader()
        if self.gatherer is not None:
            self.gatherer.begin_epoch([self.data.indices[one] for one in self.order])

    def fed(self) -> object:
        """What `fit` takes: TensorFlow's own batches of images that are taken as they are, or else
        these."""
        return self if self.gatherer is None else self.gatherer.batches(self.span)

    def _reader(self) -> BatchReader:
        return BatchReader(self.data.images, self._request, len(self.span))

    def _request(self, index: int) -> Request:
        step = self.span[index]
        chosen = self.data.indices[self.order[step]]
        if not self.data.gives_parts(self.recipe.augment):
            return Request(chosen)
        return Request(chosen, draw_views((self.seed, self.epoch, step + 1), len(chosen)))

    def image_count(self, first: int, last: int) -> int:
        """Count the images of some steps."""
        return sum(map(len, self.order[first:last]))

    @property
    def num_batches(self) -> int:
        """The steps that are taken."""
        return len(self.span)

    def __getitem__(self, index: int) -> tuple[object, ...]:
        step = self.span[index]
        chosen = self.data.indices[self.order[step]]
        augment, colours = self.recipe.augment, self.data.colours
        inputs = training_inputs(
            self.reader[index],
            colours,
            (self.seed, self.epoch, step + 1),
            augment,
            self.shape,
            has_parts=self.data.gives_parts(augment),
        )
        assert self.data.labels is not None
        labels = self.data.labels[chosen]
        if self.replicas == 1:
            return inputs, labels
        rows, weights = filled_rows(len(chosen), self.replicas)
        filled = keras.tree.map_structure(lambda one: one[rows], inputs)
        return filled, labels[rows], weights


class EvaluationBatches(keras.utils.PyDataset):
    """Images in their order, and their labels where there are any.

    Of images larger than the network's input the middle is taken, or with `ten_crop` all
    of them, for the evaluator to crop.
    """

    def __init__(
        self,
        data: ImageSet,
        batch_size: int,
        shape: tuple[int, ...],
        replicas: int = 1,
        *,
        ten_crop: bool = False,
    ) -> None:
        super().__init__()
        self.data = data
        self.shape = shape
        self.replicas = replicas
        self.ten_crop = ten_crop
        self.size = max(batch_size, EVALUATED_IMAGES)
        if ten_crop:
            self.size = -(-self.size // TEN)
        self.reader = BatchReader(data.images, self._request, self.num_batches)

    def _request(self, index: int) -> Request:
        return Request(self.data.indices[index * self.size : (index + 1) * self.size])

    @property
    def num_batches(self) -> int:
        """All batches."""
        return -(-len(self.data.indices) // self.size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        chosen = self._request(index).indices
        images = self.reader[index]
        if not self.ten_crop:
            images = centre_crop(images, self.shape)
        if self.data.labels is None:
            return (images,)
        labels = self.data.labels[chosen]
        if self.replicas == 1:
            return images, labels
        rows, weights = filled_rows(len(chosen), self.replicas)
        return images[rows], labels[rows], weights


def filled_rows(count: int, replicas: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a batch filled up to a multiple of `replicas`, and their weights.

    What is added weighs nothing, the others the more: the mean over the devices, each
    of which takes the same number of rows, is that over the batch.
    """
    filled = -(-count // replicas) * replicas
    weights: np.ndarray = np.zeros(filled, np.float32)
    weights[:count] = filled / count
    return np.resize(np.arange(count), filled), weights
