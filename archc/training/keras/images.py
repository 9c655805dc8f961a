"""The images to train, to validate or to predict with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archc.training.data.prepare import Images


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images as they are read, resized and padded, and those of them that are meant.

    `images`: (count, height, width, channels) or (count, features), uint8 or float32;
    or streamed ones. `labels`: (count,), None where there are none; `indices`: of the
    images to train, to validate or to predict with; `colours`: the principal components
    of their colours, a row each.
    """

    images: Images
    labels: np.ndarray | None
    indices: np.ndarray
    colours: np.ndarray | None = None
