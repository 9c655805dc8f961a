"""The images to train, to validate or to predict with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archc.language.recipe import Augment
from archc.training.data.prepare import CroppedImages, Images
from archc.training.data.stream import StreamedImages


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images as they are read, resized and padded, and those of them that are meant.

    `images`: (count, height, width, channels) or (count, features), uint8 or float32;
    or streamed ones, or those of parts of random size. `labels`: (count,), None where
    there are none; `indices`: of the images to train, to validate or to predict with;
    `colours`: the principal components of their colours, a row each.
    """

    images: Images | CroppedImages
    labels: np.ndarray | None
    indices: np.ndarray
    colours: np.ndarray | None = None

    def gives_parts(self, augment: Augment) -> bool:
        """Whether the images of training batches are cropped and mirrored already: where they are
        not in an array, unless they are to be moved before."""
        is_first = augment.crop.resizes or not augment.moves
        return is_first and isinstance(self.images, StreamedImages | CroppedImages)
