"""How training scripts for PyTorch read images."""

import math
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from archc.training.script.programs.torch.constants import (
    CROP,
    CROPS,
    ENDINGS,
    INPUT,
    LARGEST,
    MODE,
    PAD,
    PROCESSES,
    RANK,
    RATIO,
    RESIZE,
    RESIZES,
    SMALLEST,
    SQUARE,
    STREAMS,
)

if not STREAMS:

    def read_images(path: Path) -> tuple[Tensor, Tensor]:
        """Images, the channels first, and labels of an .npz file or a folder."""
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
        images = torch.from_numpy(images).movedim(-1, 1)
        if PAD:
            images = functional.pad(images, [PAD] * 4)
        if not CROPS and images.shape[1:] != INPUT:
            sys.exit(f"an image is {tuple(images.shape[1:])}, the network takes {INPUT}")
        return images, torch.from_numpy(labels).long()

    def load(data: Any, batches: list[Any], device: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """This process' share of each batch, on the device."""
        for batch in batches:
            images, labels = (one[batch[RANK::PROCESSES]].to(device) for one in data)
            yield images.float(), labels
else:

    class Photos(Dataset[Any]):
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

        def __len__(self) -> int:
            return len(self.labels)

        def __getitem__(self, index: int) -> tuple[Tensor, int]:
            source: Any = self.images[index]
            image = Image.open(source) if isinstance(source, Path) else Image.fromarray(source)
            image = self.view(image.convert(MODE))
            pixels = torch.from_numpy(np.array(image)).view(image.height, image.width, -1)
            return pixels.movedim(-1, 0), int(self.labels[index])

        def view(self, image: Image.Image) -> Image.Image:
            """An image as it is evaluated."""
            if RESIZES and not SQUARE:
                image = image.resize(RESIZE, Image.Resampling.BILINEAR)
            elif RESIZES:
                image = ImageOps.fit(image, RESIZE, Image.Resampling.BILINEAR)
            if PAD:
                image = ImageOps.expand(image, PAD)
            return image

    if CROP == "random_resized":

        class RandomParts(Photos):
            """Parts of random area and aspect ratio, to train with."""

            def view(self, image: Image.Image) -> Image.Image:
                """A part of an image."""
                size = (INPUT[2], INPUT[1])
                for _ in range(10):
                    area = image.width * image.height * random.uniform(SMALLEST, LARGEST)
                    ratio = math.exp(random.uniform(-math.log(RATIO), math.log(RATIO)))
                    width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
                    if width <= image.width and height <= image.height:
                        left = random.randint(0, image.width - width)
                        top = random.randint(0, image.height - height)
                        box = (left, top, left + width, top + height)
                        return image.resize(size, Image.Resampling.BILINEAR, box)
                return ImageOps.fit(image, size, Image.Resampling.BILINEAR)

    if CROP == "scale_jitter":

        class JitteredParts(Photos):
            """Parts of images whose shorter side has a random length, to train with."""

            def view(self, image: Image.Image) -> Image.Image:
                """A part of an image."""
                size = (INPUT[2], INPUT[1])
                scale = min(image.size) / random.randint(SMALLEST, LARGEST)
                width, height = size[0] * scale, size[1] * scale
                left = random.uniform(0, image.width - width)
                top = random.uniform(0, image.height - height)
                box = (left, top, left + width, top + height)
                return image.resize(size, Image.Resampling.BILINEAR, box)

    def load(data: Any, batches: list[Any], device: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """This process' share of each batch, decoded by others, on the device."""
        shares = [batch[RANK::PROCESSES].tolist() for batch in batches]
        for images, labels in DataLoader(data, batch_sampler=shares, num_workers=8):
            yield images.to(device).float(), labels.to(device)
