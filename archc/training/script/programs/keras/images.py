"""How training scripts for Keras read images."""

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from archc.training.script.programs.keras.constants import (
    CROP,
    CROPS,
    ENDINGS,
    INPUT,
    LARGEST,
    MODE,
    PAD,
    RATIO,
    RESIZE,
    RESIZES,
    SMALLEST,
    SQUARE,
    STREAMS,
    TEN_CROPS,
)

if not STREAMS:

    def read_images(path: Path) -> tuple[Any, Any]:
        """Images, the channels last, and labels of an .npz file or a folder."""
        if len(INPUT) == 3 and path.is_dir():
            files = sorted(path.glob("[!.]*/[!.]*"))
            files = [file for file in files if file.suffix[1:].lower() in ENDINGS]
            images = np.stack([np.array(Image.open(file).convert(MODE)) for file in files])
            labels = np.unique([file.parent.name for file in files], return_inverse=True)[1]
        else:
            arrays = np.load(path)
            images = arrays["images"]
            labels = arrays.get("labels", np.zeros(len(images)))
        if images.ndim == len(INPUT):
            images = images[..., np.newaxis]
        if PAD:
            images = np.pad(images, ((0, 0), (PAD, PAD), (PAD, PAD), (0, 0)))
        if not CROPS and images.shape[1:] != INPUT:
            sys.exit(f"an image is {images.shape[1:]}, and the network takes {INPUT}")
        return images, labels.astype("int64")
else:

    class Photos:
        """Images of a folder for each class, or of an .npz file, decoded when they are needed."""

        def __init__(self, path: Path) -> None:
            if path.is_dir():
                files = sorted(path.glob("[!.]*/[!.]*"))
                self.images = [file for file in files if file.suffix[1:].lower() in ENDINGS]
                names = [file.parent.name for file in self.images]
                self.labels = np.unique(names, return_inverse=True)[1]
            else:
                arrays = np.load(path)
                self.images = arrays["images"]
                self.labels = arrays.get("labels", np.zeros(len(self.images)))
            self.shape = (len(self.images), *self.decode(0).shape)

        def __len__(self) -> int:
            return len(self.images)

        def __getitem__(self, indices: Any) -> Any:
            return np.stack([self.decode(index) for index in indices])

        def open(self, index: int) -> Image.Image:
            """An image as it is."""
            source: Any = self.images[index]
            image = Image.open(source) if isinstance(source, Path) else Image.fromarray(source)
            return image.convert(MODE)

        def decode(self, index: int) -> Any:
            """One image as it is evaluated: (height, width, channels)."""
            image = self.open(index)
            if RESIZES and not SQUARE:
                image = image.resize(RESIZE, Image.Resampling.BILINEAR)
            elif RESIZES:
                image = ImageOps.fit(image, RESIZE, Image.Resampling.BILINEAR)
            if PAD:
                image = ImageOps.expand(image, PAD)
            if CROPS and CROP != "random" and not TEN_CROPS:
                left, top = (image.width - INPUT[1]) // 2, (image.height - INPUT[0]) // 2
                image = image.crop((left, top, left + INPUT[1], top + INPUT[0]))
            return np.array(image).reshape(image.height, image.width, -1)

        if CROP != "random":

            def part(self, index: int, generator: Any) -> Any:
                """A part of one image, to train with: (height, width, channels)."""
                image = self.open(index)
                if CROP == "random_resized":
                    width, height = image.width, image.height
                    for _ in range(10):
                        area = image.width * image.height * generator.uniform(SMALLEST, LARGEST)
                        ratio = math.exp(generator.uniform(-math.log(RATIO), math.log(RATIO)))
                        width, height = (
                            round(math.sqrt(area * ratio)),
                            round(math.sqrt(area / ratio)),
                        )
                        if width <= image.width and height <= image.height:
                            break
                    width, height = min(width, image.width), min(height, image.height)
                    left = generator.integers(image.width - width + 1)
                    top = generator.integers(image.height - height + 1)
                else:
                    scale = min(image.size) / generator.integers(SMALLEST, LARGEST + 1)
                    width, height = INPUT[1] * scale, INPUT[0] * scale
                    left = generator.uniform(0, image.width - width)
                    top = generator.uniform(0, image.height - height)
                box = (left, top, left + width, top + height)
                image = image.resize((INPUT[1], INPUT[0]), Image.Resampling.BILINEAR, box)
                return np.array(image).reshape(INPUT)
